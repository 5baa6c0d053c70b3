using System.Net.Sockets;
using System.Text;
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

    /// <summary>A process that has no file descriptor left has some again.</summary>
    [Fact]
    public async Task Connections_that_cannot_be_had_for_a_while_are_had_after_it()
    {
        var (directory, spec) = Study();
        var commands = new StudyCommands();
        commands.Keep(_ => new(IsRepeat: true));
        commands.End(null);
        int asked = 0;
        await using var control = StudyControlServer.Start(directory, spec, commands, TimeProvider.System, (listener, token) =>
            Interlocked.Increment(ref asked) <= 2 ? throw new SocketException((int)SocketError.TooManyOpenSockets) : listener.AcceptAsync(token));

        await StudyControlClient.CommandAsync(directory, "pause", "k", "", Token).WaitAsync(Eventually.Patience, Token);

        Assert.InRange(Volatile.Read(ref asked), 3, 4);
    }

    [Fact]
    public async Task What_becomes_of_connections_is_nothing_that_the_end_of_a_study_fails_by_and_nothing_is_left()
    {
        var (directory, spec) = Study();
        var control = StudyControlServer.Start(directory, spec, new StudyCommands(), TimeProvider.System, (_, _) => throw new NotSupportedException("broken"));
        string address = await File.ReadAllTextAsync(directory.ControlFile, Token);
        Assert.True(Directory.Exists(Path.GetDirectoryName(address)));

        await control.DisposeAsync();

        Assert.False(Directory.Exists(Path.GetDirectoryName(address)));
        Assert.False(File.Exists(directory.ControlFile));
    }

    [Fact]
    public async Task Who_gives_a_command_that_fails_is_told_what_it_failed_by()
    {
        var (directory, spec) = Study();
        var commands = new StudyCommands();
        commands.Keep(_ => throw new InvalidOperationException("its space is gone"));
        commands.End(null);
        await using var control = StudyControlServer.Start(directory, spec, commands);

        var failed = await Assert.ThrowsAsync<SpecException>(() => StudyControlClient.CommandAsync(directory, "pause", "k", "", Token));

        Assert.Equal("the study could not answer: InvalidOperationException: its space is gone", Assert.Single(failed.Violations).Message);
    }

    [Theory]
    [InlineData("pause")]
    [InlineData("[]")]
    [InlineData("""{"command": 3}""")]
    public async Task What_is_no_request_is_answered_with_what_one_is(string line)
    {
        var (directory, spec) = Study();
        await using var control = StudyControlServer.Start(directory, spec, new StudyCommands());
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(await File.ReadAllTextAsync(directory.ControlFile, Token)), Token);
        await using var stream = new NetworkStream(socket);
        await stream.WriteAsync(Encoding.UTF8.GetBytes(line + "\n"), Token);
        using var reader = new StreamReader(stream);

        string? answer = await reader.ReadLineAsync(Token).AsTask().WaitAsync(Eventually.Patience, Token);

        Assert.Contains("the request is no line of JSON with the texts command, key and body: ", answer);
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

    private (StudyDirectory Directory, StudySpec Spec) Study()
    {
        var directory = new StudyDirectory(Path.Combine(_root, "study"));
        Directory.CreateDirectory(directory.Path);
        return (directory, LinearParts.Of(new LinearRuntime()).Studies!.Read(LinearParts.StudyYaml(trials: 3)));
    }

    private static string Set(string space) => System.Text.Json.JsonSerializer.Serialize(new { space });
}
