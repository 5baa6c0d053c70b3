using System.Collections.Concurrent;
using System.Threading.Channels;
using Akka.Actor;
using Akka.Configuration;
using Akka.Event;
using DistOpt.Actors.Studies;
using DistOpt.Actors.Training;
using DistOpt.Actors.Trials;
using DistOpt.Core.Parameters;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tests.Support;

/// <summary>A study's supervisors over jobs that the test itself plays: an epoch has one step.</summary>
internal sealed class StudyHarness : IAsyncDisposable, ITrialRuns, IStudySink
{
    private readonly ActorSystem _system;
    private readonly Channel<PlayedJob> _jobs = Channel.CreateUnbounded<PlayedJob>();
    private readonly Channel<object> _ends = Channel.CreateUnbounded<object>();
    private readonly StudyRun _run;

    public StudyHarness(StudySetup setup, JournalSwitch? journal = null, TrialIsolation isolation = TrialIsolation.None,
        TimeProvider? time = null, double? diskLimit = null)
    {
        if (journal is not null) SwitchJournal.Switch = journal;
        _system = ActorSystem.Create("test", ConfigurationFactory.ParseString(SwitchJournal.Hocon + """

            akka {
              stdout-loglevel = OFF
              loglevel = INFO
              loggers = []
            }
            """));
        var jobs = _system.ActorOf(Props.Create(() => new Jobs(_jobs.Writer)));
        var log = _system.ActorOf(Props.Create(() => new Log(Lines)));
        _system.EventStream.Subscribe(log, typeof(LogEvent));
        _run = new StudyRun
        {
            Id = "s",
            Directory = "/data/s",
            Study = new StudySection { Objectives = [new ObjectiveSection { Metric = "validation.accuracy", Direction = Direction.Maximize }], DiskLimit = diskLimit },
            Setup = setup,
            Trials = this,
            Sink = this,
            Jobs = jobs,
            IsDurable = journal is not null,
            Isolation = isolation,
            Time = time ?? TimeProvider.System,
        };
    }

    public static StudySetup Setup(int trials = 4, int parallel = 1) => new()
    {
        Context = new StudyContext
        {
            Space = new SearchSpace([new("x", new FloatDomain(0, 1))]),
            Directions = [Direction.Maximize],
            Seed = 3,
            Trials = trials,
            TrialLength = 9,
        },
        Sampler = () => new RandomSampler(),
        Parallel = parallel,
        Backoff = new RetryBackoff(0.001, 0.001),
    };

    /// <summary>Events that the sink was told of.</summary>
    public ConcurrentQueue<StudyEvent> Happened { get; } = new();

    /// <summary>Where the sink was told that the study stands.</summary>
    public ConcurrentQueue<StudyStatus> Stood { get; } = new();

    /// <summary>What the study's host was told of whether it waits for a user.</summary>
    public ConcurrentQueue<bool> Paused { get; } = new();

    public ConcurrentQueue<string> Files { get; } = new();

    /// <summary>What is logged under ids: the ids, each as name=value, and the line.</summary>
    public ConcurrentQueue<string> Lines { get; } = new();

    /// <summary>That a kept state takes.</summary>
    public long Gibibytes { get; init; } = 1;

    /// <summary>Trials whose runs' own checkpoints were deleted.</summary>
    public ConcurrentQueue<int> Trimmed { get; } = new();

    /// <summary>What was looked through after a restart: trials whose states stay, and those whose runs' checkpoints go.</summary>
    public ConcurrentQueue<string> Swept { get; } = new();

    /// <summary>Where attempts began.</summary>
    public ConcurrentQueue<string> Nodes { get; } = new();

    /// <summary>Rows that a run has measured before.</summary>
    public List<MetricRow> Rows { get; } = [];

    /// <summary>Thrown when the files of an attempt are made ready.</summary>
    public Func<TrialOrder, Exception?> Fails { get; set; } = _ => null;

    /// <summary>Thrown by whoever is told of an event.</summary>
    public Func<StudyEvent, Exception?> Breaks { get; set; } = _ => null;

    /// <summary>Whether the process that ran the study before died over it.</summary>
    public bool HasDied { get; init; } = true;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Begins the study, or goes on with it.</summary>
    /// <param name="code">Identity of the user code; null = it is not known.</param>
    /// <param name="newCode">What becomes of it where that has changed.</param>
    /// <returns>Passes messages on to its supervisor.</returns>
    public IActorRef Begin(string? code = null, NewCode newCode = NewCode.Refuse)
    {
        var (run, ends, paused) = (_run with { Setup = _run.Setup with { Code = code }, NewCode = newCode, HasDied = HasDied }, _ends.Writer, Paused);
        return _system.ActorOf(Props.Create(() => new Host(run, ends, paused)));
    }

    /// <summary>Completed when the supervisor has taken what it was told so far, whether that is stored or not.</summary>
    public static async Task ReachedAsync(IActorRef supervisor)
    {
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        supervisor.Tell(new StudyCommand(_ =>
        {
            reached.SetResult();
            return default;
        }));
        await reached.Task.WaitAsync(Eventually.Patience, Token);
    }

    public async Task<PlayedJob> JobAsync() => await _jobs.Reader.ReadAsync(Token).AsTask().WaitAsync(Eventually.Patience, Token);

    public bool HasJob => _jobs.Reader.TryPeek(out _);

    public async Task<T> EndAsync<T>() => Assert.IsType<T>(await _ends.Reader.ReadAsync(Token).AsTask().WaitAsync(Eventually.Patience, Token));

    public TrialRun Open(TrialOrder order)
    {
        if (Fails(order) is { } failure) throw failure;
        Files.Enqueue($"open {order.Id.Trial} from {order.From?.Resource}");
        var spec = JobHarness.SpecOf(workers: 1, epochs: 9);
        string job = FormattableString.Invariant($"trial-{order.Id.Trial}-{order.Id.Attempt}-{order.Id.Session}");
        return new TrialRun(job, spec, _ => new RecordingSink(), "", order.From is not null, false, Rows);
    }

    public void Began(TrialOrder order, IReadOnlyList<string> nodes) => Nodes.Enqueue($"{order.Id.Trial} on {string.Join(',', nodes)}");

    public void Keep(TrialOrder order, TrialCheckpoint checkpoint) => Files.Enqueue($"keep {checkpoint.Trial} at {checkpoint.Resource}");

    public void Delete(TrialCheckpoint checkpoint)
    {
        bool isStored = Happened.OfType<StudyEvent.CheckpointDeleted>().Any(d => d.Checkpoint == checkpoint);
        Files.Enqueue($"delete {checkpoint.Trial} at {checkpoint.Resource}{(isStored ? "" : ", of which nothing is stored")}");
    }

    /// <summary>Called when it is asked what a state takes.</summary>
    public Action<TrialCheckpoint> OnSize { get; set; } = _ => { };

    public long Size(TrialCheckpoint checkpoint)
    {
        OnSize(checkpoint);
        return Gibibytes << 30;
    }

    public void Trim(int trial, int repeat) => Trimmed.Enqueue(trial);

    public long Left(int trial, int repeat) => 0;

    public void Sweep(IReadOnlyCollection<TrialCheckpoint> known, Func<int, int, bool> isDoneWith) =>
        Swept.Enqueue($"keeps {string.Join(", ", known.Select(c => c.Trial))}; done with {string.Join(", ", Enumerable.Range(0, 9).Where(t => isDoneWith(t, 0)))}");

    public void Began(IReadOnlyList<StudyEvent> before) { }

    void IStudySink.Happened(StudyEvent e)
    {
        if (Breaks(e) is { } failure) throw failure;
        Happened.Enqueue(e);
    }

    public void Stands(Func<StudyStatus> status) => Stood.Enqueue(status());

    public async ValueTask DisposeAsync() => await _system.Terminate();

    private sealed class Host : ReceiveActor
    {
        public Host(StudyRun run, ChannelWriter<object> ends, ConcurrentQueue<bool> paused)
        {
            var supervisor = Context.ActorOf(StudySupervisorActor.Props(run), "supervisor");
            Receive<StudyPaused>(told => paused.Enqueue(told.IsPaused));
            ReceiveAny(message =>
            {
                if (message is StudyOver or StudyLeft or StudyBroke) ends.TryWrite(message);
                else supervisor.Forward(message);
            });
        }
    }

    private sealed class Log : ReceiveActor
    {
        public Log(ConcurrentQueue<string> lines) => Receive<LogEvent>(line =>
        {
            if (!line.TryGetProperties(out var all) || all is null) return;
            string ids = string.Join(' ', all.Where(p => char.IsAsciiLetterLower(p.Key[0])).OrderBy(p => p.Key).Select(p => $"{p.Key}={p.Value}"));
            if (ids.Length > 0) lines.Enqueue($"{ids}: {line.Message}");
        });
    }

    private sealed class Jobs : ReceiveActor
    {
        private readonly Dictionary<string, PlayedJob> _all = [];

        public Jobs(ChannelWriter<PlayedJob> jobs)
        {
            Receive<SubmitJob>(submit =>
            {
                var job = _all[submit.Job.Value] = new PlayedJob(submit, Sender);
                jobs.TryWrite(job);
            });
            Receive<StopJob>(stop => _all[stop.Job.Value].Stop(stop.Reason));
        }
    }
}

/// <summary>A trial's job, played by a test.</summary>
internal sealed class PlayedJob(SubmitJob submit, IActorRef submitter)
{
    private readonly TaskCompletionSource<StopReason> _stop = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private IRunSink? _sink;

    public string Id => submit.Job.Value;

    public bool Resumes => submit.Resumes;

    public bool IsIsolated => submit.Trial!.IsIsolated;

    public RunPause? Pause => submit.Trial!.Pause;

    /// <summary>Asked to end, and why.</summary>
    public Task<StopReason> Stopped => _stop.Task.WaitAsync(Eventually.Patience, TestContext.Current.CancellationToken);

    public bool IsStopped => _stop.Task.IsCompleted;

    public void Stop(StopReason reason) => _stop.TrySetResult(reason);

    /// <summary>Has opened its model and data, and waits for room.</summary>
    public PlayedJob Open()
    {
        _sink = submit.Sink(null!);
        return this;
    }

    /// <summary>Completed when the trial's supervisor has taken what was told so far.</summary>
    public Task SettledAsync() => submitter.Ask<ActorIdentity>(new Identify(null), Eventually.Patience, TestContext.Current.CancellationToken);

    /// <param name="resumed">Step of the checkpoint that it goes on from.</param>
    public PlayedJob Start(long? resumed = null)
    {
        _sink ??= submit.Sink(null!);
        _sink.Started(new RunStarted(Id, submit.Spec, new DataCounts(10, 10, 0), 9, new ParameterLayout([new TensorSlot("w", [1], 0, 1)], []), ["node"], [])
        {
            Resumed = resumed is { } step ? new RunResumed(step, step, step) : null,
        });
        return this;
    }

    /// <param name="whom">Whom or what it waits for; null = nobody any more.</param>
    public PlayedJob Wait(string? whom)
    {
        submitter.Tell(new JobWaits(submit.Job, whom));
        return this;
    }

    public PlayedJob Epoch(int epoch, double accuracy)
    {
        _sink!.Row(Row(epoch, accuracy));
        return this;
    }

    public static MetricRow Row(int epoch, double accuracy) => new(epoch, epoch - 1, DataSplit.Validation, [new("accuracy", accuracy)], null, null, null, epoch);

    /// <summary>Its coordinator's disk is full.</summary>
    public void Starve(Exception why) => submitter.Tell(new JobEnded(submit.Job, new RunSummary
    {
        Job = Id,
        Status = RunStatus.Failed,
        StopReason = StopReason.Failed,
        Error = why.Message,
    }, null)
    { NoRoom = why });

    /// <summary>The process that it ran in has ended.</summary>
    public void Lose(string why) => submitter.Tell(new JobEnded(submit.Job, new RunSummary
    {
        Job = Id,
        Status = RunStatus.Failed,
        StopReason = StopReason.Failed,
        Error = why,
    }, null)
    { Lost = why });

    /// <summary>The nodes that it was to run on were not fit for it.</summary>
    public void Refuse(string why) => submitter.Tell(new JobEnded(submit.Job, new RunSummary
    {
        Job = Id,
        Status = RunStatus.Failed,
        StopReason = StopReason.Failed,
        Error = why,
    }, null)
    { Unfit = new Dictionary<NodeId, string> { [new NodeId("b")] = why } });

    public void End(RunStatus status, StopReason reason, int? selected = null, string? error = null) => submitter.Tell(new JobEnded(submit.Job, new RunSummary
    {
        Job = Id,
        Status = status,
        StopReason = reason,
        Error = error,
        Selected = selected is { } step ? new SelectedWeights(step, "validation.accuracy", 0) : null,
    }, null));
}
