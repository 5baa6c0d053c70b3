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

    /// <summary>The process may measure what the study has chosen for a while yet.</summary>
    [Fact]
    public async Task A_study_that_has_ended_says_so_at_once_to_whoever_asks_or_commands_it()
    {
        var directory = new StudyDirectory(Path.Combine(_root, "study"));
        var parts = LinearParts.Of(new LinearRuntime());
        var spec = parts.Studies!.Read(LinearParts.StudyYaml(trials: 3));
        using var session = new StudySession("s", spec, directory, parts.Studies, TimeProvider.System);
        var commands = new StudyCommands();
        await using var control = StudyControlServer.Start(directory, spec, commands);
        var study = LocalStudyHost.RunAsync(session.Run, directory.JournalFile, parts, commands, Token);
        await StudyControlClient.CommandAsync(directory, "set", "p", """{"parallel": 1}""", Token);
        await study;

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
        limit.CancelAfter(Eventually.Patience);
        using var shown = await StudyControlClient.ShowAsync(directory, limit.Token);
        Assert.Equal(("ending", 3), (shown.RootElement.GetProperty("status").GetString(), shown.RootElement.GetProperty("trials").GetProperty("complete").GetInt32()));
        var refused = await Assert.ThrowsAsync<SpecException>(() => StudyControlClient.CommandAsync(directory, "cancel", "k", "", limit.Token));
        Assert.Equal("the study has ended", Assert.Single(refused.Violations).Message);
        // one that it has had is answered as it was, and nothing that it has not had becomes one that it has
        await StudyControlClient.CommandAsync(directory, "set", "p", """{"parallel": 1}""", limit.Token);
        await Assert.ThrowsAsync<SpecException>(() => StudyControlClient.CommandAsync(directory, "cancel", "k", "", limit.Token));
        await Assert.ThrowsAsync<SpecException>(() => StudyControlClient.CommandAsync(directory, "set", "t", """{"trials": 9}""", limit.Token));
        await Assert.ThrowsAsync<SpecException>(() => StudyControlClient.CommandAsync(directory, "set", "t", """{"trials": 9}""", limit.Token));
    }

    [Fact]
    public async Task Nobody_waits_for_a_study_that_could_not_begin()
    {
        var commands = new StudyCommands();
        var early = commands.GiveAsync(e => e.Pause(null), Token);
        var parts = LinearParts.Of(new LinearRuntime());
        var spec = parts.Studies!.Read(LinearParts.StudyYaml(trials: 3));
        using var session = new StudySession("s", spec, new StudyDirectory(Path.Combine(_root, "study")), parts.Studies, TimeProvider.System);

        // no file
        await Assert.ThrowsAnyAsync<Exception>(() => LocalStudyHost.RunAsync(session.Run, _root, parts, commands, Token));

        Assert.Equal("the study has ended", (await early.WaitAsync(Eventually.Patience, Token)).Refusal);
        await Assert.ThrowsAsync<SpecException>(() => commands.StatusAsync(Token).WaitAsync(Eventually.Patience, Token));
    }

    [Fact]
    public async Task Its_space_is_widened_or_refused_with_all_that_is_wrong_and_nothing_is_lost()
    {
        var directory = new StudyDirectory(Path.Combine(_root, "study"));
        var parts = LinearParts.Of(new LinearRuntime());
        var spec = parts.Studies!.Read(LinearParts.StudyYaml(trials: 100_000).Replace("parallel: 2", "parallel: 2, sampler: random"));
        var commands = new StudyCommands();
        string wide = Set("space:\n  optimizer.learning_rate: { float: [1e-4, 1e-1], log: true }\n  batch.size: { choices: [10, 5] }");
        using (var session = new StudySession("s", spec, directory, parts.Studies, TimeProvider.System))
        {
            await using var control = StudyControlServer.Start(directory, spec, commands);
            var study = LocalStudyHost.RunAsync(session.Run, directory.JournalFile, parts, commands, Token);
            var refused = await Assert.ThrowsAsync<SpecException>(() => StudyControlClient.CommandAsync(directory, "set", "k",
                Set("space:\n  optimizer.learning_rate: { float: [1e-3, 1e-2], log: true }\n  batch.size: { choices: [20, 5] }\nseed: 3"), Token));
            Assert.Equal(["seed", "space.optimizer.learning_rate", "space.batch.size"], refused.Violations.Select(v => v.Path));
            refused = await Assert.ThrowsAsync<SpecException>(() =>
                StudyControlClient.CommandAsync(directory, "set", "", """{"parallel": 2, "space": "space: {}"}""", Token));
            Assert.Contains("is given beside space", refused.Message);
            using (var before = await StudyControlClient.ShowAsync(directory, Token))
                Assert.False(before.RootElement.TryGetProperty("space_version", out _));

            await StudyControlClient.CommandAsync(directory, "set", "k", wide, Token);
            await StudyControlClient.CommandAsync(directory, "set", "k", wide, Token);
            await StudyControlClient.CommandAsync(directory, "enqueue", "e", """{"point": {"batch.size": 5}}""", Token);
            await StudyControlClient.CommandAsync(directory, "enqueue", "l", """{"point": {"batch.size": 5}, "from_trial": 99999}""", Token);
            await StudyControlClient.CommandAsync(directory, "enqueue", "t", """{"of_trial": 0, "from_trial": 99999}""", Token);
            refused = await Assert.ThrowsAsync<SpecException>(() => StudyControlClient.CommandAsync(directory, "enqueue", "", """{"of_trial": 99999}""", Token));
            Assert.Contains("there is no trial 99999", refused.Message);
            refused = await Assert.ThrowsAsync<SpecException>(() => StudyControlClient.CommandAsync(directory, "enqueue", "", """{"from_trial": 3}""", Token));
            Assert.Contains("point: is missing", refused.Message);
            using var shown = await StudyControlClient.ShowAsync(directory, Token);
            Assert.InRange(shown.RootElement.GetProperty("enqueued").GetInt32(), 2, 3);
            Assert.Equal(1, shown.RootElement.GetProperty("space_version").GetInt32());
            Assert.All(shown.RootElement.GetProperty("live").EnumerateArray(), t => Assert.True(t.GetProperty("params").TryGetProperty("batch.size", out _)));
            Assert.True(File.Exists(directory.SpaceFile(1)));
            await StudyControlClient.CommandAsync(directory, "cancel", "", "", Token);
            Assert.Equal((StudyStopReason.Cancelled, 1), ((await study).End, (await study).SpaceVersion));
        }

        // it is the same study when it is opened once more, with a repeat of its key
        string file = await File.ReadAllTextAsync(directory.SpaceFile(1), Token);
        File.Delete(directory.SpaceFile(1));
        using (var session = new StudySession("s", spec, directory, parts.Studies, TimeProvider.System))
        {
            var status = await LocalStudyHost.RunAsync(session.Run, directory.JournalFile, parts, null, Token);
            Assert.Equal((1, 2), (status.SpaceVersion, status.Spec!.Space.Space.Count));
            Assert.Equal(file, await File.ReadAllTextAsync(directory.SpaceFile(1), Token));
        }
    }

    private static string Set(string space) => System.Text.Json.JsonSerializer.Serialize(new { space });
}
