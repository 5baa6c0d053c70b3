using Akka.Actor;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.ParameterServer;
using DistOpt.Actors.Tensors;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Parameters;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>Checkpoint writer to training coordinator: all slices are there. Answered by <see cref="CommitCheckpoint"/>.</summary>
internal sealed record CheckpointGathered(long Step) : INoSerializationVerificationNeeded;

/// <summary>Checkpoint writer to training coordinator: one more slice is there, or one more file is on the disk.</summary>
internal sealed record CheckpointMoved(long Step) : INoSerializationVerificationNeeded;

/// <summary>Training coordinator to checkpoint writer: whose slices of a step's checkpoint are missing? Answered by <see cref="CheckpointLacks"/>.</summary>
/// <param name="Ranges">Of the servers, in their order.</param>
internal sealed record AskCheckpointLacks(long Step, IReadOnlyList<KeyRange> Ranges) : INoSerializationVerificationNeeded;

/// <param name="Servers">Their indices; none = all slices have come.</param>
internal sealed record CheckpointLacks(long Step, IReadOnlyList<int> Servers) : INoSerializationVerificationNeeded;

/// <param name="Run">What the run has reached.</param>
internal sealed record CommitCheckpoint(long Step, ManifestRun Run) : INoSerializationVerificationNeeded;

/// <summary>Checkpoint writer to training coordinator: it is on the disk.</summary>
/// <param name="CopySeconds">How long the server of key 0 was held up.</param>
/// <param name="WriteSeconds">From the first slice to the rename.</param>
internal sealed record CheckpointWritten(long Step, string Path, double CopySeconds, double WriteSeconds) : INoSerializationVerificationNeeded;

/// <summary>Checkpoint writer to training coordinator: it could not be written; those before it are as they were.</summary>
internal sealed record CheckpointFailed(long Step, Exception Error) : INoSerializationVerificationNeeded;

/// <summary>Training coordinator to checkpoint writer: servers have been placed anew; what was begun before is given up.</summary>
internal sealed record CollectInEpoch(int JobEpoch) : INoSerializationVerificationNeeded;

/// <summary>Training coordinator to checkpoint writer: what a server says of its part of a checkpoint on shared storage.</summary>
/// <param name="Who">The server and its node, for people.</param>
internal sealed record PartWritten(string Who, StateWritten State) : INoSerializationVerificationNeeded;

/// <summary>
/// Gathers the slices of a state that servers send into a checkpoint on the coordinator's disk, on a thread of its own. A slice's memory is
/// given back once it is written, and with it the credit to send the next: a slow disk slows the stream, not the steps. On shared storage servers
/// write; their slices are counted, and read once more when all are there.
/// </summary>
internal sealed class CheckpointWriterActor : ReceiveActor
{
    private readonly JobId _job;
    private readonly NodeServices _services;
    private readonly CheckpointStore _store;
    private readonly StateLayout _layout;
    private readonly CheckpointManifest _template;
    private readonly int _keep;
    private readonly Func<long, ReceiveBuffers> _buffers;
    private IDisposable? _listening;
    private CheckpointDraft? _draft;
    private int _epoch;
    private long _step = -1;
    private long _begunAt;
    private double _copySeconds;
    private double _serverSeconds;
    private bool _isTold;

    /// <param name="template">Everything in a manifest that does not change during the job.</param>
    public CheckpointWriterActor(JobId job, NodeServices services, CheckpointStore store, StateLayout layout, CheckpointManifest template, int keep)
    {
        (_job, _services, _store, _layout, _template, _keep) = (job, services, store, layout, template, keep);
        var pools = new System.Collections.Concurrent.ConcurrentDictionary<long, ReceiveBuffers>();
        _buffers = length => pools.GetOrAdd(length, l => new ReceiveBuffers(l));
        Receive<TensorArrived>(OnTensor);
        Receive<PartWritten>(OnPartWritten);
        Receive<CommitCheckpoint>(OnCommit);
        Receive<AskCheckpointLacks>(OnAsked);
        Receive<CollectInEpoch>(collect =>
        {
            (_epoch, _step) = (collect.JobEpoch, -1);
            GiveUp();
        });
    }

    protected override void PreStart() => _listening = _services.Channel.Listen(
        new TensorAddress(JobKey.Of(_job), TensorTarget.Collector, ParameterServerActor.CheckpointCollector), new Receiver(Self, _layout, _buffers));

    protected override void PostStop()
    {
        _listening?.Dispose();
        _draft?.Dispose();
    }

    private void OnTensor(TensorArrived frame)
    {
        using var payload = frame.Payload;
        var header = frame.Header;
        Take(header.JobEpoch, header.Step, frame.Meta as StateMeta, draft => draft.Write(header.Part, header.Range, payload.Memory.Span));
    }

    private void OnPartWritten(PartWritten part)
    {
        var state = part.State;
        Take(state.JobEpoch, state.Step, state.Meta, draft =>
        {
            if (state.Error is { } error) throw new IOException($"{part.Who}: {error}");
            _serverSeconds = Math.Max(_serverSeconds, state.Seconds);
            foreach (var slice in state.Slices) draft.Written(new WrittenSlice(slice.Part, new KeyRange(slice.Begin, slice.End), slice.Sha256));
        });
    }

    private void Take(int jobEpoch, long step, StateMeta? meta, Action<CheckpointDraft> take)
    {
        if (jobEpoch != _epoch || step < _step || (step == _step && _draft is null)) return;
        try
        {
            if (step > _step) Begin(step);
            if (meta is not null)
            {
                _copySeconds = meta.CopySeconds;
                _draft!.Describe(_template.With(meta.State.ToState()));
            }
            take(_draft!);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or InvalidDataException)
        {
            Fail(e);
            return;
        }
        Context.Parent.Tell(new CheckpointMoved(_step));
        if (_isTold || !_draft!.IsComplete) return;
        _isTold = true;
        Context.Parent.Tell(new CheckpointGathered(_step));
    }

    private void Begin(long step)
    {
        GiveUp();
        (_step, _begunAt, _isTold, _serverSeconds) = (step, _services.Time.GetTimestamp(), false, 0);
        _draft = _store.Begin(_epoch, step, _layout);
    }

    private void OnCommit(CommitCheckpoint commit)
    {
        if (_draft is not { } draft || commit.Step != _step) return;
        try
        {
            string path = draft.Commit(commit.Run, () => Context.Parent.Tell(new CheckpointMoved(_step)));
            _store.Prune(_step, _keep);
            double seconds = _serverSeconds + _services.Time.GetElapsedTime(_begunAt).TotalSeconds;
            Context.Parent.Tell(new CheckpointWritten(_step, path, _copySeconds, seconds));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Context.Parent.Tell(new CheckpointFailed(_step, e));
        }
        GiveUp();
    }

    private void OnAsked(AskCheckpointLacks ask)
    {
        var servers = Enumerable.Range(0, ask.Ranges.Count);
        IReadOnlyList<int> lacking = ask.Step > _step ? [.. servers]
            : ask.Step == _step && _draft is { } draft ? [.. servers.Where(s => draft.Lacks(ask.Ranges[s], isFirst: s == 0))] : [];
        Context.Parent.Tell(new CheckpointLacks(ask.Step, lacking));
    }

    private void Fail(Exception error)
    {
        Context.Parent.Tell(new CheckpointFailed(_step, error));
        GiveUp();
    }

    private void GiveUp()
    {
        _draft?.Dispose();
        _draft = null;
    }

    /// <summary>Takes slices into pooled memory; credit returns when they are written.</summary>
    private sealed class Receiver(IActorRef actor, StateLayout layout, Func<long, ReceiveBuffers> buffers) : ITensorReceiver
    {
        public TensorLease? Accept(in TensorHeader header) =>
            header.Kind == TensorKind.Snapshot && header.Range.End <= layout.Length(header.Part) ? buffers(header.Range.Length).Rent() : null;

        public void Received(in TensorHeader header, IWireMessage? meta, TensorLease payload) =>
            actor.Tell(new TensorArrived(header, meta, payload), ActorRefs.NoSender);

        public void Abandoned(in TensorHeader header, TensorLease payload) => payload.Dispose();
    }
}
