using System.Collections.Immutable;

namespace DistOpt.Core.Studies;

/// <summary>A trial has come to a rung of its bracket.</summary>
/// <param name="Bracket">From 0.</param>
/// <param name="Resource">Where the rung lies.</param>
/// <param name="Trial">Its number.</param>
/// <param name="Value">What it reported there, or where it first was beyond.</param>
/// <param name="GoesOn">Whether it has reported more since, is on its way, or is complete.</param>
public readonly record struct RungVisit(int Bracket, long Resource, int Trial, double Value, bool GoesOn);

public sealed partial record StudyReading
{
    /// <summary>Resources of the rungs of each bracket of its trial scheduler, ascending; none where it has none.</summary>
    public ImmutableArray<ImmutableArray<long>> Brackets { get; init; } = [];

    /// <summary>Resources at which there are rungs, of all brackets, ascending.</summary>
    public ImmutableArray<long> Rungs => [.. Brackets.SelectMany(b => b).Distinct().Order()];

    /// <summary>
    /// Which trials have come to which rungs of their brackets, by trial and then by rung: as many as the trial scheduler counts there, those among them
    /// that have failed or were cancelled since. A trial is at a rung with its first report from there on.
    /// </summary>
    public IEnumerable<RungVisit> RungVisits()
    {
        foreach (var trial in All)
        {
            if (trial.Bracket >= Brackets.Length) continue;
            bool isOut = trial.State is TrialState.Pruned or TrialState.Paused or TrialState.Failed or TrialState.Cancelled;
            int at = 0;
            foreach (long rung in Brackets[trial.Bracket])
            {
                while (at < trial.Reports.Length && trial.Reports[at].Step < rung) at++;
                if (at == trial.Reports.Length) break;
                yield return new RungVisit(trial.Bracket, rung, trial.Number, trial.Reports[at].Value, !isOut || at < trial.Reports.Length - 1);
            }
        }
    }
}
