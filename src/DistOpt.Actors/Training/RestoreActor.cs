using Akka.Actor;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.ParameterServer;
using DistOpt.Actors.Tensors;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Parameters;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>Restore actor to training coordinator: slices were taken, and others are under way.</summary>
/// <param name="UnderWay">Servers and backups to which slices are under way.</param>
internal sealed record RestoreMoved(IReadOnlyCollection<(int Server, bool IsBackup)> UnderWay) : INoSerializationVerificationNeeded;

/// <summary>
/// Reads a checkpoint and sends every server, and every backup that begins with it, its ranges. A few slices are under way at a time, so that
/// memory does not grow with the model. On a thread of its own; stops when everything is sent, or is stopped.
/// </summary>
internal sealed class RestoreActor : ReceiveActor
{
    private const int SlicesUnderWay = 8;

    private readonly JobId _job;
    private readonly NodeServices _services;
    private readonly Checkpoint _checkpoint;
    private readonly CheckpointManifest _manifest;
    private readonly StateLayout _layout;
    private readonly IEnumerator<(TensorPeer Peer, TensorHeader Header, IWireMessage? Meta)> _frames;
    private readonly Dictionary<long, ReceiveBuffers> _buffers = [];
    private readonly Dictionary<(int Server, bool IsBackup), int> _receivers = [];
    private int _underWay;

    /// <param name="manifest">What the job goes on from: the checkpoint's own, or that under another spec.</param>
    public RestoreActor(JobId job, NodeServices services, JobPlacement placement, Checkpoint checkpoint, CheckpointManifest manifest, StateLayout layout)
    {
        (_job, _services, _checkpoint, _manifest, _layout) = (job, services, checkpoint, manifest, layout);
        _frames = Frames(placement).GetEnumerator();
        Receive<SliceTaken>(taken =>
        {
            _underWay--;
            if (--_receivers[taken.By] == 0) _receivers.Remove(taken.By);
            Pump();
        });
    }

    private sealed record SliceTaken((int Server, bool IsBackup) By) : INoSerializationVerificationNeeded;

    protected override void PreStart() => Pump();

    protected override void PostStop()
    {
        _frames.Dispose();
        _checkpoint.Dispose();
    }

    private IEnumerable<(TensorPeer Peer, TensorHeader Header, IWireMessage? Meta)> Frames(JobPlacement placement)
    {
        ulong job = JobKey.Of(_job);
        int most = StateSlices.Length(_layout.Layout.ParameterCount);
        foreach (var server in placement.Servers)
        {
            var receivers = new List<(WirePeer Peer, TensorTarget Target)> { (server.Peer, TensorTarget.Server) };
            if (server.Backup is { } backup && server.BackupIsSeeded) receivers.Add((backup, TensorTarget.Backup));
            foreach (var (peer, target) in receivers)
            {
                IWireMessage? meta = new StateMeta(WireState.From(_manifest.State), 0)
                {
                    Rows = server.Index == 0 ? KeptRows.Of(_manifest.State, _manifest.Run.Validation) : null,
                };
                foreach (var vector in _checkpoint.Vectors.Where(v => _manifest.State.HasSelected || !CheckpointPart.IsSelected(v.Part)))
                {
                    var whole = _layout.RangeOf(vector.Part, server.Range());
                    for (long begin = whole.Begin; begin < whole.End; begin += most)
                    {
                        var header = new TensorHeader(TensorKind.Restore, new TensorAddress(job, target, server.Index), server.Since,
                            _checkpoint.Step, default, new KeyRange(begin, Math.Min(begin + most, whole.End)), vector.Part);
                        yield return (peer.ToPeer(), header, meta);
                        meta = null;
                    }
                }
            }
        }
    }

    private void Pump()
    {
        SendSlices();
        Context.Parent.Tell(new RestoreMoved([.. _receivers.Keys]));
    }

    private void SendSlices()
    {
        while (_underWay < SlicesUnderWay)
        {
            if (!_frames.MoveNext())
            {
                if (_underWay == 0) Context.Stop(Self);
                return;
            }
            var (peer, header, meta) = _frames.Current;
            if (!_buffers.TryGetValue(header.Range.Length, out var pool)) _buffers[header.Range.Length] = pool = new ReceiveBuffers(header.Range.Length);
            var buffer = pool.Rent();
            _checkpoint.Read(header.Part, header.Range, buffer.Memory.Span);
            _underWay++;
            var by = (header.To.Index, header.To.Target == TensorTarget.Backup);
            _receivers[by] = _receivers.GetValueOrDefault(by) + 1;
            var self = Self;
            _services.Channel.Send(peer, header, meta, new TensorLease(buffer.Memory, _ =>
            {
                buffer.Dispose();
                self.Tell(new SliceTaken(by), ActorRefs.NoSender);
            }));
        }
    }
}
