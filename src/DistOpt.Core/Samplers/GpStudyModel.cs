using System.Collections.Immutable;
using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Samplers;

/// <summary>
/// What the complete trials of a study say of configurations that were not tried: a <see cref="GaussianProcess"/> of the first objective and one of each
/// constraint, over the parameters that always have a value, fitted anew each time. Time grows with the cube of the number of trials.
/// </summary>
internal sealed class GpStudyModel
{
    private readonly GpAcquisition _acquisition;
    private readonly AcquisitionSearch _search;
    private readonly double[] _best;

    /// <param name="space">The study's.</param>
    /// <param name="losses">Of the complete trials: less is better.</param>
    /// <param name="complete">At least one trial.</param>
    /// <param name="pending">Trials whose values are not known.</param>
    /// <param name="fantasies">As <see cref="GpAcquisition"/> takes them, one element for each pending trial.</param>
    /// <param name="mayBeBest">Whether a trial is one to improve on; null = every feasible one is.</param>
    public GpStudyModel(SearchSpace space, double[] losses, StudyTrial[] complete, StudyTrial[] pending, double[][] fantasies,
        Func<StudyTrial, bool>? mayBeBest = null)
    {
        Parameters = Modelled(space);
        Domains = [.. Parameters.Select(p => space.Parameters[p].Domain.Searched)];
        double[][] points = [.. complete.Select(PointOf)];
        bool[] isChoice = [.. Domains.Select(d => !d.IsNumeric)];

        double[] scores = Standardize([.. losses.Select(l => -l)], out _, out double deviation);
        Deviation = deviation;
        var objective = Condition([.. points, .. pending.Select(PointOf)], scores, Fit(points, scores));
        var constraints = Constraints();
        double? most = null;
        int best = 0;
        for (int i = 0; i < complete.Length; i++)
        {
            if (mayBeBest is not null && !mayBeBest(complete[i])) continue;
            if (complete[i].Violation == 0 && !(scores[i] <= most)) (most, best) = (scores[i], i);
            else if (most is null && complete[i].Violation < complete[best].Violation) best = i;
        }
        (HasBest, _best) = (most is not null, points[best]);
        _acquisition = new GpAcquisition(objective, most, fantasies, constraints);
        _search = new AcquisitionSearch(Domains, objective.Hyper.Inverse, (at, gradient) => _acquisition.At(at, gradient),
            (at, values) => _acquisition.AtMany(at, values));

        double[] PointOf(StudyTrial trial) =>
            [.. Parameters.Select((p, j) => Domains[j] is ChoiceDomain ? trial.Parameters[p] : Domains[j].ToUnit(trial.Parameters[p]))];

        GaussianProcess.Hyperparameters Fit(double[][] at, double[] seen) => GaussianProcess.Fit(at, seen, isChoice);

        GaussianProcess Condition(double[][] at, double[] seen, GaussianProcess.Hyperparameters hyper) =>
            GaussianProcess.Condition(at, seen, isChoice, hyper)
            ?? GaussianProcess.Condition(at, seen, isChoice, GaussianProcess.Hyperparameters.Default(isChoice.Length))
            ?? throw new InvalidOperationException($"the kernel of {at.Length} points has no Cholesky factor under any hyperparameters");

        (GaussianProcess Model, double Limit)[] Constraints()
        {
            int count = complete.Max(t => t.Constraints.Length);
            var known = complete.Zip(points).Where(t => t.First.Constraints.Length == count).ToList();
            double[][] at = [.. known.Select(t => t.Second)];
            return [.. Enumerable.Range(0, count).Select(c =>
            {
                double[] seen = Standardize([.. known.Select(t => t.First.Constraints[c])], out double zero, out double _);
                return (Condition(at, seen, Fit(at, seen)), zero);
            })];
        }
    }

    /// <summary>Places in the space of the parameters that it is about.</summary>
    public int[] Parameters { get; }

    /// <summary>Their domains; of choices in an order those of their indices.</summary>
    public ImmutableArray<Domain> Domains { get; }

    /// <summary>Deviation of the objective's values: what its standardized values are counted in.</summary>
    public double Deviation { get; }

    /// <summary>Whether a feasible trial is there to improve on.</summary>
    public bool HasBest { get; }

    /// <summary>The parameters that always have a value, and more than one.</summary>
    public static int[] Modelled(SearchSpace space) =>
        [.. Enumerable.Range(0, space.Count).Where(i => space.Parameters[i] is { When: null, Domain.IsSingle: false })];

    /// <summary>The point of the greatest acquisition value: numbers on their domains' scales from 0 to 1, choices by index.</summary>
    /// <inheritdoc cref="AcquisitionSearch.Maximize"/>
    public double[] Maximize(long seed, int number, ref CounterRandom random) => _search.Maximize(_best, seed, number, ref random);

    /// <summary>The logarithm of the expected improvement there, of standardized values, and of the probability that the constraints hold.</summary>
    public double LogImprovement(double[] point) => _acquisition.At(point, []);

    /// <summary>Mean 0 and deviation 1, after infinite values (NaN as the worst) were put to the ends of the finite ones; and where 0 comes to lie.</summary>
    private static double[] Standardize(double[] values, out double zero, out double deviation)
    {
        double least = double.PositiveInfinity, most = double.NegativeInfinity, sum = 0, squares = 0;
        foreach (double value in values)
            if (double.IsFinite(value)) (least, most) = (Math.Min(least, value), Math.Max(most, value));
        double[] finite = new double[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            finite[i] = least > most ? 0 : double.IsNaN(values[i]) ? least : Math.Clamp(values[i], least, most);
            sum += finite[i];
        }
        double mean = sum / finite.Length;
        foreach (double value in finite) squares += (value - mean) * (value - mean);
        deviation = Math.Max(1e-10, Math.Sqrt(squares / finite.Length));
        for (int i = 0; i < finite.Length; i++) finite[i] = (finite[i] - mean) / deviation;
        zero = -mean / deviation;
        return finite;
    }
}
