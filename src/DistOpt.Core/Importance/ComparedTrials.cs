using System.Collections.Immutable;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Importance;

/// <summary>A trial with a value that can be compared with the others'.</summary>
/// <param name="Number">Its number.</param>
/// <param name="Parameters">NaN where one has no value.</param>
/// <param name="Value">Finite.</param>
/// <param name="IsFeasible">Whether it keeps to the study's constraints, as far as they are known.</param>
public sealed record ComparedTrial(int Number, ImmutableArray<double> Parameters, double Value, bool IsFeasible);

/// <summary>
/// The trials of a study that can be compared by one objective: the complete ones by their values. Where trials are ended or paused early most never become
/// complete, and those that do are the good ones, from whom little can be learned; then all that got to a step are compared by what they reported there.
/// </summary>
/// <param name="Space">What was searched.</param>
/// <param name="Metric">The objective.</param>
/// <param name="Direction">Which values are better.</param>
/// <param name="Step">By whose reports they are compared; null = by the values at their ends.</param>
/// <param name="Trials">By number.</param>
public sealed record ComparedTrials(SearchSpace Space, string Metric, Direction Direction, long? Step, ImmutableArray<ComparedTrial> Trials)
{
    /// <summary>Complete trials enough to compare them alone, for each parameter that is searched; and at least <see cref="EnoughMin"/>.</summary>
    private const int EnoughEach = 4;

    private const int EnoughMin = 10;

    /// <summary>How many complete trials the study has.</summary>
    public required int Complete { get; init; }

    /// <summary>How many complete trials would have been compared by their values.</summary>
    public required int Enough { get; init; }

    /// <summary>How many trials have failed: they have no value by which they could be compared.</summary>
    public required int Failed { get; init; }

    /// <summary>How many of those have diverged.</summary>
    public required int Diverged { get; init; }

    /// <summary>A value such that less is better.</summary>
    public double Loss(double value) => Direction.Loss(value);

    /// <summary>The configurations, one after the other.</summary>
    public ImmutableArray<ImmutableArray<double>> Configurations => [.. Trials.Select(t => t.Parameters)];

    /// <summary>Numbers of trials from the best: feasible before others, then by value, then by number.</summary>
    public IEnumerable<ComparedTrial> Ranked => Trials.OrderBy(t => !t.IsFeasible).ThenBy(t => Loss(t.Value)).ThenBy(t => t.Number);

    /// <summary>
    /// Complete trials by their values where there are enough of them (four for each parameter that is searched, at least ten), where no trial has ended early,
    /// or where no step was reached by more; else all trials that reported at the last step which enough of them reached (where none was: the first one that
    /// most reached). Only the first objective is reported. One that is paused counts as ended early; one that is under way only by what it has reported.
    /// </summary>
    /// <param name="study">The study.</param>
    /// <param name="trials">Those that have ended, and others as far as they have come.</param>
    /// <param name="objective">Which objective.</param>
    public static ComparedTrials Of(StudyOutline study, IReadOnlyList<TrialRecord> trials, int objective = 0)
    {
        var complete = AtEnd(study, trials, objective);
        if (objective > 0 || complete.Trials.Length >= complete.Enough || trials.All(t => t.State is not (TrialState.Pruned or TrialState.Paused)))
            return complete;
        var reached = trials.Where(IsInformative).SelectMany(t => t.Reports).Where(r => double.IsFinite(r.Value)).GroupBy(r => r.Step)
            .Select(g => (Step: g.Key, Count: g.Count())).OrderBy(r => r.Step).ToList();
        if (reached.Count == 0) return complete;
        int wanted = Math.Min(complete.Enough, reached.Max(r => r.Count));
        return wanted <= complete.Trials.Length ? complete : At(study, trials, reached.Last(r => r.Count >= wanted).Step);
    }

    /// <summary>Complete trials by their values.</summary>
    public static ComparedTrials AtEnd(StudyOutline study, IReadOnlyList<TrialRecord> trials, int objective = 0) =>
        Of(study, trials, objective, null, t => t.State == TrialState.Complete ? t.Values[objective] : double.NaN);

    /// <summary>All trials that reported at a step, by the first objective's value there, each with the parameters that it then had.</summary>
    public static ComparedTrials At(StudyOutline study, IReadOnlyList<TrialRecord> trials, long step) => Of(study, trials, 0, step, t =>
        IsInformative(t) && t.Reports.FirstOrDefault(r => r.Step == step, new Report(step, double.NaN)) is var report ? report.Value : double.NaN);

    private static ComparedTrials Of(StudyOutline study, IReadOnlyList<TrialRecord> trials, int objective, long? step, Func<TrialRecord, double> value)
    {
        ArgumentNullException.ThrowIfNull(study);
        ArgumentNullException.ThrowIfNull(trials);
        var space = study.Space;
        return new ComparedTrials(space, study.Objectives[objective].Metric, study.Objectives[objective].Direction, step,
            [.. trials.Select(t => new ComparedTrial(t.Number, step is { } at ? t.ParametersAt(at) : t.Parameters, value(t), t.KeepsConstraints))
                .Where(t => double.IsFinite(t.Value))])
        {
            Complete = trials.Count(t => t.State == TrialState.Complete),
            Failed = trials.Count(t => t.State == TrialState.Failed),
            Diverged = trials.Count(t => t is { State: TrialState.Failed, Cause: TrialEndCause.Diverged }),
            Enough = Math.Max(EnoughMin, EnoughEach * space.Parameters.Count(p => !p.Domain.IsSingle)),
        };
    }

    /// <summary>Whether its reports stand: what it reported at a step is true whatever becomes of it, unless it failed or was ended from outside.</summary>
    private static bool IsInformative(TrialRecord trial) => trial.State is not (TrialState.Failed or TrialState.Cancelled);
}
