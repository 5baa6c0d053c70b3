using DistOpt.Actors.Nodes;
using DistOpt.Actors.ParameterServer;
using DistOpt.Actors.Tensors;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Workers;

/// <summary>
/// The running average at a barrier. Servers that share this memory have it here; from others it is fetched, since none of them but that of key 0
/// knows of the barrier. They stay at its version until it is passed.
/// </summary>
internal sealed partial class ReplicaActor
{
    private readonly HashSet<(int Part, long Begin)> _averageArrived = [];

    // version of the average that is here, and of that which is under way; -1 = none
    private long _averageStep = -1;
    private long _fetching = -1;

    private bool OnAverageNow => _plan is { Evaluate: true, UsesAverage: true };

    private bool HasAverage(long step) => _placement.IsFixed || _averageStep == step;

    private void EvaluateBarrier(StepPlan plan)
    {
        if (plan.UsesAverage && !HasAverage(plan.Step)) Fetch(plan.Step);
        else Evaluate(plan.Step, DataSplit.Validation, plan.UsesAverage);
    }

    private void Fetch(long step)
    {
        _averageArrived.Clear();
        Volatile.Write(ref _fetching, step);
        var fetch = new FetchAverage(_placement.JobEpoch, step, _services.Channel.Self.ToWire(), _setup.Index);
        foreach (var server in _placement.Servers) _services.Router.Send(server.Peer.Node, _setup.Job, NodeActors.Server(server.Index), fetch);
    }

    /// <summary>Where a frame of the average belongs; null where it is not the one that is under way.</summary>
    private Memory<float>? AverageTarget(in TensorHeader header)
    {
        if (header.Step != Volatile.Read(ref _fetching) || _setup.Average is not { } average) return null;
        var whole = header.Part switch
        {
            CheckpointPart.AveragedWeights => average.Weights,
            CheckpointPart.AveragedBuffers => average.Buffers,
            _ => null,
        };
        return whole is null || header.Range.End > whole.Length ? null : whole.Slice(header.Range);
    }

    private void OnAverage(TensorArrived frame)
    {
        using var payload = frame.Payload;
        var header = frame.Header;
        if (header.JobEpoch != _placement.JobEpoch || AverageTarget(header) is not { } target) return;
        if (!target.Equals(payload.Memory)) payload.Memory.CopyTo(target);
        _services.Meter.Bytes(PayloadDirection.Pull, target.Length * sizeof(float));
        _averageArrived.Add((header.Part, header.Range.Begin));
        if (_averageArrived.Count < Slices) return;
        _averageStep = header.Step;
        Volatile.Write(ref _fetching, -1);
        if (OnAverageNow && _plan!.Step == header.Step) EvaluateBarrier(_plan);
        DoOrders();
    }
}
