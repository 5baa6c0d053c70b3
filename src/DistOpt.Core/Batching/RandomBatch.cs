using System.Collections.Immutable;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Batching;

/// <summary>Options of <c>batch: random</c>.</summary>
public sealed record RandomBatchOptions : IValidatableObject
{
    private const int UsualMin = 16;
    private const int UsualMax = 64;

    [Description("Smallest size that is drawn")]
    [Range(1, 10_000_000)]
    public int Min { get; init; } = UsualMin;

    [Description("Largest size that is drawn")]
    [Range(1, 10_000_000)]
    public int Max { get; init; } = UsualMax;

    [Description("Sizes to draw from, each as likely as the others, in place of all from min to max; [] = those")]
    [Range(1, 10_000_000)]
    [MaxLength(1000)]
    public ImmutableArray<int> Sizes { get; init; } = [];

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (!Sizes.IsDefaultOrEmpty)
        {
            if (Min != UsualMin) yield return InPlace(Min, nameof(Min));
            if (Max != UsualMax) yield return InPlace(Max, nameof(Max));
        }
        else if (Min > Max)
        {
            yield return new ValidationResult($"is {Min}, but must be at most {Max}, the max; lower it or raise max", [nameof(Min)]);
        }

        static ValidationResult InPlace(int value, string name) =>
            new($"is {value}, but sizes stand in the place of min and max; leave it or sizes out", [name]);
    }
}

/// <summary>
/// A size drawn anew for every step with the stream (seed, BatchSize, step), so that it depends on nothing that came before. Time in steps counts
/// as many samples as the mean size has.
/// </summary>
public sealed class RandomBatch(RandomBatchOptions options) : IBatchStrategy
{
    public bool Varies => true;

    public bool IsForeseeable => true;

    public int Nominal(long trainCount) => options.Sizes.IsDefaultOrEmpty ? (int)(((long)options.Min + options.Max + 1) / 2)
        : (int)Math.Max(1, Math.Round(options.Sizes.Average()));

    public BatchChoice Choose(in BatchPosition position, BatchState? before)
    {
        var random = new CounterRandom(position.Seed, RandomPurpose.BatchSize, position.Step);
        int size = options.Sizes.IsDefaultOrEmpty ? (int)(options.Min + random.NextInt64((long)options.Max - options.Min + 1))
            : options.Sizes[(int)random.NextInt64(options.Sizes.Length)];
        return new(size, BatchReason.Random);
    }
}
