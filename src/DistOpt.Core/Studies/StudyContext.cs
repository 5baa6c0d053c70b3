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

    /// <summary>Constraints on parameters, which every configuration keeps to.</summary>
    public ImmutableArray<ParameterConstraint> Constraints { get; init; } = [];

    /// <summary>What the objectives are called, in the same order; empty = they have no names.</summary>
    public ImmutableArray<string> Metrics { get; init; } = [];

    /// <summary>The study's random seed.</summary>
    public long Seed { get; init; }

    /// <summary>Resource (steps, epochs, samples, whatever reports count) after which a trial ends by itself; null = unknown.</summary>
    public long? TrialLength { get; init; }

    /// <summary>How many trials the study will have; null = no bound.</summary>
    public int? Trials { get; init; }

    /// <summary>Runs of a configuration.</summary>
    public int Repeats { get; init; } = 1;

    /// <summary>Whether decisions must not depend on the order in which reports arrive.</summary>
    public bool IsDeterministic { get; init; }

    /// <summary>Whether trials define their parameters while they run; <see cref="Space"/> is empty then.</summary>
    public bool IsDefinedByRun { get; init; }

    /// <summary>What a study spec says of it.</summary>
    public static StudyContext Of(StudySpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return new StudyContext
        {
            Space = spec.Space.Space,
            Constraints = spec.Constraints,
            Directions = spec.Directions,
            Metrics = [.. spec.Study.Objectives.Select(o => o.Metric)],
            Seed = spec.Seed,
            TrialLength = LengthOf(spec),
            Trials = spec.Study.Trials,
            Repeats = spec.Study.Repeats,
            IsDeterministic = spec.Study.Deterministic,
        };
    }

    /// <summary>A value of the first objective with its sign such that less is better.</summary>
    public double Loss(double value) => Directions[0].Loss(value);

    /// <summary>The field of the training spec that says how long trials are.</summary>
    internal static string LengthPath(TrialResource resource) => resource switch
    {
        TrialResource.Epochs => "training.epochs",
        TrialResource.Steps => "stop.max_steps",
        TrialResource.Samples => "stop.max_samples",
        _ => "stop.max_seconds",
    };

    /// <summary>The length of a trial in what the study counts; null where it is not fixed, or one trial has another than the next.</summary>
    private static long? LengthOf(StudySpec spec)
    {
        var training = spec.Training;
        long? length = spec.Study.Resource switch
        {
            TrialResource.Epochs => training.Training.Epochs,
            TrialResource.Steps => training.Stop.MaxSteps,
            TrialResource.Samples => training.Stop.MaxSamples,
            _ => training.Stop.MaxSeconds is { } seconds ? (long)Math.Ceiling(seconds) : null,
        };
        int parameter = spec.Space.Space.IndexOf(LengthPath(spec.Study.Resource));
        return parameter < 0 || spec.Space.Space.Parameters[parameter] is { Domain.IsSingle: true, When: null } ? length : null;
    }

    /// <exception cref="SpecException">There are violations: all of them.</exception>
    internal static void Demand(IEnumerable<SpecViolation> violations)
    {
        if (violations.ToList() is { Count: > 0 } all) throw new SpecException(all);
    }
}
