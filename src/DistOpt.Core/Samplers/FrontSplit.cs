using DistOpt.Core.MultiObjective;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Samplers;

/// <summary>
/// The good trials of a study with several objectives, as Optuna's TPESampler splits them (Ozaki et al., "Multiobjective Tree-Structured Parzen Estimator",
/// JAIR 73, 2022): of feasible complete trials whole fronts while they fit, of the front that does not those that dominate the most together
/// (<see cref="HypervolumeSubset"/>, up to a reference point of that front's own worst values); then pruned and paused ones, and infeasible ones by how much
/// they miss, in the order of the ranking. What was split last is kept: of a study whose trials define their parameters it is asked for with each of them.
/// </summary>
internal sealed class FrontSplit
{
    /// <summary>Of trials that are good without a volume.</summary>
    private const double LeastWeight = 1e-12;

    private StudyHistory? _history;
    private (int Ended, int Bracket) _at;
    private int[] _complete = [];
    private int[] _chosen = [];

    /// <summary>The best trials, by number.</summary>
    /// <param name="history">Those that there are.</param>
    /// <param name="ranking">Trials that can be compared, feasible complete ones first.</param>
    /// <param name="count">How many, at most as many as are in the ranking.</param>
    public ReadOnlySpan<int> Best(StudyHistory history, ReadOnlySpan<int> ranking, int count)
    {
        int complete = 0;
        while (complete < ranking.Length && IsFeasible(history.Trials[ranking[complete]])) complete++;
        if (count >= complete) return ranking[..count];
        // who is complete, of a bracket, changes only where one ends
        if (history == _history && _at == (history.Ended.Length, history.Bracket) && _chosen.Length == count) return _chosen;
        (_history, _at) = (history, (history.Ended.Length, history.Bracket));
        _complete = ranking[..complete].ToArray();
        Array.Sort(_complete);
        double[][] losses = [.. _complete.Select(number => Losses(history, number))];
        var chosen = new List<int>(count);
        foreach (var front in Domination.FirstFronts(losses, count))
        {
            int left = count - chosen.Count;
            if (front.Count <= left)
            {
                chosen.AddRange(front);
                continue;
            }
            double[][] points = [.. front.Select(i => losses[i])];
            chosen.AddRange(HypervolumeSubset.Choose(points, left, HypervolumeSubset.ReferenceOf(points)).Select(i => front[i]));
        }
        return _chosen = [.. chosen.Select(i => _complete[i]).Order()];
    }

    /// <summary>
    /// What each good trial counts by the volume that it adds to the others of their front, as in Optuna up to version 4: 1 = as much as the one that adds the
    /// most. At least 1e-12, which also those have that are dominated, infeasible or not complete; where volumes are infinite all on the front count the same.
    /// </summary>
    /// <param name="history">Where they are.</param>
    /// <param name="good">Their numbers.</param>
    public static double[] Weights(StudyHistory history, ReadOnlySpan<int> good)
    {
        double[] weights = new double[good.Length];
        Array.Fill(weights, LeastWeight);
        List<int> places = [];
        for (int i = 0; i < good.Length; i++)
            if (IsFeasible(history.Trials[good[i]])) places.Add(i);
        if (places.Count == 0) return weights;
        var points = new List<double[]>(places.Count);
        foreach (int place in places) points.Add(Losses(history, good[place]));
        var front = Domination.FirstFronts(points, 1)[0];
        double[] added = HypervolumeSubset.Contributions([.. front.Select(i => points[i])], HypervolumeSubset.ReferenceOf(points));
        double most = Math.Max(LeastWeight, added.Max());
        for (int i = 0; i < added.Length; i++) weights[places[front[i]]] = double.IsFinite(most) ? Math.Max(LeastWeight, added[i] / most) : 1;
        return weights;
    }

    private static bool IsFeasible(StudyTrial trial) => trial.State == TrialState.Complete && trial.Violation == 0;

    private static double[] Losses(StudyHistory history, int number)
    {
        double[] losses = new double[history.Directions.Length];
        for (int k = 0; k < losses.Length; k++)
        {
            double loss = history.Loss(history.Trials[number], k);
            losses[k] = double.IsNaN(loss) ? double.PositiveInfinity : loss;
        }
        return losses;
    }
}
