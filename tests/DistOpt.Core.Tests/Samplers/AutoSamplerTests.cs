using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Tests.Samplers;

public sealed class AutoSamplerTests
{
    private static readonly SearchSpace s_numbers = new([new("x", new FloatDomain(-4, 4)), new("n", new IntDomain(0, 9)), new("one", new ChoiceDomain(["a"]))]);

    [Fact]
    public void The_space_chooses_the_sampler()
    {
        var choices = new SearchSpace([new("x", new FloatDomain(0, 1)), new("kind", new ChoiceDomain(["a", "b"]))]);
        var conditional = new SearchSpace([new("x", new FloatDomain(0, 1)), new("y", new FloatDomain(0, 1), new Condition("x", Least: 0.5))]);
        Assert.IsType<GpSampler>(For(s_numbers, Direction.Minimize));
        Assert.IsType<TpeSampler>(For(choices, Direction.Minimize));
        Assert.IsType<TpeSampler>(For(conditional, Direction.Minimize));
        Assert.IsType<TpeSampler>(For(new SearchSpace([new("one", new IntDomain(1, 1))]), Direction.Minimize));
        Assert.IsType<Nsga2Sampler>(For(s_numbers, Direction.Minimize, Direction.Maximize));

        static ISampler For(SearchSpace space, params Direction[] directions) =>
            new AutoSampler(new AutoOptions()).For(new StudyHistory(space, [.. directions]), 1);
    }

    [Fact]
    public void Numbers_are_searched_by_gp_first_and_then_by_cma_es_from_the_best_of_them()
    {
        var history = new StudyHistory(s_numbers, Direction.Minimize);
        var sampler = new AutoSampler(new AutoOptions { GpTrials = 20 });
        double[] values = new double[3];
        for (int i = 0; i < 60; i++)
        {
            var next = sampler.For(history, 2);
            if (i < 20) Assert.IsType<GpSampler>(next);
            else Assert.IsType<CmaEsSampler>(next);
            sampler.Suggest(history, 2, i, values);
            Assert.Empty(s_numbers.Check(values));
            double value = Math.Pow(values[0] - 1, 2) + Math.Pow(values[1] - 7, 2) / 9;
            history.Set(new StudyTrial { Number = i, State = TrialState.Complete, Parameters = [.. values], Values = [value] });
        }
        Assert.True(history.Trials[history.Ranking[0]].Values[0] < 0.01);
        // it went on where the best ones were, and not from the middle
        Assert.True(history.Trials.Skip(20).Average(t => Math.Abs(t.Parameters[1] - 7)) < 2);
    }
}
