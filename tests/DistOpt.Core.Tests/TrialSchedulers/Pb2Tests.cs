using System.Collections.Immutable;
using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Tests.TrialSchedulers;

/// <summary>Population-based bandits: the Gaussian process, and where it sends those who copy.</summary>
public sealed class Pb2Tests
{
    private static readonly SearchSpace s_space = new([new("rate", new FloatDomain(1e-5, 1, log: true)), new("width", new IntDomain(1, 100))]);

    /// <summary>One observation y at distance d: k = exp(-d^2 / l) * 0.9^(dt / 2), mean k y / (1 + noise), variance s2 (1 - k^2 / (1 + noise)).</summary>
    [Fact]
    public void One_observation_gives_the_closed_form()
    {
        var process = new TimeVaryingProcess([[0, 0.2, 0.4]], [1.5], 0.5, 0.1, 2);
        double k = Math.Exp(-(0.3 * 0.3 + 0.1 * 0.1) / 0.5) * Math.Pow(0.9, 0.5 * 0.6);
        var (mean, variance) = process.At([0.6, 0.5, 0.5]);
        Assert.Equal(k * 1.5 / 1.1, mean, 12);
        Assert.Equal(2 * (1 - k * k / 1.1), variance, 12);
        Assert.Equal(-0.5 * (1.5 * 1.5 / 2.2 + Math.Log(2 * Math.PI * 2.2)), process.LogLikelihood, 12);
    }

    /// <summary>Three observations, by Cramer's rule.</summary>
    [Fact]
    public void Several_observations_give_the_conditional_mean_and_variance()
    {
        double[][] points = [[0, 0.1], [0.5, 0.4], [1, 0.9]];
        double[] values = [1, -0.5, 2], at = [1, 0.6];
        double[,] matrix = new double[3, 3];
        double[] k = new double[3];
        for (int i = 0; i < 3; i++)
        {
            k[i] = Covariance(points[i], at);
            for (int j = 0; j < 3; j++) matrix[i, j] = Covariance(points[i], points[j]) + (i == j ? 0.05 : 0);
        }
        var (mean, variance) = new TimeVaryingProcess(points, values, 0.3, 0.05, 1.7).At(at);
        Assert.Equal(Dot(k, Solve(matrix, values)), mean, 11);
        Assert.Equal(1.7 * (1 - Dot(k, Solve(matrix, k))), variance, 11);

        static double Covariance(double[] a, double[] b) => Math.Exp(-(a[1] - b[1]) * (a[1] - b[1]) / 0.3) * Math.Pow(0.9, Math.Abs(a[0] - b[0]) / 2);

        static double Dot(double[] a, double[] b) => a.Zip(b, (x, y) => x * y).Sum();
    }

    [Fact]
    public void The_fitted_process_is_the_most_likely_one_and_predicts_a_smooth_function()
    {
        double[][] points = [.. Enumerable.Range(0, 40).Select(i => new[] { 0, i / 39.0 })];
        double[] values = [.. points.Select(p => Math.Sin(4 * p[1]))];
        var process = TimeVaryingProcess.Fit(points, values);
        foreach (double length in new[] { 0.01, 0.1, 1 })
            Assert.True(process.LogLikelihood >= new TimeVaryingProcess(points, values, length, 0.1).LogLikelihood);
        Assert.Equal(Math.Sin(4 * 0.3333), process.At([0, 0.3333]).Mean, 0.02);
        // where nothing was observed it knows less
        Assert.True(process.At([0, 3]).Variance > 10 * process.At([0, 0.5]).Variance);
    }

    /// <summary>Gains are greatest at a rate of 0.01, the middle of the upper half, and at width 50: most of those who copy are sent near there.</summary>
    [Fact]
    public void Those_who_copy_get_parameters_that_promise_the_greatest_gain()
    {
        var runs = Enumerable.Range(1, 4).Select(seed => Run(seed).Copied).ToList();
        Assert.All(runs.SelectMany(r => r), p => Assert.Empty(s_space.Check([.. p])));
        // once something is known; uniform ones would be there with probability 0.16
        var late = runs.SelectMany(r => r.Skip(5)).ToList();
        Assert.True(late.Count > 30, $"{late.Count} copies");
        int near = late.Count(p => Math.Abs(Math.Log10(p[0]) + 2) < 1 && Math.Abs(p[1] - 50) < 20);
        Assert.True(near > 0.5 * late.Count, $"{near} of {late.Count} are near the best");
        // not twice the same
        Assert.Equal(late.Count, late.Select(p => string.Join(' ', p)).Distinct().Count());
    }

    [Fact]
    public void A_population_ends_better_than_its_members_alone()
    {
        for (int seed = 1; seed <= 3; seed++) Assert.True(Run(seed).Mean > 1.5 * Run(seed, fraction: 0).Mean);
    }

    [Fact]
    public void Choices_and_conditions_are_refused_by_name()
    {
        var space = new SearchSpace([new("kind", new ChoiceDomain(["a", "b"])), new("x", new FloatDomain(0, 1), new Condition("kind", Among: [0]))]);
        var violations = new Pb2Options().Check(Contexts.Of(length: 100) with { Space = space }).ToList();
        Assert.Equal(["space.kind", "space.x"], violations.Select(v => v.Path));
        Assert.Throws<SpecException>(() => new Pb2(new Pb2Options(), Contexts.Of(length: 100)));
    }

    private static (List<ImmutableArray<double>> Copied, double Mean) Run(int seed, double fraction = 0.25)
    {
        var pb2 = new Pb2(new Pb2Options { PerturbationInterval = 5, Population = 8, QuantileFraction = fraction },
            new StudyContext { Space = s_space, Directions = [Direction.Maximize], Seed = seed, TrialLength = 150, Trials = 8 });
        var parameters = new ImmutableArray<double>[8];
        var checkpoints = new Dictionary<(int, long), double>();
        double[] state = new double[8];
        var copied = new List<ImmutableArray<double>>();
        var simulation = new SchedulerSimulation(pb2, workers: 8, trials: 8)
        {
            Every = 5,
            Parameters = trial =>
            {
                double[] units = [.. Enumerable.Range(0, 2).Select(i => new CounterRandom(seed, RandomPurpose.Data, trial, i).NextDouble())];
                return parameters[trial] = [.. units.Select((unit, i) => s_space.Parameters[i].Domain.FromUnit(unit))];
            },
            Duration = (trial, from, to) =>
            {
                var p = parameters[trial];
                state[trial] += (to - from) * Math.Exp(-Math.Pow(Math.Log10(p[0]) + 2, 2) - Math.Pow((p[1] - 50) / 25, 2));
                checkpoints[(trial, to)] = state[trial];
                return 1 + 0.01 * trial;
            },
            Value = (trial, _) => state[trial],
        };
        simulation.OnDecision = d =>
        {
            if (d.Exploit is not { } exploit) return;
            copied.Add(parameters[d.Trial] = exploit.Parameters);
            state[d.Trial] = checkpoints[(exploit.Donor, exploit.Resource)];
        };
        simulation.Run();
        return (copied, state.Average());
    }

    /// <summary>3 equations by Cramer's rule.</summary>
    private static double[] Solve(double[,] m, double[] b)
    {
        double all = Determinant(m);
        return [.. Enumerable.Range(0, 3).Select(column =>
        {
            double[,] replaced = (double[,])m.Clone();
            for (int i = 0; i < 3; i++) replaced[i, column] = b[i];
            return Determinant(replaced) / all;
        })];

        static double Determinant(double[,] a) => a[0, 0] * (a[1, 1] * a[2, 2] - a[1, 2] * a[2, 1])
            - a[0, 1] * (a[1, 0] * a[2, 2] - a[1, 2] * a[2, 0]) + a[0, 2] * (a[1, 0] * a[2, 1] - a[1, 1] * a[2, 0]);
    }
}
