using System.Globalization;
using DistOpt.Core.Parameters;

namespace DistOpt.Core.Checkpoints;

/// <summary>
/// Numbers of the vectors that make up a job's state. They are on the wire and append only: 0 weights, 1 buffers, 2 selected weights,
/// 3 selected buffers, 16+i optimizer slot i.
/// </summary>
public static class CheckpointPart
{
    public const int Weights = 0;
    public const int Buffers = 1;
    public const int SelectedWeights = 2;
    public const int SelectedBuffers = 3;
    public const int FirstSlot = 16;

    /// <summary>Number of an optimizer's slot <paramref name="index"/>.</summary>
    public static int Slot(int index) => FirstSlot + index;

    /// <summary>Whether the vector is as long as the layout's buffer section; every other is as long as its parameter section.</summary>
    public static bool IsBuffers(int part) => part is Buffers or SelectedBuffers;

    /// <summary>Length of the vector in float32 places.</summary>
    public static long Length(int part, ParameterLayout layout) => IsBuffers(part) ? layout.BufferCount : layout.ParameterCount;
}

/// <summary>One file of a checkpoint: a vector of the state under its name.</summary>
/// <param name="Part">See <see cref="CheckpointPart"/>.</param>
/// <param name="FileName">Name of the file in the checkpoint's directory.</param>
public sealed record CheckpointVector(int Part, string FileName)
{
    /// <summary>The vectors that a state consists of, in a fixed order.</summary>
    /// <param name="layout">Of the model.</param>
    /// <param name="slots">Names of the optimizer's slots.</param>
    /// <param name="hasSelected">Whether weights were selected before the step of the state.</param>
    public static IReadOnlyList<CheckpointVector> Of(ParameterLayout layout, IReadOnlyList<string> slots, bool hasSelected)
    {
        var vectors = new List<CheckpointVector> { new(CheckpointPart.Weights, "weights.safetensors") };
        if (layout.BufferCount > 0) vectors.Add(new(CheckpointPart.Buffers, "buffers.safetensors"));
        for (int i = 0; i < slots.Count; i++)
            vectors.Add(new(CheckpointPart.Slot(i), string.Create(CultureInfo.InvariantCulture, $"optimizer-{slots[i]}.safetensors")));
        if (!hasSelected) return vectors;
        vectors.Add(new(CheckpointPart.SelectedWeights, "selected.safetensors"));
        if (layout.BufferCount > 0) vectors.Add(new(CheckpointPart.SelectedBuffers, "selected-buffers.safetensors"));
        return vectors;
    }
}
