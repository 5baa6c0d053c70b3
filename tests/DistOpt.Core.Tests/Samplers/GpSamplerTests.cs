using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>That it is better than random is in <see cref="SamplerComparisonTests"/>.</summary>
public sealed class GpSamplerTests
{
    private static readonly SearchSpace s_branin = TestFunctions.Branin.Space;

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
    public void Many_objectives_and_a_space_without_parameters_of_its_own_are_refused() =>
        Assert.Equal(2, new GpSampler(new GpOptions()).Check(new SearchSpace([new("one", new IntDomain(1, 1))]), 5).Count());

    private static double Branin(double[] x) => TestFunctions.Branin.Value(x);

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
