using System.Collections.Immutable;
using System.Globalization;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Pruners;

/// <summary>
/// A pruner for each objective of a study, which end a trial together: only one that every pruner would end by its own objective, since a trial that
/// is good by any of them may belong to the Pareto front; or a pruner for one of them (<see cref="JudgingOptions.Objective"/>). With one objective it is that
/// pruner.
/// </summary>
public sealed class ObjectivePruners
{
    private readonly ImmutableArray<IPruner> _pruners;

    /// <summary>The place of the only objective by which is judged; null = each has a pruner.</summary>
    private readonly int? _only;
    private readonly int _objectives;

    /// <param name="factory">Of the catalogue.</param>
    /// <param name="options">The entry's options record.</param>
    /// <param name="context">The study, with one direction for each objective.</param>
    /// <exception cref="SpecException">The pruner cannot be used for the study.</exception>
    public ObjectivePruners(PrunerFactory factory, object options, StudyContext context)
    {
        if (options is JudgingOptions { Objective: { } name })
        {
            StudyContext.Demand(CheckObjective(name, context));
            _only = Place(name, context);
        }
        _objectives = context.Directions.Length;
        _pruners = [.. (_only is { } only ? [context.Directions[only]] : context.Directions).Select(d => factory(options, context with { Directions = [d] }))];
    }

    /// <summary>Why a pruner cannot be used for a study; nothing where it can.</summary>
    /// <param name="options">The entry's options record.</param>
    /// <param name="context">The study, with one direction for each objective.</param>
    public static IEnumerable<SpecViolation> Check(PrunerOptions options, StudyContext context)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(context);
        return (options is JudgingOptions { Objective: { } name } ? CheckObjective(name, context) : [])
            .Concat(options.Check(context with { Directions = [context.Directions[0]] }));
    }

    /// <summary>Why the pruner cannot go with a trial scheduler; nothing where it can.</summary>
    internal IEnumerable<SpecViolation> Check(ITrialScheduler scheduler)
    {
        if (!scheduler.ChangesParameters || !_pruners.Any(p => p.ComparesReports)) yield break;
        yield return new SpecViolation(PrunerOptions.Path, "compares a trial's reports with earlier ones, but the trial scheduler (pbt, pb2) lets trials go on from "
            + "others' weights, of which those say nothing; use threshold or none");
    }

    /// <inheritdoc cref="IPruner.IsOrderIndependent"/>
    public bool IsOrderIndependent => _pruners.All(p => p.IsOrderIndependent);

    /// <inheritdoc cref="IPruner.JudgesRuns"/>
    public bool JudgesRuns => _pruners.Any(p => p.JudgesRuns);

    /// <inheritdoc cref="IPruner.Report"/>
    /// <param name="trial">Its number.</param>
    /// <param name="step">At least 0.</param>
    /// <param name="values">One for each objective.</param>
    public void Report(int trial, long step, ReadOnlySpan<double> values)
    {
        Demand(values);
        for (int i = 0; i < _pruners.Length; i++) _pruners[i].Report(trial, step, values[_only ?? i]);
    }

    /// <inheritdoc cref="IPruner.ShouldPrune"/>
    public bool ShouldPrune(int trial)
    {
        bool all = true;
        // each is asked: a judgement may count at its rung
        foreach (var pruner in _pruners) all &= pruner.ShouldPrune(trial);
        return all;
    }

    /// <inheritdoc cref="IPruner.End"/>
    /// <param name="trial">Its number.</param>
    /// <param name="state">Complete, pruned or failed.</param>
    /// <param name="values">One for each objective where it is complete; else none.</param>
    public void End(int trial, TrialState state, ReadOnlySpan<double> values)
    {
        if (state == TrialState.Complete) Demand(values);
        for (int i = 0; i < _pruners.Length; i++) _pruners[i].End(trial, state, (_only ?? i) < values.Length ? values[_only ?? i] : double.NaN);
    }

    private void Demand(ReadOnlySpan<double> values)
    {
        if (values.Length != _objectives) throw new ArgumentException($"there are {values.Length} values for {_objectives} objectives", nameof(values));
    }

    private static int? Place(string objective, StudyContext context)
    {
        int place = context.Metrics.IndexOf(objective);
        if (place >= 0) return place;
        return int.TryParse(objective, NumberStyles.None, CultureInfo.InvariantCulture, out place) && place < context.Directions.Length ? place : null;
    }

    private static IEnumerable<SpecViolation> CheckObjective(string name, StudyContext context) => Place(name, context) is not null ? []
        : [new SpecViolation(PrunerOptions.Path + ".objective", $"is '{name}', which is no objective of the study; give one of "
            + string.Join(", ", context.Metrics.IsEmpty ? Enumerable.Range(0, context.Directions.Length).Select(i => $"{i}") : context.Metrics))];
}
