using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Batching;

/// <summary>Options of <c>batch: noise-scale</c>.</summary>
public sealed record NoiseScaleBatchOptions : IValidatableObject, IMeasuresNoise
{
    [Description("Samples in the first batches, over all workers")]
    [Range(1, 10_000_000)]
    public int Size { get; init; } = 32;

    [Description("Smallest size")]
    [Range(1, 10_000_000)]
    public int MinSize { get; init; } = 8;

    [Description("Largest size; auto = a tenth of the training part, or size where that is more")]
    [NullName("auto")]
    [Range(1, 10_000_000)]
    public int? MaxSize { get; init; }

    [Description("Steps between two adjustments")]
    [Range(1, 1_000_000)]
    public int Interval { get; init; } = 20;

    [Description("Largest factor by which one adjustment changes the size, up or down")]
    [Range(1.0, 1000.0, MinimumIsExclusive = true)]
    public double MaxChange { get; init; } = 2;

    [Description("The size that is aimed at, as a multiple of the noise scale")]
    [Range(0.0, 1000.0, MinimumIsExclusive = true)]
    public double Multiple { get; init; } = 1;

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (MinSize > Size)
            yield return new ValidationResult($"is {MinSize}, but must be at most {Size}, the size that it begins with; lower it", [nameof(MinSize)]);
        if (MaxSize < Size)
            yield return new ValidationResult($"is {MaxSize}, but must be at least {Size}, the size that it begins with; raise it", [nameof(MaxSize)]);
    }
}

/// <summary>
/// The batch follows the gradient noise scale tr(Sigma) / |G|^2 (McCandlish et al. 2018, section 2.2), the size at which twice the samples
/// would save half of the steps' progress. Every interval steps it is set to a multiple of the estimate, within bounds of the size and of the change.
/// Where the gradient is lost in its noise (no positive estimate of |G|^2) the batch grows as far as one adjustment may go.
/// </summary>
public sealed class NoiseScaleBatch(NoiseScaleBatchOptions options) : IBatchStrategy
{
    public bool Varies => true;

    public bool IsForeseeable => false;

    public int Nominal(long trainCount) => options.Size;

    public BatchChoice Choose(in BatchPosition position, BatchState? before)
    {
        if (before is null) return new(options.Size, BatchReason.Start);
        if (position.Step % options.Interval != 0 || before.Noise.Scale is not { } scale) return new(before.Size, before.Reason);
        double wanted = options.Multiple * scale;
        var reason = BatchReason.NoiseScale;
        double least = before.Size / options.MaxChange, most = before.Size * options.MaxChange;
        if (!(wanted >= least && wanted <= most)) (wanted, reason) = (Math.Clamp(wanted, least, most), BatchReason.ChangeBound);
        double largest = Math.Min(position.TrainCount, options.MaxSize ?? Math.Max(options.Size, position.TrainCount / 10));
        if (wanted < options.MinSize) (wanted, reason) = (options.MinSize, BatchReason.Minimum);
        if (wanted > largest) (wanted, reason) = (largest, BatchReason.Maximum);
        return new((int)Math.Max(1, Math.Round(wanted)), reason);
    }
}
