namespace DistOpt.Core.Batching;

/// <summary>
/// What the planner remembers of batches: it is in every checkpoint and with every backup, and a step's batch and its rate are a function of it.
/// </summary>
public sealed record BatchState
{
    /// <summary>Samples in the batch under way as the strategy chose it; the end of the epoch may cut it.</summary>
    public required int Size { get; init; }

    public required BatchReason Reason { get; init; }

    /// <summary>Factor on the learning rate that belongs to the choice.</summary>
    public double RateFactor { get; init; } = 1;

    /// <summary>What has been measured of the gradient's noise.</summary>
    public NoiseState Noise { get; init; } = new();

    /// <summary>Scale-invariant iterations before the step under way (AdaScale): the sum of the gains.</summary>
    public double Progress { get; init; }

    /// <summary>The batch of the step before; null before the first step.</summary>
    public AppliedBatch? Applied { get; init; }

    /// <summary>The latest batch that no end of an epoch has cut; null before there was one. It is what metric rows tell, as nobody chose the others.</summary>
    public AppliedBatch? Whole { get; init; }
}

/// <summary>A batch that was trained on.</summary>
/// <param name="Size">Samples in it.</param>
/// <param name="LearningRate">Rate of its update.</param>
/// <param name="NoiseScale">Estimate of the noise scale in samples by which the step was planned; null where none is measured, or none is known.</param>
/// <param name="Gain">AdaScale's gain; null without AdaScale.</param>
public sealed record AppliedBatch(int Size, double LearningRate, BatchReason Reason, double? NoiseScale, double? Gain);
