using Akka.Actor;
using Akka.Event;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Tensors;
using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>
/// Job coordinator to training coordinator: the nodes that the job may use, as they are now, with the slots that no other job has. Answered by
/// <see cref="OfferAnswered"/>.
/// </summary>
internal sealed record OfferedNodes(IReadOnlyList<OfferedNode> Nodes) : INoSerializationVerificationNeeded
{
    /// <summary>For what an attempt at a trial waits that gets no child process; null where it gets one, and for every other job.</summary>
    public string? Missing { get; init; }

    /// <summary>Whether none of the nodes that are there could give it one ever.</summary>
    public bool IsHopeless { get; init; }
}

/// <param name="Leaving">Whether it is about to leave: it has no slots and holds no server of a new placement.</param>
internal sealed record OfferedNode(WirePeer Peer, string Name, bool Server, int Slots, bool Leaving) : INoSerializationVerificationNeeded;

/// <summary>Training coordinator to job coordinator: what the job has now.</summary>
/// <param name="Workers">Its workers by node; null while it could not be placed.</param>
/// <param name="Holding">Nodes that may not leave yet without disturbing the job.</param>
internal sealed record OfferAnswered(JobId Job, IReadOnlyDictionary<NodeId, int>? Workers, IReadOnlySet<NodeId> Holding)
    : INoSerializationVerificationNeeded;

/// <summary>
/// Leads one job from preparation to its end: opens it on every node, compares the nodes' fingerprints, starts servers and workers, writes
/// down what they report, brings it through losses of nodes, and collects the weights. Steps go on without it; it decides nothing that could
/// change bits.
/// </summary>
internal sealed partial class TrainingCoordinatorActor : ReceiveActor, IWithTimers
{
    private readonly SubmitJob _submission;
    private readonly NodeServices _services;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly JobProgress _progress;
    private readonly Dictionary<NodeId, JobPrepared> _prepared = [];
    private readonly HashSet<NodeId> _asked = [];
    private readonly Dictionary<string, OfferedNode> _offered = new(StringComparer.Ordinal);
    private readonly HashSet<NodeId> _acknowledged = [];
    private JobRuntimes.Handle? _handle;
    private IRunSink? _sink;
    private bool _sinkStarted;

    // what the coordinator could not write for want of room
    private Exception? _noRoom;
    private readonly List<string> _warnings = [];
    private DateTimeOffset _begunAt;
    private WeightCollector? _collector;
    private IDisposable? _listening;
    private JobTopology? _topology;
    private JobPlacement? _wirePlacement;
    private string _state = "opening";
    private (string Whom, DateTimeOffset Since)? _wait;
    private bool _ended;

    private readonly CancellationToken _isGivenUp;

    /// <param name="isGivenUp">Cancelled when opening the job has taken too long: it has ended then.</param>
    public TrainingCoordinatorActor(SubmitJob submission, NodeServices services, CancellationToken isGivenUp)
    {
        (_submission, _services, _isGivenUp) = (submission, services, isGivenUp);
        _progress = new JobProgress(services.Time);
        _begunAt = services.Time.GetUtcNow();
        Receive<OfferedNodes>(offered => Guard(() => OnOffered(offered)));
        Receive<NodeDelivery>(delivery => Guard(() => OnDelivery(delivery)));
        Receive<PartArrived>(part => Guard(() => OnPart(part)));
        Receive<StopJob>(stop => Guard(() => Stop(stop.Reason)));
        Receive<FailJob>(fail => Guard(() => Fail(fail.Why)));
        Receive<NodeGone>(gone => Guard(() => OnNodeGone(gone)));
        Receive<NodesPresent>(present => Guard(() => OnPresent(present.Nodes)));
        Receive<OutsideOutput>(o => Guard(() => Log(new LogLine(o.Line.Node, o.Line.Source, o.Line.Level, o.Line.Text, _progress.WallSeconds))));
        Receive<CheckProgress>(_ => Guard(CheckWhetherItMoves));
        Receive<GiveUp>(_ => Guard(OnGiveUp));
        Receive<WorkersTimeIsUp>(_ => Guard(OnWorkersTimeIsUp));
        Receive<AskCheckpoint>(_ => Guard(OnAsked));
        Receive<CheckpointDue>(_ => Guard(OnCheckpointDue));
        Receive<CheckpointGathered>(gathered => Guard(() => OnGathered(gathered)));
        Receive<CheckpointMoved>(moved => Guard(() => OnMoved(moved)));
        Receive<CheckpointLacks>(lacks => Guard(() => OnLacks(lacks)));
        Receive<CheckpointWritten>(written => Guard(() => OnWritten(written)));
        Receive<CheckpointFailed>(failed => Guard(() => OnCheckpointFailed(failed)));
        Receive<CheckpointStored>(stored => Guard(() => CheckpointIsOver(stored.Step)));
        Receive<RestoreMoved>(moved => Guard(() => OnRestoreMoved(moved)));
        Receive<PlacementStored>(stored => Guard(() => OnPlacementStored(stored)));
        Receive<AdoptionTimeIsUp>(_ => Guard(() =>
        {
            if (_found is { } found) Adopt(found);
        }));
    }

    public ITimerScheduler Timers { get; set; } = null!;

    private TrainingSpec Spec => _submission.Spec;

    private ServerPlace FirstServer => _wirePlacement!.Servers[0];

    /// <summary>Opens model and data here too: bad input is found before any node is asked, and the coordinator writes the model files.</summary>
    protected override void PreStart()
    {
        Guard(() =>
        {
            _handle = _services.Runtimes.Acquire(_submission.Job, Spec);
            // the job was given up meanwhile: it has no results any more
            if (_isGivenUp.IsCancellationRequested) return;
            Check(_handle.Runtime.Layout, _handle.Runtime.Data);
            _sink = _submission.Sink(_handle.Runtime);
            OpenCheckpoints();
            Enter("placing");
            OpenRecovery();
            if (_epoch == 0) Timers.StartSingleTimer(NodesTimer, new GiveUp(), TimeSpan.FromSeconds(Spec.Training.StartTimeout));
            Context.Parent.Tell(new JobOpened(_submission.Job));
        });
    }

    /// <summary>Training coordinator to job coordinator: ready to be placed.</summary>
    internal sealed record JobOpened(JobId Job) : INoSerializationVerificationNeeded;

    protected override void PostStop()
    {
        _listening?.Dispose();
        _restoring?.Dispose();
        _proof?.Dispose();
        if (_submission.OwnsSink) (_sink as IDisposable)?.Dispose();
        _handle?.Dispose();
    }

    /// <summary>What can be known only once model and data are open.</summary>
    private void Check(ParameterLayout layout, DataCounts data)
    {
        var violations = Rule.Violations(layout).Concat(RunRules.Violations(Spec, data.Train)).ToList();
        int most = KeyRangePartitioner.MaxServers(layout, WholeTensors);
        if (Spec.Training.Servers > most)
        {
            string parts = WholeTensors ? $"{most} tensors, which {Spec.Optimizer.Kind} or regularization.max_norm wants whole"
                : $"{most} blocks of {KeyRangePartitioner.Block}";
            violations.Add(new("training.servers",
                $"is {Spec.Training.Servers}, but {layout.ParameterCount} parameters make {parts}: use at most {most} servers"));
        }
        if (violations.Count > 0) throw new SpecException(violations);
    }

    private UpdateRule Rule => new(_services.Optimizer(Spec), Spec);

    private bool WholeTensors => Rule.Needs.HasFlag(OptimizerNeeds.WholeTensors);

    private void OnOffered(OfferedNodes offered)
    {
        var nodes = offered.Nodes;
        _offered.Clear();
        foreach (var node in nodes) _offered[node.Peer.Node.Value] = node;
        (_missing, _isHopeless) = (offered.Missing, offered.IsHopeless);
        if (!_ended)
        {
            EndLeftBehind();
            if (_found is { } found) AskRunning(found);
            else if (_topology is null) Place();
            else Grow();
        }
        TellPlaced();
    }

    private void TellPlaced() => Context.Parent.Tell(new OfferAnswered(_submission.Job,
        (_topology ?? _found)?.Replicas.ToDictionary(r => new NodeId(r.Node), r => r.Workers.Length), Holding()));

    /// <summary>Places servers and workers in a new epoch on the nodes that are there; waits where they do not suffice.</summary>
    private void Place()
    {
        bool isFirst = _epoch == 0;
        var capacities = _offered.Values.Where(n => !_refused.ContainsKey(n.Peer.Node))
            .Select(n => new NodeCapacity(n.Peer.Node.Value, n.Slots, n.Server)).ToList();
        // nodes whose user code fails are better than none
        if (capacities.Any(c => c.WorkerSlots > 0 && !_userFailures.Out.Contains(c.Node)))
            capacities = [.. capacities.Select(c => _userFailures.Out.Contains(c.Node) ? c with { WorkerSlots = 0 } : c)];
        int slots = (int)Math.Min(int.MaxValue, capacities.Sum(c => (long)c.WorkerSlots));
        // what was lost need not come back before the job goes on
        int workers = isFirst ? Spec.Training.WorkersMin ?? Spec.Training.Workers : 1;
        workers = Math.Max(workers, Math.Min(slots, Spec.Training.Workers));
        int shards = Spec.Training.GradientShards!.Value;
        workers = Math.Min(workers, shards);
        var ranges = KeyRangePartitioner.Cut(_handle!.Runtime.Layout, Spec.Training.Servers, WholeTensors);
        var placement = JobPlacer.Place(capacities, workers, shards, ranges, out string? missing);
        if (missing is not null) missing += WorkerRoom.Each(Spec.Training.WorkerMemoryBytes(), Spec.Training.WorkerGpus);
        WaitFor(placement is null ? _missing ?? missing : null);
        if (placement is null)
        {
            TellStatus();
            return;
        }
        bool isFixed = _services.IsAlone && placement.Nodes.Take(2).Count() == 1;
        _topology = JobTopology.Begin(++_epoch, placement, capacities, shards, Spec.Training.Replicas, _nextReplica, isFixed);
        Timers.Cancel(NodesTimer);
        _wirePlacement = ToWire(_topology);
        Enter("preparing");
        WatchProgress();
        PrepareNodes(_topology.Nodes);
        StartIfPrepared();
    }

    private void PrepareNodes(IEnumerable<string> nodes)
    {
        var prepare = new PrepareJob(_services.Specs.Write(Spec), _services.Channel.Self.ToWire()) { Pause = WirePause.From(_submission.Trial?.Pause) };
        foreach (string id in nodes)
        {
            var node = new NodeId(id);
            if (_asked.Add(node)) Send(node, NodeActors.Agent, prepare with { Proof = ProofFor(id) });
        }
    }

    private JobPlacement ToWire(JobTopology topology) => TopologyWire.ToWire(topology,
        node => _peers.TryGetValue(node, out var peer) ? peer : _peers[node] = _offered[node].Peer, _services.Channel.Self.ToWire());

    private void OnDelivery(NodeDelivery delivery)
    {
        if (_ended) return;
        // what somebody waits for is no progress, nor is what user code writes
        if (delivery.Body is not (Waiting or LogLines)) _progress.Moved();
        // told again with what the server has kept
        if (!_sinkStarted && delivery.Body is (StepProgress or TrainRow or ValidationRow or TrainingEnded)) return;
        switch (delivery.Body)
        {
            case JobPrepared prepared:
                OnPrepared(delivery.From, prepared);
                break;
            case JobRefused refused:
                OnRefused(delivery.From, refused);
                break;
            case JobStarted started:
                OnStarted(delivery.From, started);
                break;
            case JobRunning running:
                OnRunning(delivery.From, running);
                break;
            case RowsKept kept:
                OnRowsKept(kept);
                break;
            case StateWritten written:
                OnStateWritten(delivery.From, written);
                break;
            case ServerRestored restored:
                OnRestored(restored);
                break;
            case BackupSeeded seeded:
                OnSeeded(seeded);
                break;
            case ShardsRedone redone when redone.JobEpoch == _epoch:
                OnRedone(delivery.From, redone);
                break;
            case StepProgress step:
                _progress.Step(step.Step, step.Samples, step.Loss);
                WaitFor(null);
                _sink!.Progress(new RunProgress(step.Step, step.Epoch, step.Loss, _progress.SamplesPerSecond, _progress.WallSeconds));
                TellStatus();
                CheckTime();
                break;
            case TrainRow row:
                OnTrainRow(row);
                TellStored();
                CheckTime();
                break;
            case ValidationRow row:
                OnValidationRow(row);
                TellStored();
                break;
            case VersionHeld held:
                OnVersionHeld(held);
                break;
            case TrainingEnded ended:
                OnTrainingEnded(ended);
                break;
            case EvaluationSlices slices:
                OnFinalSlices(slices);
                break;
            case LogLines lines:
                OnLines(delivery.From, lines);
                break;
            case JobFailed failed:
                OnFailed(delivery.From, failed);
                break;
            case Waiting waiting:
                OnWaiting(delivery.From, waiting);
                break;
        }
    }

    private void OnPrepared(NodeId node, JobPrepared prepared)
    {
        if (!_asked.Contains(node)) return;
        if (Unproven(node, prepared) is { } refused)
        {
            OnRefused(node, refused);
            return;
        }
        _prepared[node] = prepared;
        if (_state == "preparing")
        {
            StartIfPrepared();
            return;
        }
        // a node that came later: it is left out where it differs, and the job goes on
        var differences = FingerprintCheck.Compare(_services.Name, _handle!.Runtime.Fingerprint, [prepared], Spec.Training.BitExact);
        if (differences.Count > 0)
        {
            Refuse(node, string.Join("; ", differences.Select(d => d.Message)));
            return;
        }
        foreach (string other in FingerprintCheck.OtherBuilds(_services.Name, _handle.Runtime.Fingerprint, [prepared])) Note("warning", other);
        Grow();
    }

    private void StartIfPrepared()
    {
        if (_state != "preparing" || _topology!.Nodes.Any(n => !_prepared.ContainsKey(new NodeId(n)))) return;
        var used = _prepared.Where(p => _topology.Nodes.Contains(p.Key.Value)).Select(p => p.Value);
        var differences = FingerprintCheck.Compare(_services.Name, _handle!.Runtime.Fingerprint, used, Spec.Training.BitExact);
        if (differences.Count > 0)
        {
            if (!EndsUnfit(Differing())) EndBadInput(new SpecException(differences));
            return;
        }
        _warnings.AddRange(FingerprintCheck.OtherBuilds(_services.Name, _handle.Runtime.Fingerprint, used));
        ListenForWeights();
        StartEpoch();
    }

    private void ListenForWeights()
    {
        if (_listening is not null) return;
        _collector = new WeightCollector(Self, _handle!.Runtime.Layout);
        _listening = _services.Channel.Listen(new TensorAddress(JobKey.Of(_submission.Job), TensorTarget.Collector, 0), _collector);
    }

    private void OnRefused(NodeId node, JobRefused refused)
    {
        if (refused.Stack is not null) AddFailure(node.Value, 0, $"{refused.Violations[0].Text} (opening the job)", refused.Stack);
        if (_state != "preparing" || (_sinkStarted && refused.Stack is null))
        {
            LeaveOut(node, refused.Violations[0].Text);
            return;
        }
        if (refused.Stack is { } stack)
        {
            Fail($"node {refused.NodeName} cannot open the job: {refused.Violations[0].Text}{Environment.NewLine}{stack}");
            return;
        }
        var violations = refused.Violations.Select(v => new SpecViolation(v.Name, $"{v.Text} (on node {refused.NodeName})")).ToList();
        if (!EndsUnfit(new() { [node] = string.Join("; ", violations) })) EndBadInput(new SpecException(violations));
    }

    /// <summary>Everyone is ready: steps begin, or go on.</summary>
    private void Begin()
    {
        _begunEpoch = _epoch;
        _return = null;
        WaitFor(null);
        Enter("training");
        if (!_sinkStarted)
        {
            if (_resumed is { } resumed)
            {
                var rows = new RunResumed(resumed.Step, _lastRows[DataSplit.Train], _lastRows[DataSplit.Validation]);
                StartSink(rows, resumed.State.Samples, resumed.Run.WallSeconds);
            }
            else
            {
                StartSink(null, 0, 0);
            }
        }
        TellBegin(_epoch);
        if (_pendingStop is { } reason) Stop(reason);
        ScheduleCheckpoint();
        Grow();
    }

    /// <param name="samples">Trained on before.</param>
    /// <param name="seconds">That the run has taken before.</param>
    private void StartSink(RunResumed? resumed, long samples, double seconds)
    {
        var runtime = _handle!.Runtime;
        var length = new RunLength(Spec, BatchPlanner.Of(Spec, runtime.Data.Train), runtime.Data.Train);
        _progress.Start(length.Steps, resumed?.Step ?? 0, samples, seconds);
        var warnings = _prepared.Values.SelectMany(p => p.Warnings).Concat(runtime.Warnings).Concat(_skipped.Select(s => s.ToString())).Concat(_warnings)
            .Concat(UpdateRule.Warnings(Spec.Optimizer, runtime.Layout)).Concat(RunRules.Warnings(Spec, runtime.Data.Train))
            .Distinct(StringComparer.Ordinal).ToList();
        _sinkStarted = true;
        _sink!.Started(new RunStarted(_submission.Job.Value, Spec, runtime.Data, _progress.TotalSteps, runtime.Layout,
            [.. _topology!.Nodes.Select(NameOf)], warnings)
        { Resumed = resumed, TotalIsExact = length.IsExact });
        _begunAt = _services.Time.GetUtcNow() - TimeSpan.FromSeconds(seconds);
        LogEarlyLines();
    }

    private void Enter(string state)
    {
        _state = state;
        TellStatus();
    }

    /// <param name="whom">Whom the job waits for, in words; null = nobody any more.</param>
    /// <param name="seconds">For how long it has done so already; null = as long as for whom it waited before, or from now on.</param>
    private void WaitFor(string? whom, double? seconds = null)
    {
        if (whom is null) _wait = null;
        else if (_wait is { } wait && seconds is null) _wait = wait with { Whom = whom };
        else _wait = (whom, _services.Time.GetUtcNow() - TimeSpan.FromSeconds(seconds ?? 0));
    }

    private string NameOf(string node) => _offered.TryGetValue(node, out var offered) ? offered.Name
        : _prepared.TryGetValue(new NodeId(node), out var prepared) ? prepared.NodeName : new NodeId(node).Address;

    private void TellStatus()
    {
        var topology = _topology;
        int shards = Spec.Training.GradientShards!.Value;
        var unprotected = Spec.Training.Replicas > 0 && topology is not null
            ? topology.Unprotected.Select(s => $"server {s.Index} on {NameOf(s.Node)}{(s.Backup is null ? "" : $" (its backup on {NameOf(s.Backup)} is being seeded)")}").ToList()
            : [];
        Context.Parent.Tell(new JobStatus(_submission.Job, Spec.Name, _state, _progress.CurrentStep, _progress.TotalSteps, _progress.Loss,
            _wait?.Whom, topology is null ? [] : [.. topology.Nodes.Select(NameOf)], null)
        {
            WaitingSince = _wait?.Since,
            Unprotected = unprotected.Count == 0 ? null : string.Join(", ", unprotected),
            Checkpoint = _latestCheckpoint,
            Workers = topology?.Workers ?? 0,
            Servers = topology is null ? [] : [.. topology.Servers.Select(s =>
                new ServerStatus(s.Index, NameOf(s.Node), s.Backup is null ? null : NameOf(s.Backup), s.Seeded))],
            Limit = topology is not null && topology.Workers >= shards && Spec.Training.Workers >= shards
                ? $"{shards} gradient shards, one for each worker: more workers would have nothing to do" : null,
            WorkerFailures = _workerFailures,
            ServerFailures = _serverFailures,
            Rollbacks = _rollbacks,
            Failures = _failures.All,
        });
    }

    private void Log(LogLine line)
    {
        if (_sinkStarted) _sink!.Log(line);
        else KeepForLater(line);
    }

    /// <summary>A line of the coordinator's own in the job's log.</summary>
    private void Note(string level, string text) => Log(new LogLine(_services.Name, "distopt", level, text, _progress.WallSeconds));

    private void Send(NodeId node, string actor, IWireMessage body) => _services.Router.Send(node, _submission.Job, actor, body);

    /// <summary>Whatever the coordinator's own effects throw (a full disk, an observer) ends the job with that error, never a restart.</summary>
    private void Guard(Action act)
    {
        try
        {
            act();
        }
        catch (SpecException e) when (!_sinkStarted)
        {
            EndBadInput(e);
        }
        catch (Exception e)
        {
            _log.Error(e, "Job [{0}] failed at its coordinator", _submission.Job);
            _noRoom ??= DiskFull.Find(e);
            Fail($"{e.GetType().FullName}: {e.Message} (at the coordinator){Environment.NewLine}{e.StackTrace}");
        }
    }
}
