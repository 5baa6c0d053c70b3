using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Tensors;
using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>
/// Job coordinator to training coordinator: the nodes that the job may use, as they are now. Sent again when they change until the job is
/// placed.
/// </summary>
internal sealed record OfferedNodes(IReadOnlyList<OfferedNode> Nodes) : INoSerializationVerificationNeeded;

internal sealed record OfferedNode(WirePeer Peer, string Name, bool Server, int FreeSlots) : INoSerializationVerificationNeeded;

/// <summary>Training coordinator to job coordinator: these slots are taken.</summary>
internal sealed record JobPlaced(JobId Job, IReadOnlyDictionary<NodeId, int> Workers) : INoSerializationVerificationNeeded;

/// <summary>
/// Leads one job from preparation to its end: opens it on every node, compares the nodes' fingerprints, starts servers and workers, writes
/// down what they report, and collects the weights. Steps go on without it; it decides nothing that could change bits.
/// </summary>
internal sealed partial class TrainingCoordinatorActor : ReceiveActor, IWithTimers
{
    private readonly SubmitJob _submission;
    private readonly NodeServices _services;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly JobProgress _progress;
    private readonly Dictionary<NodeId, JobPrepared> _prepared = [];
    private readonly HashSet<NodeId> _started = [];
    private JobRuntimes.Handle? _handle;
    private IRunSink? _sink;
    private bool _sinkStarted;
    private WeightCollector? _collector;
    private IDisposable? _listening;
    private IReadOnlyList<OfferedNode> _nodes = [];
    private Placement? _placement;
    private JobPlacement? _wirePlacement;
    private string _state = "opening";
    private string? _waiting;
    private bool _ended;

    public TrainingCoordinatorActor(SubmitJob submission, NodeServices services)
    {
        (_submission, _services) = (submission, services);
        _progress = new JobProgress(services.Time);
        Receive<OfferedNodes>(offered => Guard(() => Place(offered.Nodes)));
        Receive<NodeDelivery>(delivery => Guard(() => OnDelivery(delivery)));
        Receive<PartArrived>(part => Guard(() => OnPart(part)));
        Receive<StopJob>(stop => Guard(() => Stop(stop.Reason)));
        Receive<NodeGone>(gone => Guard(() => OnNodeGone(gone)));
        Receive<OutsideOutput>(o => Guard(() => Log(new LogLine(o.Line.Node, o.Line.Source, o.Line.Level, o.Line.Text, _progress.WallSeconds))));
        Receive<CheckProgress>(_ => Guard(CheckWhetherItMoves));
        Receive<GiveUp>(_ => Guard(OnGiveUp));
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
            CheckServers(_handle.Runtime.Layout);
            _sink = _submission.Sink(_handle.Runtime);
            Enter("placing");
            Context.Parent.Tell(new JobOpened(_submission.Job));
        });
    }

    /// <summary>Training coordinator to job coordinator: ready to be placed.</summary>
    internal sealed record JobOpened(JobId Job) : INoSerializationVerificationNeeded;

    protected override void PostStop()
    {
        _listening?.Dispose();
        _handle?.Dispose();
    }

    private void CheckServers(ParameterLayout layout)
    {
        int most = KeyRangePartitioner.MaxServers(layout.ParameterCount);
        if (Spec.Training.Servers > most)
        {
            throw new SpecException("training.servers", $"is {Spec.Training.Servers}, but {layout.ParameterCount} parameters make {most} "
                + $"blocks of {KeyRangePartitioner.Block}: use at most {most} servers");
        }
    }

    private void Place(IReadOnlyList<OfferedNode> nodes)
    {
        if (_placement is not null || _ended) return;
        var ranges = KeyRangePartitioner.Cut(_handle!.Runtime.Layout.ParameterCount, Spec.Training.Servers);
        var capacities = nodes.Select(n => new NodeCapacity(n.Peer.Node.Value, n.FreeSlots, n.Server)).ToList();
        _placement = JobPlacer.Place(capacities, Spec.Training.Workers, Spec.Training.GradientShards!.Value, ranges, out _waiting);
        if (_placement is null)
        {
            TellStatus();
            return;
        }
        var used = _placement.Nodes.ToHashSet(StringComparer.Ordinal);
        _nodes = [.. nodes.Where(n => used.Contains(n.Peer.Node.Value))];
        var peers = _nodes.ToDictionary(n => n.Peer.Node.Value, n => n.Peer);
        var replicas = _placement.Workers.GroupBy(w => w.Node).Select((group, index) => new ReplicaPlace(index, peers[group.Key],
            [.. group.Select(w => new WorkerPlace(w.Index, w.ShardBegin, w.ShardEnd))]));
        _wirePlacement = new JobPlacement(1,
            [.. _placement.Servers.Select(s => new ServerPlace(s.Index, peers[s.Node], s.Range.Begin, s.Range.End))],
            [.. replicas], _services.Channel.Self.ToWire());
        Context.Parent.Tell(new JobPlaced(_submission.Job,
            _placement.Workers.GroupBy(w => peers[w.Node].Node).ToDictionary(g => g.Key, g => g.Count())));
        Enter("preparing");
        var prepare = new PrepareJob(_services.Specs.Write(Spec), _services.Channel.Self.ToWire());
        foreach (var node in _nodes) Send(node.Peer.Node, NodeActors.Agent, prepare);
        WatchProgress();
    }

    private void OnDelivery(NodeDelivery delivery)
    {
        if (_ended) return;
        _progress.Moved();
        switch (delivery.Body)
        {
            case JobPrepared prepared:
                OnPrepared(delivery.From, prepared);
                break;
            case JobRefused refused:
                OnRefused(refused);
                break;
            case JobStarted when _started.Add(delivery.From) && _started.Count == _nodes.Count:
                Begin();
                break;
            case StepProgress step:
                _progress.Step(step.Step, step.Samples, step.Loss);
                _sink!.Progress(new RunProgress(step.Step, step.Epoch, step.Loss, _progress.SamplesPerSecond, _progress.WallSeconds));
                TellStatus();
                CheckTime();
                break;
            case TrainRow row:
                OnTrainRow(row);
                CheckTime();
                break;
            case ValidationRow row:
                OnValidationRow(row);
                break;
            case TrainingEnded ended:
                OnTrainingEnded(ended);
                break;
            case EvaluationSlices slices:
                OnFinalSlices(slices);
                break;
            case LogLines lines:
                foreach (var line in lines.Lines) Log(new LogLine(line.Node, line.Source, line.Level, line.Text, _progress.WallSeconds));
                break;
            case JobFailed failed:
                string at = failed.Step >= 0 ? $"{failed.Who}, step {failed.Step}" : failed.Who;
                Fail($"{failed.Type}: {failed.Message} (at {at}){Environment.NewLine}{failed.Stack}");
                break;
            case Waiting waiting:
                OnWaiting(waiting);
                break;
        }
    }

    private void OnPrepared(NodeId node, JobPrepared prepared)
    {
        _prepared[node] = prepared;
        if (_state != "preparing" || _prepared.Count < _nodes.Count) return;
        var differences = FingerprintCheck.Compare(_services.Name, _handle!.Runtime.Fingerprint, _prepared.Values, Spec.Training.BitExact);
        if (differences.Count > 0)
        {
            EndBadInput(new SpecException(differences));
            return;
        }
        Enter("starting");
        _collector = new WeightCollector(Self, _handle.Runtime.Layout);
        _listening = _services.Channel.Listen(new TensorAddress(JobKey.Of(_submission.Job), TensorTarget.Collector, 0), _collector);
        foreach (var used in _nodes) Send(used.Peer.Node, NodeActors.Agent, new StartJob(_wirePlacement!));
    }

    private void OnRefused(JobRefused refused)
    {
        if (refused.Stack is { } stack)
        {
            Fail($"node {refused.NodeName} cannot open the job: {refused.Violations[0].Text}{Environment.NewLine}{stack}");
            return;
        }
        EndBadInput(new SpecException(refused.Violations.Select(v => new SpecViolation(v.Name, $"{v.Text} (on node {refused.NodeName})"))));
    }

    private void Begin()
    {
        Enter("training");
        var runtime = _handle!.Runtime;
        int batch = Spec.Batch.OptionsAs<FixedBatchOptions>().Size;
        long perEpoch = (runtime.Data.Train + batch - 1) / batch;
        _progress.Start(Math.Min(perEpoch * Spec.Training.Epochs, Spec.Stop.MaxSteps ?? long.MaxValue));
        var warnings = _prepared.Values.SelectMany(p => p.Warnings).Concat(runtime.Warnings).Distinct(StringComparer.Ordinal).ToList();
        _sinkStarted = true;
        _sink!.Started(new RunStarted(_submission.Job.Value, Spec, runtime.Data, _progress.TotalSteps, runtime.Layout,
            [.. _nodes.Select(n => n.Name)], warnings));
        foreach (var server in _wirePlacement!.Servers)
            Send(server.Peer.Node, NodeActors.Server(server.Index), new BeginTraining(_wirePlacement.JobEpoch));
        if (_pendingStop is { } reason) Stop(reason);
    }

    private void Enter(string state)
    {
        _state = state;
        TellStatus();
    }

    private void TellStatus() => Context.Parent.Tell(new JobStatus(_submission.Job, Spec.Name, _state, _progress.CurrentStep,
        _progress.TotalSteps, _progress.Loss, _waiting, [.. _nodes.Select(n => n.Name)], null));

    private void Log(LogLine line)
    {
        if (_sinkStarted) _sink!.Log(line);
    }

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
            Fail($"{e.GetType().FullName}: {e.Message} (at the coordinator){Environment.NewLine}{e.StackTrace}");
        }
    }
}
