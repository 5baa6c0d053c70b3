using Akka.Actor;
using DistOpt.Actors.Training;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Training;
using DistOpt.EndToEnd.Tests.Support;
using DistOpt.EndToEnd.Tests.UserCode;
using DistOpt.Hosting.Cluster;
using DistOpt.Protocol;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistOpt.EndToEnd.Tests.Studies;

/// <summary>Attempts at trials in child processes of a worker node that is a process of its own; this process coordinates.</summary>
public sealed class IsolatedTrialTests : IAsyncDisposable
{
    private const string Secret = "the secret of the tests";

    /// <summary>Several times what a child of the fixture has by itself.</summary>
    private const long MemoryLimit = 1L << 30;

    private static readonly DistOptAppDefinition App = DistOptApp.Define(UserApp.Configure);

    private readonly TestFolder _folder = new();

    // whoever submits is an actor; this one's system has nothing to do with the cluster
    private readonly ActorSystem _submitters = ActorSystem.Create("submitters", "akka { stdout-loglevel = OFF\n loglevel = OFF\n loggers = [] }");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await _submitters.Terminate();
        _folder.Dispose();
    }

    [Fact]
    [Trait("Category", "Long")]
    public async Task A_trial_that_aborts_and_one_that_allocates_without_end_are_lost_with_the_reason_and_disturb_no_neighbour()
    {
        await using var coordinator = await CoordinatorAsync();
        await using var worker = Worker(coordinator, slots: 3);
        var good = Submit(coordinator, "good", Spec("throw", atPosition: 999_999, epochs: 1_000_000));
        await StatusAsync(coordinator, "good", j => j.Step > 0);

        var abort = await Submit(coordinator, "abort", Spec("abort"));
        var allocate = await Submit(coordinator, "allocate", Spec("allocate"));
        var small = await Submit(coordinator, "small", Spec("allocate").Replace("workers: 1,", "workers: 1, worker_memory: 0.75,", StringComparison.Ordinal));
        // in the process that was started in the place of one of those
        var once = Spec("abort", once: _folder.In("once"), epochs: 1);
        var first = await Submit(coordinator, "once-1", once, _folder.In("checkpoints"));
        long kept;
        using (var newest = new CheckpointStore(_folder.In("checkpoints")).OpenNewest([])) kept = newest?.Step ?? 0;
        var sink = new Sink();
        var second = await Submit(coordinator, "once-2", once, _folder.In("checkpoints"), sink);
        long step = (await StatusAsync(coordinator, "good", _ => true)).Step;
        await StatusAsync(coordinator, "good", j => j.Step > step);
        coordinator.Coordinator!.Tell(new StopJob(new JobId("good"), StopReason.Interrupted), ActorRefs.NoSender);
        var neighbour = await good;

        Assert.True(abort.Lost is not null, abort.Summary.Error);
        Assert.True(abort.Lost.Contains("(SIGABRT)", StringComparison.Ordinal), $"{abort.Lost}{Environment.NewLine}{worker.Describe()}");
        Assert.True(abort.Lost.Contains(" fails", StringComparison.Ordinal), $"{abort.Lost}{Environment.NewLine}{worker.Describe()}");
        Assert.True(allocate.Lost is not null, allocate.Summary.Error);
        Assert.Matches(@"was killed with \d+ MiB of memory: over its memory limit of 1024 MiB \(trial_memory_bytes\)", allocate.Lost);
        Assert.Matches(@"over its memory limit of 768 MiB \(training.worker_memory\)", small.Lost);
        Assert.True(first.Lost?.Contains("(SIGABRT)", StringComparison.Ordinal) ?? false, $"{first.Lost ?? first.Summary.Error}{Environment.NewLine}{worker.Describe()}");
        Assert.True(second.Summary.Status == RunStatus.Completed, second.Summary.Error);
        Assert.Equal(kept, sink.Start!.Resumed?.Step ?? 0);
        Assert.Equal((RunStatus.Interrupted, 0, 0), (neighbour.Summary.Status, neighbour.Summary.WorkerFailures, neighbour.Summary.Rollbacks));
        Assert.Single(await coordinator.NodesAsync(), n => n.Roles.Contains("worker"));
    }

    [Fact]
    public async Task Children_end_with_their_parent_even_where_that_is_killed_and_the_attempt_is_lost()
    {
        await using var coordinator = await CoordinatorAsync();
        await using var worker = Worker(coordinator, slots: 1);
        var job = Submit(coordinator, "job", Spec("throw", atPosition: 999_999, epochs: 1_000_000));
        await StatusAsync(coordinator, "job", j => j.Step > 0);
        int[] children = worker.Children();

        worker.KillHard();
        await worker.EndAsync();
        var end = await job;
        await UntilAsync(() => children.All(HasEnded), "end of the children");

        Assert.Single(children);
        Assert.True(end.Lost is not null, end.Summary.Error);
    }

    [Fact]
    public async Task A_worker_that_is_stopped_takes_its_children_along_in_good_order()
    {
        await using var coordinator = await CoordinatorAsync();
        await using var worker = Worker(coordinator, slots: 1);
        var end = await Submit(coordinator, "job", Spec("throw", atPosition: 999_999, epochs: 1));
        Assert.Equal(RunStatus.Completed, end.Summary.Status);
        int[] children = worker.Children();

        worker.Terminate();

        Assert.True(await worker.WaitForExitAsync() == 0, worker.Describe());
        Assert.Single(children);
        Assert.All(children, c => Assert.True(HasEnded(c)));
    }

    private static string Spec(string how, int atPosition = 640, string once = "", int epochs = 1_000) => $$"""
        model: { kind: crasher, how: {{how}}, at_position: {{atPosition}}, once: "{{once}}" }
        training: { epochs: {{epochs}}, workers: 1, gradient_shards: 1 }
        checkpoint: { every_steps: 15 }
        """;

    private Task<ClusterNode> CoordinatorAsync()
    {
        var options = new NodeOptions
        {
            Roles = [NodeOptions.Coordinator],
            Port = 0,
            TensorPort = 0,
            ApiPort = 0,
            Secret = Secret,
            Journal = NodeOptions.NoJournal,
            DataRoot = _folder.Path,
        };
        return ClusterNode.StartAsync(options, Hosts.Parts(App, Hosts.Runtimes(App, Hosts.Data(dataRoot: _folder.Path))), NullLoggerFactory.Instance,
            TimeProvider.System, Token);
    }

    private ProgramProcess Worker(ClusterNode coordinator, int slots)
    {
        var environment = new Dictionary<string, string> { ["DISTOPT_SECRET"] = Secret, ["DISTOPT_TRIAL_MEMORY_BYTES"] = $"{MemoryLimit}" };
        return ProgramProcess.Start(ProgramProcess.Fixture, _folder.Path, environment, "node", "--roles", "worker", "--join", coordinator.Endpoint,
            "--port", "0", "--tensor-port", "0", "--api-port", "0", "--worker-slots", $"{slots}");
    }

    private async Task<JobEnded> Submit(ClusterNode coordinator, string job, string yaml, string? checkpoints = null, Sink? sink = null)
    {
        var ended = new TaskCompletionSource<JobEnded>(TaskCreationOptions.RunContinuationsAsynchronously);
        var submitter = _submitters.ActorOf(Props.Create(() => new Submitter(ended)));
        var spec = SpecFiles.Parse(yaml, null, App);
        coordinator.Coordinator!.Tell(new SubmitJob(new JobId(job), spec, _ => sink ?? new Sink(), checkpoints, Resumes: checkpoints is not null)
        {
            Trial = new TrialPart { IsIsolated = true },
        }, submitter);
        return await ended.Task.WaitAsync(2 * ProgramProcess.Patience, Token);
    }

    private static async Task<JobStatus> StatusAsync(ClusterNode coordinator, string job, Func<JobStatus, bool> isAsWanted)
    {
        JobStatus? found = null;
        await UntilAsync(async () =>
        {
            found = (await coordinator.Coordinator!.Ask<JobFound>(new FindJob(new JobId(job)), Token)).Status;
            return found is not null && isAsWanted(found);
        }, $"status of {job} that is wanted");
        return found!;
    }

    private static Task UntilAsync(Func<bool> isSo, string what) => UntilAsync(() => Task.FromResult(isSo()), what);

    private static async Task UntilAsync(Func<Task<bool>> isSo, string what)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
        limit.CancelAfter(2 * ProgramProcess.Patience);
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!await isSo())
        {
            if (limit.IsCancellationRequested) Assert.Fail($"no {what} within {2 * ProgramProcess.Patience.TotalSeconds:0} s");
            await pause.WaitForNextTickAsync(Token);
        }
    }

    /// <summary>Also where nobody has taken notice yet.</summary>
    private static bool HasEnded(int pid)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[stat.LastIndexOf(')') + 2] == 'Z';
        }
        catch (IOException)
        {
            return true;
        }
    }

    private sealed class Submitter : ReceiveActor
    {
        public Submitter(TaskCompletionSource<JobEnded> ended)
        {
            Receive<JobAccepted>(_ => { });
            Receive<JobRejected>(rejected => ended.TrySetException(new InvalidOperationException(rejected.Reason)));
            Receive<JobEnded>(end => ended.TrySetResult(end));
        }
    }

    private sealed class Sink : IRunSink
    {
        public RunStarted? Start { get; private set; }

        public void Started(RunStarted run) => Start = run;
    }
}
