using System.Collections.Immutable;
using DistOpt.Core.MultiObjective;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Studies;

/// <summary>A complete trial and where it stands among the others.</summary>
/// <param name="Trial">The trial.</param>
/// <param name="Front">With several objectives, from 1: by how many fronts it is dominated, and one more; null = it misses a constraint.</param>
public sealed record RankedTrial(TrialRecord Trial, int? Front);

public sealed partial record StudyReading
{
    /// <summary>
    /// Complete trials from the best: those that are feasible front by front (non-dominated sorting, Deb et al. 2002), in a front by number; of one objective
    /// by value, which comes to the same; then those that miss constraints, from the one that misses them by the least.
    /// </summary>
    /// <param name="most">How many are wanted.</param>
    public ImmutableArray<RankedTrial> Ranked(int most)
    {
        var directions = Outline.Directions;
        var complete = Ended.Where(t => t.State == TrialState.Complete && !t.Values.Any(double.IsNaN)).ToLookup(t => t.KeepsConstraints);
        TrialRecord[] feasible = [.. complete[true].OrderBy(t => t.Number)];
        double[][] losses = [.. feasible.Select(t => (double[])[.. t.Values.Select((v, i) => directions[i].Loss(v))])];
        // each value of one objective is a front of its own: to sort them is quicker
        var fronts = directions.Length > 1 ? Domination.FirstFronts(losses, most)
            : [.. Enumerable.Range(0, feasible.Length).OrderBy(i => losses[i][0]).ThenBy(i => i).Take(most).GroupBy(i => losses[i][0]).Select(g => g.ToList())];
        var ranked = fronts.SelectMany((front, rank) => front.Select(i => new RankedTrial(feasible[i], rank + 1)));
        var infeasible = complete[false].OrderBy(t => StudyTrial.ViolationOf(t.Constraints.AsSpan())).ThenBy(t => t.Number)
            .Select(t => new RankedTrial(t, null));
        return [.. ranked.Concat(infeasible).Take(most)];
    }
}
