using Akka.Actor;
using DistOpt.Actors.Tensors;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Parameters;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>A snapshot's part of a range has come.</summary>
internal sealed record PartArrived(int JobEpoch, int Part, KeyRange Range) : INoSerializationVerificationNeeded;

/// <summary>
/// Puts the slices that servers send together into whole vectors: weights and buffers, last and selected. Slices are read straight into place;
/// those handed over by reference are copied at once, on the server's thread.
/// </summary>
internal sealed class WeightCollector(IActorRef owner, ParameterLayout layout) : ITensorReceiver
{
    private readonly FlatBuffer _parameters = new(layout.ParameterCount);
    private readonly FlatBuffer _buffers = new(layout.BufferCount);
    private readonly HashSet<KeyRange> _arrived = [];
    private readonly int[] _expected = [-1, -1, -1];
    private bool _buffersArrived;

    /// <summary>The whole vectors; valid while <see cref="Complete"/> and nothing further is asked for.</summary>
    public ReadOnlyMemory<float> Parameters => _parameters.Memory;

    public ReadOnlyMemory<float> Buffers => _buffers.Memory;

    /// <summary>The memory of <see cref="Parameters"/>, for a model to be bound to.</summary>
    public FlatBuffer Weights => _parameters;

    public bool Complete { get; private set; }

    /// <summary>Begins a collection of two parts; frames of others, late ones of a collection before among them, are dropped.</summary>
    /// <param name="weights">Part of the parameter section.</param>
    /// <param name="buffers">Part of the buffer section.</param>
    public void Expect(int jobEpoch, int weights, int buffers)
    {
        lock (_expected) (_expected[0], _expected[1], _expected[2]) = (jobEpoch, weights, buffers);
        _arrived.Clear();
        _buffersArrived = layout.BufferCount == 0;
        Complete = false;
    }

    /// <summary>Counts a slice on the owner's thread; a repeat is dropped.</summary>
    public void Count(PartArrived arrived)
    {
        if (arrived.JobEpoch != _expected[0] || (arrived.Part != _expected[1] && arrived.Part != _expected[2])) return;
        if (CheckpointPart.IsBuffers(arrived.Part)) _buffersArrived = true;
        else _arrived.Add(arrived.Range);
        Complete = _buffersArrived && _arrived.Sum(r => r.Length) == layout.ParameterCount;
    }

    /// <summary>Whether what the server of a range sends has not come yet.</summary>
    /// <param name="isFirst">Whether it is the one that sends the buffers.</param>
    public bool Lacks(KeyRange range, bool isFirst) => !_arrived.Contains(range) || (isFirst && !_buffersArrived);

    public TensorLease? Accept(in TensorHeader header)
    {
        var target = Target(header);
        return target is null || header.Range.End > target.Length ? null : new TensorLease(target.Slice(header.Range));
    }

    public void Received(in TensorHeader header, IWireMessage? meta, TensorLease payload)
    {
        using (payload)
        {
            var target = Target(header);
            if (target is null || header.Range.End > target.Length) return;
            var destination = target.Slice(header.Range);
            if (!destination.Equals(payload.Memory)) payload.Memory.CopyTo(destination);
        }
        owner.Tell(new PartArrived(header.JobEpoch, header.Part, header.Range), ActorRefs.NoSender);
    }

    public void Abandoned(in TensorHeader header, TensorLease payload) => payload.Dispose();

    private FlatBuffer? Target(in TensorHeader header)
    {
        lock (_expected)
        {
            if (header.Kind != TensorKind.Snapshot || header.JobEpoch != _expected[0]) return null;
            return header.Part == _expected[1] ? _parameters : header.Part == _expected[2] ? _buffers : null;
        }
    }
}
