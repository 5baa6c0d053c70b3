namespace DistOpt.Torch;

/// <summary>How a <see cref="Predictor"/> computes.</summary>
public sealed record PredictorOptions
{
    /// <summary>
    /// Threads that libtorch uses for one call, at least 1. The default 1 is the fastest where several threads call at once, and gives
    /// the bits of the run's own evaluation; more shorten a single call with many rows. A call leaves the calling thread's setting as it
    /// was.
    /// </summary>
    public int Threads { get; init; } = 1;
}
