using Akka.Actor;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Tensors;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Parameters;
using DistOpt.Protocol;

namespace DistOpt.Actors.ParameterServer;

/// <summary>Server to its writer: bring this copy of its state to shared storage.</summary>
/// <param name="Coordinator">Node that is told once it is there.</param>
/// <param name="Begun">Timestamp of the copy's begin.</param>
/// <param name="Meta">On the server of key 0; null elsewhere.</param>
/// <param name="Slices">Of the copy; disposed when they are written.</param>
internal sealed record WriteState(int JobEpoch, long Step, NodeId Coordinator, long Begun, StateMeta? Meta,
    IReadOnlyList<(int Part, KeyRange Range, TensorLease Values)> Slices) : INoSerializationVerificationNeeded;

/// <summary>
/// Writes copies of a server's state into unfinished checkpoints on shared storage, on a thread of its own, and tells the coordinator when they are
/// flushed. What fails is told too and ends that checkpoint alone.
/// </summary>
internal sealed class StateWriterActor : ReceiveActor
{
    private readonly ServerSetup _setup;
    private readonly NodeServices _services;
    private StateWritten? _latest;

    public StateWriterActor(ServerSetup setup, NodeServices services)
    {
        (_setup, _services) = (setup, services);
        Receive<WriteState>(OnWrite);
    }

    public static Props Props(ServerSetup setup, NodeServices services) =>
        Akka.Actor.Props.Create(() => new StateWriterActor(setup, services)).WithDispatcher(services.ComputeDispatcher);

    private void OnWrite(WriteState write)
    {
        try
        {
            // a repeat: it is written, and perhaps renamed by now
            bool isThere = _latest is { Error: null } latest && (latest.JobEpoch, latest.Step) == (write.JobEpoch, write.Step);
            if (!isThere) _latest = Write(write);
        }
        catch (Exception e)
        {
            // not only a disk that is full: whatever it was, the coordinator must not wait for this state
            _latest = new StateWritten(write.JobEpoch, write.Step, _setup.Index, Seconds(write), [], null, $"{e.GetType().Name}: {e.Message}");
        }
        finally
        {
            foreach (var slice in write.Slices) slice.Values.Dispose();
        }
        _services.Router.Send(write.Coordinator, _setup.Job, NodeActors.Training, _latest!);
    }

    private StateWritten Write(WriteState write)
    {
        var store = CheckpointStore.Shared(_services.SharedFolder(_setup.Spec.Storage.Path!), _setup.Job.Value);
        using var files = store.BeginSlices(write.JobEpoch, write.Step, _setup.State);
        foreach (var (part, range, values) in write.Slices) files.Write(part, range, values.Memory.Span);
        var written = files.Complete().Select(s => new WireSlice(s.Part, s.Range.Begin, s.Range.End, s.Sha256)).ToArray();
        return new StateWritten(write.JobEpoch, write.Step, _setup.Index, Seconds(write), written, write.Meta, null);
    }

    private double Seconds(WriteState write) => _services.Time.GetElapsedTime(write.Begun).TotalSeconds;
}
