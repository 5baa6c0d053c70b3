using System.Collections.Immutable;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;

namespace DistOpt.Core.Checkpoints;

/// <summary>
/// The vectors that make up a job's state, and what each consists of: weights, buffers, the optimizer's slots, the running average, and the selected
/// weights. Immutable.
/// </summary>
public sealed class StateLayout
{
    private readonly ImmutableArray<SlotLayout> _slots;

    /// <param name="layout">Of the model.</param>
    /// <param name="rule">By whose slots the state grows.</param>
    /// <param name="hasAverage">Whether a running average of the weights is kept.</param>
    public StateLayout(ParameterLayout layout, UpdateRule rule, bool hasAverage = false) =>
        (Layout, _slots, HasAverage) = (layout, SlotLayout.Of(layout, rule), hasAverage);

    public ParameterLayout Layout { get; }

    public bool HasAverage { get; }

    /// <summary>The tensors of a vector, in order and without gaps.</summary>
    /// <param name="part">See <see cref="CheckpointPart"/>.</param>
    public ImmutableArray<TensorSlot> SectionOf(int part) =>
        SlotOf(part)?.Tensors ?? (CheckpointPart.IsBuffers(part) ? Layout.Buffers : Layout.Parameters);

    /// <summary>Length of a vector in float32 places.</summary>
    public long Length(int part) => SlotOf(part)?.Length ?? (CheckpointPart.IsBuffers(part) ? Layout.BufferCount : Layout.ParameterCount);

    /// <summary>What the server of a key range holds of a vector; empty where it holds nothing. Buffers are with key 0.</summary>
    public KeyRange RangeOf(int part, KeyRange keys) =>
        SlotOf(part) is { } slot ? slot.RangeOf(keys)
        : !CheckpointPart.IsBuffers(part) ? keys : keys.Begin == 0 ? new KeyRange(0, Layout.BufferCount) : default;

    /// <summary>The vectors of a state, in a fixed order.</summary>
    /// <param name="hasSelected">Whether weights were selected before the step of the state.</param>
    public IReadOnlyList<CheckpointVector> Vectors(bool hasSelected) =>
        Vectors([.. _slots.Select(s => s.Name)], Layout.BufferCount > 0, HasAverage, hasSelected);

    /// <summary>Every vector that a state with these slots can have, whatever the model and the rest of the spec.</summary>
    internal static IReadOnlyList<CheckpointVector> All(IReadOnlyList<string> slots) => Vectors(slots, true, true, true);

    private static List<CheckpointVector> Vectors(IReadOnlyList<string> slots, bool hasBuffers, bool hasAverage, bool hasSelected)
    {
        var vectors = new List<CheckpointVector>();
        Add(CheckpointPart.Weights, "weights", CheckpointPart.Buffers, "buffers");
        for (int i = 0; i < slots.Count; i++) vectors.Add(new(CheckpointPart.Slot(i), $"optimizer-{slots[i]}.safetensors"));
        if (hasAverage) Add(CheckpointPart.AveragedWeights, "average", CheckpointPart.AveragedBuffers, "average-buffers");
        if (hasSelected) Add(CheckpointPart.SelectedWeights, "selected", CheckpointPart.SelectedBuffers, "selected-buffers");
        return vectors;

        void Add(int weights, string name, int buffers, string buffersName)
        {
            vectors.Add(new(weights, name + ".safetensors"));
            if (hasBuffers) vectors.Add(new(buffers, buffersName + ".safetensors"));
        }
    }

    private SlotLayout? SlotOf(int part) =>
        part >= CheckpointPart.FirstSlot && part < CheckpointPart.Slot(_slots.Length) ? _slots[part - CheckpointPart.FirstSlot] : null;
}
