using System.Collections.Immutable;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Batching;

/// <summary>Options of <c>batch: growing</c>.</summary>
public sealed record GrowingBatchOptions : IValidatableObject
{
    private const long UsualInterval = 5;

    [Description("Samples in the first batches, over all workers")]
    [Range(1, 10_000_000)]
    public int Size { get; init; } = 32;

    [Description("Factor of each growth: what a schedule would divide the learning rate by")]
    [Range(1.0, 1000.0, MinimumIsExclusive = true)]
    public double Factor { get; init; } = 2;

    [Description("Units between two growths")]
    [Range(1, long.MaxValue)]
    public long Every { get; init; } = UsualInterval;

    [Description("Units after which the batch grows, ascending, in place of every; [] = by every")]
    [Range(1, long.MaxValue)]
    public ImmutableArray<long> Milestones { get; init; } = [];

    [Description("What every and milestones count")]
    public ScheduleUnit Unit { get; init; } = ScheduleUnit.Epochs;

    [Description("Largest size; auto = a tenth of the training part, or size where that is more")]
    [NullName("auto")]
    [Range(1, 10_000_000)]
    public int? MaxSize { get; init; }

    [Description("Whether the learning rate falls by what the batch cannot grow any more")]
    public bool DecayAtMax { get; init; } = true;

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (MaxSize < Size)
            yield return new ValidationResult($"is {MaxSize}, but must be at least {Size}, the size that it begins with; raise it", [nameof(MaxSize)]);
        if (!Milestones.IsDefault && Milestones.Zip(Milestones.Skip(1)).Any(p => p.Second <= p.First))
            yield return new ValidationResult($"is [{string.Join(", ", Milestones)}], but must ascend", [nameof(Milestones)]);
        if (Every != UsualInterval && !Milestones.IsDefaultOrEmpty)
            yield return new ValidationResult($"is {Every}, but milestones stand in its place; leave one of them out", [nameof(Every)]);
    }
}

/// <summary>
/// Where a schedule would divide the learning rate by a factor, the batch grows by it (Smith et al. 2017): size * factor^n after n growths, rounded,
/// up to max_size. What remains of the growth from there on divides the learning rate, so that rate / batch, to which the noise of the updates
/// is proportional, falls as it would have.
/// </summary>
public sealed class GrowingBatch(GrowingBatchOptions options) : IBatchStrategy
{
    public bool Varies => true;

    public bool IsForeseeable => true;

    public int Nominal(long trainCount) => options.Size;

    public BatchChoice Choose(in BatchPosition position, BatchState? before)
    {
        long now = options.Unit == ScheduleUnit.Epochs ? position.Epoch : position.Step;
        long growths = options.Milestones.IsDefaultOrEmpty ? now / options.Every : options.Milestones.Count(m => m <= now);
        if (growths == 0) return new(options.Size, BatchReason.Start);
        long most = Math.Min(position.TrainCount, options.MaxSize ?? Math.Max(options.Size, position.TrainCount / 10));
        most = Math.Max(most, 1);
        double wanted = options.Size * Math.Pow(options.Factor, growths);
        if (Math.Round(wanted) <= most) return new((int)Math.Round(wanted), BatchReason.Growth);
        // a growth without end: the optimizer is told the smallest number, not 0 times infinity
        return new((int)most, BatchReason.Maximum) { RateFactor = options.DecayAtMax ? Math.Max(double.Epsilon, most / wanted) : 1 };
    }
}
