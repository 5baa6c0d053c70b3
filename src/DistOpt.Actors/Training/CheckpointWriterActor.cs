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

/// <summary>
/// Gathers the slices of a state that servers send into a checkpoint on the coordinator's disk, on a thread of its own. A slice's memory is
/// given back once it is written, and with it the credit to send the next: a slow disk slows the stream, not the steps.
/// </summary>
internal sealed class CheckpointWriterActor : ReceiveActor
{
    private readonly JobId _job;
    private readonly NodeServices _services;
    private readonly CheckpointStore _store;
    private readonly ParameterLayout _layout;
    private readonly CheckpointManifest _template;
    private readonly int _keep;
    private readonly Func<long, ReceiveBuffers> _buffers;
    private IDisposable? _listening;
    private CheckpointDraft? _draft;
    private int _epoch;
    private long _step = -1;
    private long _begunAt;
    private double _copySeconds;
    private bool _isTold;

    /// <param name="template">Everything in a manifest that does not change during the job.</param>
    public CheckpointWriterActor(JobId job, NodeServices services, CheckpointStore store, ParameterLayout layout, CheckpointManifest template, int keep)
    {
        (_job, _services, _store, _layout, _template, _keep) = (job, services, store, layout, template, keep);
        var pools = new System.Collections.Concurrent.ConcurrentDictionary<long, ReceiveBuffers>();
        _buffers = length => pools.GetOrAdd(length, l => new ReceiveBuffers(l));
        Receive<TensorArrived>(OnTensor);
        Receive<CommitCheckpoint>(OnCommit);
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
        if (header.JobEpoch != _epoch || header.Step < _step || (header.Step == _step && _draft is null)) return;
        try
        {
            if (header.Step > _step) Begin(header.Step);
            if (frame.Meta is StateMeta meta)
            {
                _copySeconds = meta.CopySeconds;
                _draft!.Describe(_template.With(meta.State.ToState()));
            }
            _draft!.Write(header.Part, header.Range, payload.Memory.Span);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            Fail(e);
            return;
        }
        if (_isTold || !_draft.IsComplete) return;
        _isTold = true;
        Context.Parent.Tell(new CheckpointGathered(_step));
    }

    private void Begin(long step)
    {
        GiveUp();
        (_step, _begunAt, _isTold) = (step, _services.Time.GetTimestamp(), false);
        _draft = _store.Begin(_epoch, step, _layout, _template.Slots);
    }

    private void OnCommit(CommitCheckpoint commit)
    {
        if (_draft is not { } draft || commit.Step != _step) return;
        try
        {
            string path = draft.Commit(commit.Run);
            _store.Prune(_step, _keep);
            Context.Parent.Tell(new CheckpointWritten(_step, path, _copySeconds, _services.Time.GetElapsedTime(_begunAt).TotalSeconds));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Context.Parent.Tell(new CheckpointFailed(_step, e));
        }
        GiveUp();
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
    private sealed class Receiver(IActorRef actor, ParameterLayout layout, Func<long, ReceiveBuffers> buffers) : ITensorReceiver
    {
        public TensorLease? Accept(in TensorHeader header) =>
            header.Kind == TensorKind.Snapshot && header.Range.End <= CheckpointPart.Length(header.Part, layout) ? buffers(header.Range.Length).Rent() : null;

        public void Received(in TensorHeader header, IWireMessage? meta, TensorLease payload) =>
            actor.Tell(new TensorArrived(header, meta, payload), ActorRefs.NoSender);

        public void Abandoned(in TensorHeader header, TensorLease payload) => payload.Dispose();
    }
}
