using System.Collections.Immutable;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Studies;

/// <summary>What trial schedulers and pruners know of their study before its first trial.</summary>
public sealed record StudyContext
{
    /// <summary>What is searched.</summary>
    public required SearchSpace Space { get; init; }

    /// <summary>One for each objective.</summary>
    public required ImmutableArray<Direction> Directions { get; init; }

    /// <summary>The study's random seed.</summary>
    public long Seed { get; init; }

    /// <summary>Resource (steps, epochs, samples, whatever reports count) after which a trial ends by itself; null = unknown.</summary>
    public long? TrialLength { get; init; }

    /// <summary>How many trials the study will have; null = no bound.</summary>
    public int? Trials { get; init; }

    /// <summary>Whether decisions must not depend on the order in which reports arrive.</summary>
    public bool IsDeterministic { get; init; }

    /// <summary>A value of the first objective with its sign such that less is better.</summary>
    public double Loss(double value) => Directions[0] == Direction.Maximize ? -value : value;

    /// <exception cref="SpecException">There are violations: all of them.</exception>
    internal static void Demand(IEnumerable<SpecViolation> violations)
    {
        if (violations.ToList() is { Count: > 0 } all) throw new SpecException(all);
    }
}
