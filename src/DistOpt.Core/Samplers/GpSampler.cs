using System.Collections.Immutable;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Samplers;

/// <summary>Options of <c>gp</c>; defaults as Optuna's GPSampler.</summary>
public sealed record GpOptions
{
    [Description("Complete trials before the model is used; until then values are random")]
    [Range(1, 1_000_000)]
    public int StartupTrials { get; init; } = 10;
}

/// <summary>
/// Bayesian optimization with a Gaussian process (<see cref="GaussianProcess"/>: Matern 5/2, a length scale for each parameter, fitted anew for each
/// suggestion) and the logarithm of expected improvement (<see cref="GpAcquisition"/>). Learns from complete trials. Running, paused and waiting ones
/// count by 128 fantasies of their values, drawn from the process at fixed Sobol points, over which the improvement is averaged. Constraints have a
/// process each. Models the parameters that always have a value, choices by whether they are the same; those under conditions are random. Time for a
/// suggestion grows with the cube of the number of trials.
/// </summary>
public sealed class GpSampler(GpOptions options) : ISampler
{
    /// <summary>Samples of what pending trials may give.</summary>
    private const int Fantasies = 128;

    /// <summary>Pending trials that count; those with the greatest numbers.</summary>
    private const int MaxPending = 128;

    public IEnumerable<SpecViolation> Check(SearchSpace space, int objectives)
    {
        if (objectives != 1) yield return new SpecViolation("study.sampler", $"is gp, which is for one objective, but the study has {objectives}");
        int modelled = Modelled(space).Length;
        if (modelled == 0) yield return new SpecViolation("study.sampler", "is gp, but the space has no parameter that always has a value: use tpe");
        if (modelled <= SobolSequence.MaxDimensions) yield break;
        yield return new SpecViolation("study.sampler", $"is gp, which is for at most {SobolSequence.MaxDimensions} parameters, but the space has {modelled}");
    }

    public void Suggest(StudyHistory history, long seed, int number, Span<double> values)
    {
        var random = new CounterRandom(seed, RandomPurpose.Search, number);
        StudyTrial[] complete = [.. history.Trials.Where(t => t.State == TrialState.Complete)];
        if (complete.Length < options.StartupTrials)
        {
            RandomSampler.Fill(history.Space, ref random, values);
            return;
        }
        values.Fill(double.NaN);
        int[] parameters = Modelled(history.Space);
        ImmutableArray<Domain> domains = [.. parameters.Select(p => history.Space.Parameters[p].Domain)];
        double[][] points = [.. complete.Select(PointOf)];
        double[][] pending = [.. history.Trials.Where(t => t.State is TrialState.Running or TrialState.Paused or TrialState.Waiting && t.Number != number)
            .TakeLast(MaxPending).Select(PointOf)];
        bool[] isChoice = [.. domains.Select(d => !d.IsNumeric)];

        double[] scores = Standardize([.. complete.Select(t => -history.Loss(t))], out _);
        var objective = Condition([.. points, .. pending], scores, Fit(points, scores));
        var constraints = Constraints();
        double? most = null;
        int best = 0;
        for (int i = 0; i < complete.Length; i++)
        {
            if (complete[i].Violation == 0 && !(scores[i] <= most)) (most, best) = (scores[i], i);
            else if (most is null && complete[i].Violation < complete[best].Violation) best = i;
        }
        var acquisition = new GpAcquisition(objective, most, Normal(pending.Length, seed, number), constraints);
        var search = new AcquisitionSearch(domains, objective.Hyper.Inverse, (at, gradient) => acquisition.At(at, gradient));
        double[] found = search.Maximize(points[best], seed, number, ref random);
        for (int j = 0; j < found.Length; j++) values[parameters[j]] = domains[j] is ChoiceDomain ? found[j] : domains[j].FromUnit(found[j]);
        RandomSampler.FillRest(history.Space, ref random, values);

        double[] PointOf(StudyTrial trial) =>
            [.. parameters.Select((p, j) => domains[j] is ChoiceDomain ? trial.Parameters[p] : domains[j].ToUnit(trial.Parameters[p]))];

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
                double[] seen = Standardize([.. known.Select(t => t.First.Constraints[c])], out double zero);
                return (Condition(at, seen, Fit(at, seen)), zero);
            })];
        }
    }

    private static int[] Modelled(SearchSpace space) =>
        [.. Enumerable.Range(0, space.Count).Where(i => space.Parameters[i] is { When: null, Domain.IsSingle: false })];

    /// <summary>Mean 0 and deviation 1, after infinite values (NaN as the worst) were put to the ends of the finite ones; and where 0 comes to lie.</summary>
    private static double[] Standardize(double[] values, out double zero)
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
        double deviation = Math.Max(1e-10, Math.Sqrt(squares / finite.Length));
        for (int i = 0; i < finite.Length; i++) finite[i] = (finite[i] - mean) / deviation;
        zero = -mean / deviation;
        return finite;
    }

    /// <summary>Standard normal vectors of some length, even as Sobol points are.</summary>
    private static double[][] Normal(int length, long seed, int number)
    {
        if (length == 0) return [[]];
        RandomKey[] keys = [.. Enumerable.Range(0, length).Select(j => RandomKey.Of(seed, RandomPurpose.Search, number, j, 1))];
        return [.. Enumerable.Range(0, Fantasies).Select(i => Enumerable.Range(0, length).Select(j =>
            NormalDistribution.Quantile(Math.Max(SobolSequence.At((uint)i, j, Scrambling.Owen, keys[j]), 0.5 / (1L << 53)))).ToArray())];
    }
}
