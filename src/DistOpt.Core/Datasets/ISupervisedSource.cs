namespace DistOpt.Core.Datasets;

/// <summary>
/// Samples of (input, class) or (input, target vector), held in memory. Nothing changes after opening, so any number of threads may read.
/// </summary>
public interface ISupervisedSource
{
    DataInfo Info { get; }

    /// <summary>Number of samples, the predefined test part included.</summary>
    long Count { get; }

    /// <summary>Size of the predefined test part, which is the last so many samples; 0 = none, and a share is held out instead.</summary>
    long TestCount { get; }

    /// <summary>Class index of every sample; empty unless the task is classification.</summary>
    ReadOnlySpan<int> Labels { get; }

    /// <summary>Copies the input of a sample, not normalized.</summary>
    /// <param name="destination">Exactly <c>Info.InputLength</c> values, row-major.</param>
    void CopyInput(long index, Span<float> destination);

    /// <summary>Copies the target of a sample of a regression.</summary>
    /// <param name="destination">Exactly <c>Info.TargetLength</c> values.</param>
    /// <exception cref="InvalidOperationException">The task is classification: use <see cref="Labels"/>.</exception>
    void CopyTarget(long index, Span<float> destination);

    /// <summary>
    /// SHA-256 (lower-case hex) over shapes, classes and all samples in order: equal on two machines exactly if they hold the same data.
    /// Computed at the first call, then kept.
    /// </summary>
    string ContentHash { get; }
}

/// <summary>A source whose inputs are stored as bytes (pixels): the batcher then converts straight from them.</summary>
public interface IByteSource : ISupervisedSource
{
    /// <summary>The stored bytes of a sample's input, <c>Info.InputLength</c> of them, row-major.</summary>
    ReadOnlySpan<byte> InputBytes(long index);
}
