using System.Collections.Immutable;
using System.Globalization;
using DistOpt.Core.Runs;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Exchange;
using DistOpt.Core.Studies.Functions;

namespace DistOpt.Core.Studies;

/// <summary>What a study is to make better.</summary>
/// <param name="Metric">What it is called.</param>
/// <param name="Direction">Which values are better.</param>
/// <param name="Reference">From where a front's hypervolume is measured; null = a tenth beyond the worst value.</param>
public sealed record OutlinedObjective(string Metric, Direction Direction, double? Reference = null);

/// <summary>
/// What is to be known of a study to compare its trials, to explain it and to draw it: the same of one over training specs and of one over a function.
/// </summary>
public sealed record StudyOutline
{
    /// <summary>What it is called.</summary>
    public required string Name { get; init; }

    /// <summary>What it searches, in which all its trials are told.</summary>
    public required SearchSpace Space { get; init; }

    /// <summary>At least one.</summary>
    public required ImmutableArray<OutlinedObjective> Objectives { get; init; }

    /// <summary>Random seed.</summary>
    public required long Seed { get; init; }

    /// <summary>One of what reports count: epoch, step, sample, second.</summary>
    public required string Unit { get; init; }

    /// <summary>Runs of a configuration.</summary>
    public int Repeats { get; init; } = 1;

    /// <summary>A parameter's value, by its index in the space: null, bool, long, double or text.</summary>
    public required Func<int, double, object?> Value { get; init; }

    /// <summary>The same for people, as exactly as it is.</summary>
    public required Func<int, double, string> Show { get; init; }

    /// <summary>
    /// What its constraints on metrics are called, in the order of a trial's <see cref="TrialRecord.Constraints"/>; empty = they have no names.
    /// </summary>
    public ImmutableArray<string> Constraints { get; init; } = [];

    /// <summary>What a constraint is called: <c>constraint 0</c> and so on where they have no names.</summary>
    /// <param name="index">In a trial's <see cref="TrialRecord.Constraints"/>.</param>
    public string ConstraintName(int index) =>
        index < Constraints.Length ? Constraints[index] : string.Create(CultureInfo.InvariantCulture, $"constraint {index}");

    /// <summary>One for each objective.</summary>
    public ImmutableArray<Direction> Directions => [.. Objectives.Select(o => o.Direction)];

    /// <summary>Of a study over training specs.</summary>
    public static StudyOutline Of(StudySpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return new StudyOutline
        {
            Name = spec.Name,
            Space = spec.Space.Space,
            Objectives = [.. spec.Study.Objectives.Select(o => new OutlinedObjective(o.Metric, o.Direction ?? Direction.Minimize, o.Reference))],
            Seed = spec.Seed,
            Unit = RunJson.Name(spec.Study.Resource)[..^1],
            Repeats = spec.Study.Repeats,
            Constraints = ConstraintNames.Of(spec.Study),
            Value = spec.Space.Value,
            Show = spec.Space.Show,
        };
    }

    /// <summary>Of a study over a function. Its objectives have the names that they have in tables: <c>value</c>, or <c>values_0</c> and so on.</summary>
    /// <param name="name">What it is to be called.</param>
    /// <param name="study">What it searches.</param>
    /// <param name="space">The space in which its trials are told.</param>
    public static StudyOutline Of(string name, StudyDeclaration study, SearchSpace space)
    {
        ArgumentNullException.ThrowIfNull(study);
        ArgumentNullException.ThrowIfNull(space);
        return new StudyOutline
        {
            Name = name,
            Space = space,
            Objectives = [.. study.Directions.Select((d, i) => new OutlinedObjective(study.Directions.Length == 1 ? "value" : $"values_{i}", d))],
            Seed = study.Seed,
            Unit = "step",
            Repeats = study.Repeats,
            Value = (parameter, value) => ValueOf(space.Parameters[parameter].Domain, value),
            Show = (parameter, value) => ValueOf(space.Parameters[parameter].Domain, value) switch
            {
                null => "null",
                bool truth => truth ? "true" : "false",
                double number => number.ToString("R", CultureInfo.InvariantCulture),
                var other => Convert.ToString(other, CultureInfo.InvariantCulture)!,
            },
        };
    }

    private static object? ValueOf(Domain domain, double value) => domain switch
    {
        IntDomain => (long)value,
        ChoiceDomain choices => choices.Choices[(int)value],
        _ => value,
    };
}
