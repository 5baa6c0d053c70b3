using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Hosting.Local;
using DistOpt.Hosting.Studies;
using DistOpt.Hosting.Tests.Support;

namespace DistOpt.Hosting.Tests.Studies;

/// <summary>Commands to a study that another process of this machine runs.</summary>
public sealed class StudyControlTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("distopt-control-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public async Task A_study_of_this_machine_shows_how_it_stands_and_takes_commands()
    {
        var directory = new StudyDirectory(Path.Combine(_root, new string('x', 120), "study"));
        var parts = LinearParts.Of(new LinearRuntime());
        var spec = parts.Studies!.Read(LinearParts.StudyYaml(trials: 100_000));
        using var session = new StudySession("s", spec, directory, parts.Studies, TimeProvider.System);
        var commands = new StudyCommands();
        Task<StudyStatus> study;
        await using (StudyControlServer.Start(directory, spec, commands))
        {
            study = LocalStudyHost.RunAsync(session.Run, directory.JournalFile, parts, commands, Token);
            await StudyControlClient.CommandAsync(directory, "pause", "k", "", Token);
            await StudyControlClient.CommandAsync(directory, "pause", "k", "", Token);
            await StudyControlClient.CommandAsync(directory, "set", "k2", """{"parallel": 5}""", Token);
            using var shown = await StudyControlClient.ShowAsync(directory, Token);
            Assert.Equal(("paused", 5), (shown.RootElement.GetProperty("status").GetString(), shown.RootElement.GetProperty("parallel").GetInt32()));

            var refused = await Assert.ThrowsAsync<SpecException>(() => StudyControlClient.CommandAsync(directory, "enqueue", "", """{"point": {"x": 1}}""", Token));
            Assert.Contains("is no parameter of the space", refused.Message);
            refused = await Assert.ThrowsAsync<SpecException>(() => StudyControlClient.CommandAsync(directory, "dance", "", "", Token));
            Assert.Contains("'dance' is no command of a study", refused.Message);

            refused = await Assert.ThrowsAsync<SpecException>(() => StudyControlClient.CommandAsync(directory, "resume", "", """{"accept_new_code": 1}""", Token));
            Assert.Contains("must be true or false", refused.Message);

            await StudyControlClient.CommandAsync(directory, "cancel", "", "", Token);
            Assert.Equal(StudyStopReason.Cancelled, (await study).End);
        }
        Assert.False(File.Exists(directory.ControlFile));
        var gone = await Assert.ThrowsAsync<SpecException>(() => StudyControlClient.ShowAsync(directory, Token));
        Assert.Contains("no process of yours on this machine runs the study", gone.Message);
    }
}
