using System.Collections.Immutable;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Binding;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Importance;

/// <summary>What to look at.</summary>
public sealed record ExplanationOptions
{
    /// <summary>Share of the trials that count as the best, above 0 and below 1; but at least five trials, or half of fewer than ten.</summary>
    public double Quantile { get; init; } = 0.1;

    /// <summary>Compare trials by their reports at this step; null = by their values, or where most ended early as <see cref="ComparedTrials"/> says.</summary>
    public long? Step { get; init; }

    /// <summary>Names of the parameters to tell of; empty = all that are searched.</summary>
    public ImmutableArray<string> Parameters { get; init; } = [];
}

/// <summary>What one parameter has to do with an objective.</summary>
/// <param name="Parameter">Its index in the space.</param>
/// <param name="Variance">Share of the variance over the space that is its main effect (<see cref="Fanova"/>).</param>
/// <param name="Ped">Its share in what tells the best trials from all (<see cref="PedAnova"/>); all parameters add up to 1, or to 0 where nothing does; its
/// deviation over bootstrap samples of the trials.</param>
/// <param name="Region">Where the best trials have it.</param>
/// <param name="Change">The value that is estimated to gain most.</param>
public sealed record ParameterExplanation(int Parameter, Uncertain Variance, Uncertain Ped, ParameterRegion Region, EstimatedChange Change);

/// <summary>What two parameters do together beyond their main effects.</summary>
/// <param name="First">Index of the one.</param>
/// <param name="Second">Index of the other.</param>
/// <param name="Variance">Share of the variance over the space.</param>
public sealed record InteractionExplanation(int First, int Second, Uncertain Variance)
{
    /// <summary>Whether it is a share that one would care about and not only one tree's.</summary>
    public bool Matters => Variance.Mean >= 0.02 && Variance.Mean > Variance.Deviation;
}

/// <summary>What mattered to one objective of a study.</summary>
public sealed record ObjectiveExplanation
{
    /// <summary>What was compared.</summary>
    public required ComparedTrials Trials { get; init; }

    /// <summary>How many of them count as the best.</summary>
    public required int Best { get; init; }

    /// <summary>What the shares of the variance and the estimates come from.</summary>
    public required Fanova Forest { get; init; }

    /// <summary>How much of what the forest has not seen it explains (<see cref="Fanova.Fit"/>); null = not known.</summary>
    public double? Fit => Forest.Fit;

    /// <summary>The parameters, those that matter most first.</summary>
    public required ImmutableArray<ParameterExplanation> Parameters { get; init; }

    /// <summary>All pairs of them, those that matter most first.</summary>
    public required ImmutableArray<InteractionExplanation> Interactions { get; init; }

    /// <summary>What two trials that differ in one setting gained; null where no two do.</summary>
    public required ObservedChange? Observed { get; init; }

    /// <summary>The estimated change that gains most.</summary>
    public EstimatedChange Estimated => Parameters.MaxBy(p => p.Change.Gain.Mean)!.Change;
}

/// <summary>What mattered in a study, in numbers. The same trials and seed give the same numbers.</summary>
public static class StudyExplanation
{
    /// <summary>Trials that say anything.</summary>
    private const int TrialsMin = 2;

    /// <summary>Explains a study, objective by objective.</summary>
    /// <param name="study">The study.</param>
    /// <param name="trials">Those that have ended, and others as far as they have come.</param>
    /// <param name="options">What to look at.</param>
    /// <exception cref="SpecException">A parameter that is not in the space or not searched, a step or share that cannot be, too few trials.</exception>
    public static ImmutableArray<ObjectiveExplanation> Of(StudyOutline study, IReadOnlyList<TrialRecord> trials, ExplanationOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(study);
        ArgumentNullException.ThrowIfNull(trials);
        var given = options ?? new ExplanationOptions();
        var violations = new List<SpecViolation>();
        int[] parameters = ChosenParameters.Of(study, given.Parameters, violations);
        if (!(given.Quantile is > 0 and < 1))
            violations.Add(new SpecViolation("--quantile", FormattableString.Invariant($"is {given.Quantile}, but must be above 0 and below 1")));
        ComparedTrials[] compared = given.Step is { } step ? [ComparedTrials.At(study, trials, step)]
            : [.. Enumerable.Range(0, study.Objectives.Length).Select(i => ComparedTrials.Of(study, trials, i))];
        foreach (var objective in compared)
            if (Missing(objective, trials, given.Step) is { } missing) violations.Add(missing);
        if (violations.Count > 0) throw new SpecException(violations.Distinct());
        return [.. compared.Select(c => Of(c, parameters, study.Seed, given.Quantile))];
    }

    /// <summary>Explains one objective.</summary>
    /// <param name="trials">What is compared: at least two, not all with the same value.</param>
    /// <param name="parameters">Indices of the parameters to tell of, each of more than one value.</param>
    /// <param name="seed">Random seed.</param>
    /// <param name="quantile">Share of the trials that count as the best.</param>
    public static ObjectiveExplanation Of(ComparedTrials trials, IReadOnlyList<int> parameters, long seed, double quantile = 0.1)
    {
        ArgumentNullException.ThrowIfNull(trials);
        var (space, all) = (trials.Space, trials.Configurations);
        int least = all.Length < 10 ? (all.Length + 1) / 2 : 5, count = Math.Max(least, (int)Math.Ceiling(quantile * all.Length));
        var ranked = trials.Ranked.ToList();
        // those that tie with the last one are as good
        int[] ranks = Ranks(trials, ranked);
        var best = ranked.Where((_, i) => ranks[i] <= ranks[count - 1]).ToList();
        var forest = Fanova.Of(space, all, [.. trials.Trials.Select(t => t.Value)], seed);
        var ped = PedAnova.Shares(space, [.. ranked.Select(t => t.Parameters)], best.Count, seed, ranks);
        return new ObjectiveExplanation
        {
            Trials = trials,
            Best = best.Count,
            Forest = forest,
            Parameters = [.. parameters.Select(p => new ParameterExplanation(p, forest.Main[p], ped[p],
                ParameterRegion.Of(space, p, best.Select(t => t.Parameters), all), EstimatedChange.Of(forest, trials, p)))
                .OrderByDescending(p => p.Variance.Mean).ThenBy(p => p.Parameter)],
            Interactions = [.. parameters.SelectMany((a, i) => parameters.Skip(i + 1).Select(b => new InteractionExplanation(a, b, forest.Interaction(a, b))))
                .OrderByDescending(i => i.Variance.Mean).ThenBy(i => i.First).ThenBy(i => i.Second)],
            Observed = ObservedChange.Largest(trials),
        };
    }

    private static int[] Ranks(ComparedTrials trials, List<ComparedTrial> ranked)
    {
        int[] ranks = new int[ranked.Count];
        for (int i = 1; i < ranks.Length; i++)
        {
            bool ties = ranked[i].IsFeasible == ranked[i - 1].IsFeasible && trials.Loss(ranked[i].Value) == trials.Loss(ranked[i - 1].Value);
            ranks[i] = ties ? ranks[i - 1] : i;
        }
        return ranks;
    }

    private static SpecViolation? Missing(ComparedTrials objective, IReadOnlyList<TrialRecord> trials, long? step)
    {
        if (step is { } at && objective.Trials.Length < TrialsMin)
        {
            var steps = trials.SelectMany(t => t.Reports).GroupBy(r => r.Step).Where(g => g.Count() >= TrialsMin).Select(g => g.Key).Order().ToList();
            return new SpecViolation("--at", $"is {at}, where {objective.Trials.Length} trials have reported, but at least {TrialsMin} are needed; "
                + (steps.Count == 0 ? "no step has them" : $"such steps are {string.Join(", ", steps.Take(20))}{(steps.Count > 20 ? ", ..." : "")}"));
        }
        if (objective.Trials.Length < TrialsMin)
            return new SpecViolation("study", $"has {objective.Complete} complete trials with a finite {objective.Metric} of {trials.Count(t => t.HasEnded)} that have ended"
                + (objective.Failed > 0 ? $" ({objective.Failed} failed, {objective.Diverged} of them diverged)" : "") + ", "
                + $"but at least {TrialsMin} are needed; wait for more, or sweep again");
        return objective.Trials.All(t => t.Value == objective.Trials[0].Value)
            ? new SpecViolation("study", FormattableString.Invariant($"has {objective.Trials.Length} trials that all have {objective.Metric} {objective.Trials[0].Value}: there is nothing to explain"))
            : null;
    }
}

/// <summary>Parameters that a user names, or all that are searched.</summary>
public static class ChosenParameters
{
    /// <summary>Their indices, in the order in which they are named.</summary>
    /// <param name="study">The study.</param>
    /// <param name="names">Empty = all that have more than one value.</param>
    /// <param name="violations">Takes a violation for each name that is wrong.</param>
    public static int[] Of(StudyOutline study, IReadOnlyList<string> names, ICollection<SpecViolation> violations)
    {
        ArgumentNullException.ThrowIfNull(study);
        ArgumentNullException.ThrowIfNull(names);
        ArgumentNullException.ThrowIfNull(violations);
        var space = study.Space;
        if (names.Count == 0)
        {
            int[] searched = [.. Enumerable.Range(0, space.Count).Where(i => !space.Parameters[i].Domain.IsSingle)];
            if (searched.Length == 0) violations.Add(new SpecViolation("study", "searches no parameter that has more than one value"));
            return searched;
        }
        var chosen = new List<int>();
        foreach (string name in names)
        {
            int index = space.IndexOf(name);
            if (index < 0)
            {
                string nearest = FieldNames.Nearest(name, space.Parameters.Select(p => p.Name)) is { } near ? $"; did you mean '{near}'?"
                    : "; known are " + string.Join(", ", space.Parameters.Select(p => p.Name).Take(20));
                violations.Add(new SpecViolation("--params", $"'{name}' is no parameter of the space{nearest}"));
            }
            else if (space.Parameters[index].Domain.IsSingle) violations.Add(new SpecViolation("--params", $"'{name}' has only one value; leave it away"));
            else if (!chosen.Contains(index)) chosen.Add(index);
        }
        return [.. chosen];
    }
}
