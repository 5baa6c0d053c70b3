using System.Collections.Immutable;
using DistOpt.Core.MultiObjective;
using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Samplers;

/// <summary>
/// What the complete trials of a study say of configurations that were not tried: a <see cref="GaussianProcess"/> of each objective and of each
/// constraint, over the parameters that always have a value, fitted anew each time. Time grows with the cube of the number of trials.
/// </summary>
internal sealed class GpStudyModel
{
    /// <summary>Points of a front that are gone on from.</summary>
    private const int MostOfFront = AcquisitionSearch.Starts / 2;

    private readonly GpAcquisition _acquisition;
    private readonly AcquisitionSearch _search;
    private readonly double[][] _best;

    /// <param name="space">The study's.</param>
    /// <param name="losses">For each objective those of the complete trials: less is better.</param>
    /// <param name="complete">At least one trial.</param>
    /// <param name="pending">Trials whose values are not known.</param>
    /// <param name="normals">
    /// Standard normal vectors. Of one objective as <see cref="GpExpectedImprovement"/> takes them, one element for each pending trial; of several ones one
    /// for each pending trial and another one, for each objective.
    /// </param>
    /// <param name="mayBeBest">Whether a trial is one to improve on; null = every feasible one is.</param>
    public GpStudyModel(SearchSpace space, double[][] losses, StudyTrial[] complete, StudyTrial[] pending, double[][] normals,
        Func<StudyTrial, bool>? mayBeBest = null)
    {
        Parameters = Modelled(space);
        Domains = [.. Parameters.Select(p => space.Parameters[p].Domain.Searched)];
        double[][] points = [.. complete.Select(PointOf)];
        bool[] isChoice = [.. Domains.Select(d => !d.IsNumeric)];

        double[][] all = [.. points, .. pending.Select(PointOf)], scores = new double[losses.Length][];
        var objectives = new GaussianProcess[losses.Length];
        for (int k = 0; k < losses.Length; k++)
        {
            scores[k] = Standardize([.. losses[k].Select(l => -l)], out _, out double deviation);
            if (k == 0) Deviation = deviation;
            objectives[k] = Condition(all, scores[k], Fit(points, scores[k]));
        }
        var constraints = Constraints();
        int[] judged = [.. Enumerable.Range(0, complete.Length).Where(i => mayBeBest is null || mayBeBest(complete[i]))];
        int[] feasible = [.. judged.Where(i => complete[i].Violation == 0)];
        HasBest = feasible.Length > 0;
        IGpImprovement? improvement = null;
        if (!HasBest)
        {
            int nearest = 0;
            foreach (int i in judged)
                if (complete[i].Violation < complete[nearest].Violation) nearest = i;
            _best = [points[nearest]];
        }
        else if (losses.Length == 1)
        {
            int best = feasible.MaxBy(i => scores[0][i]);
            _best = [points[best]];
            improvement = new GpExpectedImprovement(objectives[0], scores[0][best], normals);
        }
        else
        {
            double[][] worth = [.. feasible.Select(i => scores.Select(s => -s[i]).ToArray())];
            _best = [.. Domination.FirstFronts(worth, 1)[0].Select(i => points[feasible[i]])];
            improvement = new GpHypervolumeImprovement(objectives, worth, normals);
        }
        _acquisition = new GpAcquisition(improvement, constraints);
        _search = new AcquisitionSearch(Domains, InverseScales(objectives), (at, gradient) => _acquisition.At(at, gradient),
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

    /// <summary>Deviation of the first objective's values: what its standardized values are counted in.</summary>
    public double Deviation { get; }

    /// <summary>Whether a feasible trial is there to improve on.</summary>
    public bool HasBest { get; }

    /// <summary>The parameters that always have a value, and more than one.</summary>
    public static int[] Modelled(SearchSpace space) =>
        [.. Enumerable.Range(0, space.Count).Where(i => space.Parameters[i] is { When: null, Domain.IsSingle: false })];

    /// <summary>The point of the greatest acquisition value: numbers on their domains' scales from 0 to 1, choices by index.</summary>
    /// <inheritdoc cref="AcquisitionSearch.Maximize"/>
    public double[] Maximize(long seed, int number, ref CounterRandom random)
    {
        // of a front some of its points, as likely as the others
        double[][] best = [.. _best];
        int count = Math.Min(best.Length, MostOfFront);
        for (int i = 0; i < count && count < best.Length; i++)
        {
            int chosen = i + random.NextInt(best.Length - i);
            (best[i], best[chosen]) = (best[chosen], best[i]);
        }
        return _search.Maximize(best[..count], seed, number, ref random);
    }

    /// <summary>
    /// The logarithm of the expected improvement there, of standardized values (of several objectives that of the hypervolume), and of the probability that
    /// the constraints hold.
    /// </summary>
    public double LogImprovement(double[] point) => _acquisition.At(point, []);

    /// <summary>Of several objectives from the mean of the length scales, as Optuna's <c>_gp/acqf.py</c>.</summary>
    private static double[] InverseScales(GaussianProcess[] objectives)
    {
        if (objectives.Length == 1) return objectives[0].Hyper.Inverse;
        double[] inverse = new double[objectives[0].Hyper.Inverse.Length];
        for (int j = 0; j < inverse.Length; j++)
        {
            double sum = 0;
            foreach (var objective in objectives) sum += 1 / Math.Sqrt(objective.Hyper.Inverse[j]);
            double scale = sum / objectives.Length;
            inverse[j] = 1 / (scale * scale);
        }
        return inverse;
    }

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
