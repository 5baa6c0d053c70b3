using DistOpt.Core.Parameters;

namespace DistOpt.Core.Checkpoints;

/// <summary>
/// Numbers of the vectors that make up a job's state. They are on the wire and append only: 0 weights, 1 buffers, 2 selected weights,
/// 3 selected buffers, 4 averaged weights, 5 averaged buffers, 16+i optimizer slot i.
/// </summary>
public static class CheckpointPart
{
    public const int Weights = 0;
    public const int Buffers = 1;
    public const int SelectedWeights = 2;
    public const int SelectedBuffers = 3;
    public const int AveragedWeights = 4;
    public const int AveragedBuffers = 5;
    public const int FirstSlot = 16;

    /// <summary>Number of an optimizer's slot <paramref name="index"/>.</summary>
    public static int Slot(int index) => FirstSlot + index;

    /// <summary>
    /// Keeps weights with NaN or infinity out of a checkpoint: an update that overflows is noticed by the loss of the step after it, and the last
    /// checkpoint before it must not give way to what nobody can go on from.
    /// </summary>
    /// <exception cref="InvalidDataException">The vector is the weights, and they are not finite.</exception>
    internal static void CheckFinite(int part, KeyRange range, ReadOnlySpan<float> values)
    {
        if (part != Weights) return;
        int at = FiniteScan.FirstNonFinite(values);
        if (at >= 0) throw new InvalidDataException($"the weights are not finite, first at element {range.Begin + at}: the run diverges");
    }

    /// <summary>Whether a part is of the selected weights.</summary>
    public static bool IsSelected(int part) => part is SelectedWeights or SelectedBuffers;

    /// <summary>Whether the vector is one of the layout's buffer section.</summary>
    public static bool IsBuffers(int part) => part is Buffers or SelectedBuffers or AveragedBuffers;
}

/// <summary>One file of a checkpoint: a vector of the state under its name.</summary>
/// <param name="Part">See <see cref="CheckpointPart"/>.</param>
/// <param name="FileName">Name of the file in the checkpoint's directory.</param>
public sealed record CheckpointVector(int Part, string FileName);
