using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Tests.Samplers;

public sealed class GpSamplerTests
{
    private const int Seeds = 8;

    private static readonly SearchSpace s_branin = new([new("a", new FloatDomain(-5, 10)), new("b", new FloatDomain(0, 15))]);

    private static readonly SearchSpace s_hartmann6 = new(Enumerable.Range(0, 6).Select(i => new SearchParameter($"x{i}", new FloatDomain(0, 1))));

    private static readonly double[] s_alphas = [1, 1.2, 3, 3.2];

    private static readonly double[][] s_a = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]];

    private static readonly double[][] s_p =
    [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886], [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650], [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ];

    /// <summary>The one-sided signed-rank test over 8 seeds: the ranks of the wrong differences sum up to at most 3 with p &lt; 0.02.</summary>
    [Theory]
    [InlineData("branin", 25)]
    [InlineData("hartmann6", 40)]
    public void It_is_better_than_random(string name, int trials)
    {
        var (space, value) = name == "branin" ? (s_branin, (Func<double[], double>)Branin) : (s_hartmann6, Hartmann6);
        double[] gp = [.. Enumerable.Range(0, Seeds).Select(seed => Best(space, value, new GpSampler(new GpOptions()), seed, trials))];
        double[] random = [.. Enumerable.Range(0, Seeds).Select(seed => Best(space, value, new RandomSampler(), seed, trials))];
        double[] differences = [.. random.Zip(gp, (r, g) => r - g)];
        var ranks = differences.Select(Math.Abs).Order().ToList();
        double wrong = differences.Where(d => d < 0).Sum(d => ranks.IndexOf(-d) + 1);
        Assert.True(wrong <= 3, $"the ranks of seeds at which random was better sum up to {wrong}; {string.Join(' ', gp)} against {string.Join(' ', random)}");
    }

    [Fact]
    public void The_test_functions_have_their_published_least_values()
    {
        Assert.Equal(0.39788735772973816, Branin([Math.PI, 2.275]), 1e-12);
        Assert.Equal(-3.32236801141551, Hartmann6([0.20168952, 0.15001069, 0.47687398, 0.27533243, 0.31165162, 0.65730054]), 1e-10);
    }

    /// <summary>Numbers with steps, integers on a logarithm, and choices: the best of 48 x 12 x 3 is found, or one beside it.</summary>
    [Fact]
    public void It_searches_integers_steps_and_choices()
    {
        var space = new SearchSpace(
            [new("n", new IntDomain(1, 48)), new("size", new IntDomain(1, 2048, log: true)), new("kind", new ChoiceDomain(["a", "b", "c"]))]);
        static double Value(double[] x) => Math.Pow((x[0] - 31) / 48, 2) + Math.Pow((Math.Log2(x[1]) - 7) / 11, 2) + (x[2] == 1 ? 0 : 0.3);
        double best = Best(space, Value, new GpSampler(new GpOptions()), 3, 35);
        Assert.True(best < 2e-3, $"the best is {best}");
    }

    [Fact]
    public void Trials_side_by_side_are_not_suggested_the_same_place()
    {
        var history = Finished(s_branin, Branin, new RandomSampler(), 1, 15);
        var sampler = new GpSampler(new GpOptions());
        double[] values = new double[2];
        for (int i = 15; i < 20; i++)
        {
            sampler.Suggest(history, 1, i, values);
            history.Set(new StudyTrial { Number = i, State = TrialState.Running, Parameters = [.. values] });
        }
        var running = history.Trials.Skip(15).Select(t => t.Parameters).ToList();
        Assert.All(running.SelectMany((a, i) => running.Take(i).Select(b => Math.Abs(a[0] - b[0]) + Math.Abs(a[1] - b[1]))), d => Assert.True(d > 0.1, $"{d}"));
    }

    /// <summary>Of Branin's three minima only one keeps to the constraint.</summary>
    [Fact]
    public void Constraints_are_learned()
    {
        var history = new StudyHistory(s_branin, Direction.Minimize);
        var sampler = new GpSampler(new GpOptions());
        double[] values = new double[2];
        for (int i = 0; i < 30; i++)
        {
            sampler.Suggest(history, 4, i, values);
            history.Set(new StudyTrial
            {
                Number = i,
                State = TrialState.Complete,
                Parameters = [.. values],
                Values = [Branin(values)],
                Constraints = [values[0]],
            });
        }
        Assert.True(history.Trials.Skip(15).Count(t => t.Violation == 0) >= 9);
        var best = history.Trials[history.Ranking[0]];
        Assert.Equal(0, best.Violation);
        Assert.True(best.Values[0] < 1, $"the best is {best.Values[0]}");
    }

    [Fact]
    public void Values_that_are_not_finite_or_all_the_same_do_not_stop_it()
    {
        double[] odd = [double.PositiveInfinity, double.NegativeInfinity, double.NaN, 1, 2];
        foreach (double[] values in new[] { odd, [7, 7, 7, 7, 7], [double.NaN, double.NaN, double.NaN, double.NaN, double.NaN] })
        {
            int next = 0;
            var history = Finished(s_branin, _ => values[next++ % 5], new RandomSampler(), 2, 12);
            double[] suggested = new double[2];
            new GpSampler(new GpOptions()).Suggest(history, 2, 12, suggested);
            Assert.Empty(s_branin.Check(suggested));
        }
    }

    [Fact]
    public void Several_objectives_and_a_space_without_parameters_of_its_own_are_refused() =>
        Assert.Equal(2, new GpSampler(new GpOptions()).Check(new SearchSpace([new("one", new IntDomain(1, 1))]), 2).Count());

    private static double Branin(double[] x) =>
        Math.Pow(x[1] - 5.1 / (4 * Math.PI * Math.PI) * x[0] * x[0] + 5 / Math.PI * x[0] - 6, 2) + 10 * (1 - 1 / (8 * Math.PI)) * Math.Cos(x[0]) + 10;

    private static double Hartmann6(double[] x) =>
        -Enumerable.Range(0, 4).Sum(i => s_alphas[i] * Math.Exp(-Enumerable.Range(0, 6).Sum(j => s_a[i][j] * Math.Pow(x[j] - s_p[i][j], 2))));

    private static double Best(SearchSpace space, Func<double[], double> value, ISampler sampler, long seed, int trials) =>
        Finished(space, value, sampler, seed, trials) is var history ? history.Loss(history.Trials[history.Ranking[0]]) : 0;

    private static StudyHistory Finished(SearchSpace space, Func<double[], double> value, ISampler sampler, long seed, int trials)
    {
        var history = new StudyHistory(space, Direction.Minimize);
        double[] values = new double[space.Count];
        for (int i = 0; i < trials; i++)
        {
            sampler.Suggest(history, seed, i, values);
            history.Set(new StudyTrial { Number = i, State = TrialState.Complete, Parameters = [.. values], Values = [value(values)] });
        }
        return history;
    }
}
