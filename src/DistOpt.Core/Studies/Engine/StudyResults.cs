using System.Collections.Immutable;
using DistOpt.Core.MultiObjective;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Studies.Engine;

/// <summary>A complete trial.</summary>
/// <param name="Number">Its number.</param>
/// <param name="Parameters">With which it ended; NaN where one has no value.</param>
/// <param name="Values">One for each objective.</param>
public sealed record TrialResult(int Number, ImmutableArray<double> Parameters, ImmutableArray<double> Values)
{
    /// <summary>Of the space that it was drawn from.</summary>
    public int SpaceVersion { get; init; }

    /// <summary>Its parameters in that space; <see cref="Parameters"/> are in the one in force.</summary>
    public ImmutableArray<double> Own
    {
        get => field.IsDefault ? Parameters : field;
        init;
    }
}

/// <summary>What the trials that have ended add up to. Of equal values that of the lowest number is the best, in whatever order they end.</summary>
internal sealed class StudyResults(ImmutableArray<Direction> directions, StudyStopSection stop)
{
    private readonly int[] _counts = new int[Enum.GetValues<TrialState>().Length];
    private readonly List<(TrialResult Result, double[] Losses)> _front = [];
    private double _improvedTo = double.PositiveInfinity;
    private int _withoutImprovement;
    private int _failuresInRow;

    public int this[TrialState state] => _counts[(int)state];

    /// <summary>The feasible trial with the best value; null while there is none, and with several objectives.</summary>
    public TrialResult? Best => directions.Length == 1 && _front.Count > 0 ? _front[0].Result : null;

    /// <summary>The feasible trials that no other one dominates, by number; with one objective the best one.</summary>
    public ImmutableArray<TrialResult> Front => [.. _front.Select(f => f.Result).OrderBy(r => r.Number)];

    /// <summary>
    /// With several objectives, for each the worst finite value of any feasible trial, infinite where none is finite; empty while there is none.
    /// </summary>
    public ImmutableArray<double> Worst { get; private set; } = [];

    /// <summary>What ends the study by its results.</summary>
    public StudyStopReason? Stop { get; private set; }

    /// <summary>The trial that has failed last; null = none has.</summary>
    public TrialFailure? LastFailure { get; private set; }

    /// <summary>What was last foreseen; null = nothing yet.</summary>
    public StudyEvent.ImprovementForeseen? Foreseen { get; private set; }

    /// <summary>Whether the model of all complete trials is to be asked now.</summary>
    public bool IsToBeForeseen => Stop is null && stop.ExpectedImprovement is { } rule && this[TrialState.Complete] is var complete
        && complete >= (Foreseen is { } last ? last.Complete + rule.EveryTrials : rule.MinTrials);

    public void Foresee(StudyEvent.ImprovementForeseen foreseen)
    {
        Foreseen = foreseen;
        if (stop.ExpectedImprovement is { } rule && foreseen.Improvement <= rule.AtMost) Stop ??= StudyStopReason.ExpectedImprovement;
    }

    /// <summary>A trial counts that has come to a rung: not all of them fail.</summary>
    public void Pause() => Forgive();

    /// <summary>What has failed in a row counts no more: something else has not, or whoever has mended it goes on.</summary>
    public void Forgive()
    {
        _failuresInRow = 0;
        if (Stop == StudyStopReason.Failures) Stop = null;
    }

    public void Add(StudyEvent.Ended end, LiveTrial trial)
    {
        _counts[(int)end.State]++;
        if (end.State == TrialState.Failed)
        {
            LastFailure = new TrialFailure(end.Trial, end.Cause, end.Error);
            if (++_failuresInRow >= stop.MaxFailures) Stop ??= StudyStopReason.Failures;
        }
        else if (end.State is TrialState.Complete or TrialState.Pruned) Forgive();
        bool isFeasible = end.State == TrialState.Complete && StudyTrial.ViolationOf(end.Constraints.AsSpan()) == 0;
        if (isFeasible) Offer(new TrialResult(end.Trial, trial.Parameters, end.Values) { SpaceVersion = trial.SpaceVersion, Own = trial.Own });
        // those that ended with the study did not end by what they were worth: it may go on with more trials
        if (directions.Length > 1 || end.State is not (TrialState.Complete or TrialState.Pruned) || end.Cause == TrialEndCause.NotPromoted) return;
        double loss = isFeasible ? Loss(end.Values[0], 0) : double.PositiveInfinity;
        if (stop.Target is { } target && isFeasible && loss <= Loss(target, 0)) Stop ??= StudyStopReason.Target;
        if (stop.Patience is not { } patience) return;
        if (loss < _improvedTo - patience.MinDelta) (_improvedTo, _withoutImprovement) = (loss, 0);
        else _withoutImprovement++;
        if (_withoutImprovement >= patience.Trials) Stop ??= StudyStopReason.Patience;
    }

    public void Widen(SpaceWidening widening)
    {
        for (int i = 0; i < _front.Count; i++)
        {
            var (result, losses) = _front[i];
            _front[i] = (result with { Own = result.Own, Parameters = widening.Map(result.Parameters.AsSpan()) }, losses);
        }
    }

    private double Loss(double value, int objective) => directions[objective].Loss(value);

    /// <summary>Infinite values say nothing of how far values go: any other one takes their place.</summary>
    private bool IsWorse(double value, double worst, int objective) =>
        double.IsFinite(value) && (!double.IsFinite(worst) || Loss(value, objective) > Loss(worst, objective));

    /// <summary>A feasible trial is complete.</summary>
    internal void Offer(TrialResult result)
    {
        // as files of earlier versions had infinite ones
        if (result.Values.Any(double.IsNaN)) return;
        if (directions.Length == 1 && _front.Count > 0)
        {
            double loss = Loss(result.Values[0], 0), best = _front[0].Losses[0];
            if (loss < best || (loss == best && result.Number < _front[0].Result.Number)) _front[0] = (result, [loss]);
            return;
        }
        var values = result.Values;
        if (directions.Length > 1)
            Worst = Worst.IsEmpty ? values : [.. Worst.Select((w, i) => IsWorse(values[i], w, i) ? values[i] : w)];
        double[] losses = [.. values.Select(Loss)];
        foreach (var (_, other) in _front)
            if (Domination.Dominates(other, losses)) return;
        _front.RemoveAll(f => Domination.Dominates(losses, f.Losses));
        _front.Add((result, losses));
    }
}
