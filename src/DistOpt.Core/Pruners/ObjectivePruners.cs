using System.Collections.Immutable;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Pruners;

/// <summary>
/// A pruner for each objective of a study, which end a trial together: only one that every pruner would end by its own objective, since a trial that
/// is good by any of them may belong to the Pareto front. With one objective it is that pruner.
/// </summary>
public sealed class ObjectivePruners
{
    private readonly ImmutableArray<IPruner> _pruners;

    /// <param name="factory">Of the catalogue.</param>
    /// <param name="options">The entry's options record.</param>
    /// <param name="context">The study, with one direction for each objective.</param>
    /// <exception cref="SpecException">The pruner cannot be used for the study.</exception>
    public ObjectivePruners(PrunerFactory factory, object options, StudyContext context) =>
        _pruners = [.. context.Directions.Select(direction => factory(options, context with { Directions = [direction] }))];

    /// <inheritdoc cref="IPruner.IsOrderIndependent"/>
    public bool IsOrderIndependent => _pruners.All(p => p.IsOrderIndependent);

    /// <inheritdoc cref="IPruner.Report"/>
    /// <param name="trial">Its number.</param>
    /// <param name="step">At least 0.</param>
    /// <param name="values">One for each objective.</param>
    public void Report(int trial, long step, ReadOnlySpan<double> values)
    {
        Demand(values);
        for (int i = 0; i < _pruners.Length; i++) _pruners[i].Report(trial, step, values[i]);
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
        for (int i = 0; i < _pruners.Length; i++) _pruners[i].End(trial, state, i < values.Length ? values[i] : double.NaN);
    }

    private void Demand(ReadOnlySpan<double> values)
    {
        if (values.Length != _pruners.Length) throw new ArgumentException($"there are {values.Length} values for {_pruners.Length} objectives", nameof(values));
    }
}
