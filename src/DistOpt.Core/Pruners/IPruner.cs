using System.ComponentModel;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Pruners;

/// <summary>
/// Decides whether a trial ends early. An instance belongs to one study, and is called by one thread at a time; the same calls give the same
/// decisions, so that a study that has been interrupted gives a new instance the calls of its journal. Steps are counts of anything: training
/// steps, epochs, folds.
/// </summary>
public interface IPruner
{
    /// <summary>Whether a trial is judged by its own reports alone, so that the order of other trials' reports does not matter.</summary>
    bool IsOrderIndependent { get; }

    /// <summary>
    /// Whether it compares runs of a configuration and not what a run reports on its way: then its steps are runs, from 0, and it is asked after each but the
    /// last.
    /// </summary>
    bool JudgesRuns => false;

    /// <summary>
    /// Whether a report is compared with earlier ones, of the same trial or of others: beside a trial scheduler that lets trials go on from others' weights,
    /// those from before would be taken for what these weights are worth.
    /// </summary>
    bool ComparesReports => true;

    /// <summary>A trial has reported. Of several reports at one step the first one counts.</summary>
    /// <param name="trial">Its number.</param>
    /// <param name="step">At least 0.</param>
    /// <param name="value">As it is measured; may be NaN.</param>
    void Report(int trial, long step, double value);

    /// <summary>Whether the trial should end, by its reports so far. False where it has reported nothing, or has ended.</summary>
    bool ShouldPrune(int trial);

    /// <summary>A trial has ended, in whatever way. Twice is as once.</summary>
    /// <param name="trial">Its number.</param>
    /// <param name="state">Complete, pruned or failed.</param>
    /// <param name="value">Its value where it is complete and feasible, else NaN.</param>
    void End(int trial, TrialState state, double value = double.NaN);
}

/// <summary>Options of a pruner, which know for which studies they are possible.</summary>
public abstract record PrunerOptions
{
    internal const string Path = "study.pruner";

    /// <summary>Why the pruner cannot be used for a study; nothing where it can.</summary>
    public virtual IEnumerable<SpecViolation> Check(StudyContext context) => [];

    /// <summary>That there is one objective, and that the order of reports may matter.</summary>
    private protected static IEnumerable<SpecViolation> CheckOthers(StudyContext context, string name)
    {
        foreach (var violation in CheckObjectives(context, name)) yield return violation;
        if (context.IsDeterministic)
            yield return new SpecViolation(Path, $"is {name}, which depends on the order of reports, but the study is deterministic; use threshold or none");
    }

    private protected static IEnumerable<SpecViolation> CheckObjectives(StudyContext context, string name) => context.Directions.Length == 1 ? []
        : [new SpecViolation(Path, $"is {name}, which judges trials by one objective, but the study has {context.Directions.Length}; use none")];
}

/// <summary>Options of a pruner that judges trials by their reports.</summary>
public abstract record JudgingOptions : PrunerOptions
{
    [Description("Of several objectives the one by which it judges, by its metric or its place from 0; null = by each, and only a trial that it would end by all is ended")]
    public string? Objective { get; init; }
}

/// <summary>Options of <c>none</c>: there are none.</summary>
public sealed record NoPrunerOptions : PrunerOptions;

/// <summary>Every trial goes to its end.</summary>
public sealed class NoPruner : IPruner
{
    public bool IsOrderIndependent => true;

    public bool ComparesReports => false;

    public void Report(int trial, long step, double value) { }

    public bool ShouldPrune(int trial) => false;

    public void End(int trial, TrialState state, double value = double.NaN) { }
}
