using System.Collections.Immutable;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Tests.Studies.Engine;
using DistOpt.Core.TrialSchedulers;

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
        Assert.IsType<TpeSampler>(For(s_numbers, Direction.Minimize, Direction.Maximize));

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

    /// <summary>With two numbers a generation of cma-es is 6 trials: 20 and 30 more are the least for which it takes over.</summary>
    [Theory]
    [InlineData(20, 0, false)]
    [InlineData(49, 0, false)]
    [InlineData(50, 0, true)]
    [InlineData(30, 20, true)]
    [InlineData(null, 0, true)]
    public void A_study_that_has_no_trials_for_generations_of_cma_es_stays_with_gp(int? trials, int imported, bool comesToCmaEs)
    {
        var sampler = new AutoSampler(new AutoOptions { GpTrials = 20 });
        var history = new StudyHistory(s_numbers, Direction.Minimize) { Budget = trials };
        for (int i = 0; i < 25; i++) history.Set(Complete(history, i) with { IsImported = i < imported });
        Assert.Equal(comesToCmaEs, sampler.For(history, 2) is CmaEsSampler);
        Assert.Equal(!comesToCmaEs, sampler.For(history, 2) is GpSampler);
        Assert.Equal(comesToCmaEs, sampler.KeepsCourse(history));
        Assert.False(sampler.KeepsCourse(new StudyHistory(s_numbers, Direction.Minimize, Direction.Minimize)));
    }

    [Theory]
    [InlineData(3, false)]
    [InlineData(4, true)]
    [InlineData(8, true)]
    public void Many_objectives_are_for_nsga3_in_place_of_nsga2(int objectives, bool isMany)
    {
        var sampler = new AutoSampler(new AutoOptions { TpeTrials = 0 });
        var history = new StudyHistory(s_numbers, [.. Enumerable.Repeat(Direction.Minimize, objectives)]);
        Assert.Equal((isMany, !isMany), (sampler.For(history, 2) is Nsga3Sampler, sampler.For(history, 2) is Nsga2Sampler));
    }

    [Fact]
    public void Several_objectives_are_for_tpe_first_and_then_for_nsga2_from_the_best_of_them()
    {
        var sampler = new AutoSampler(new AutoOptions { TpeTrials = 100 });
        var history = new StudyHistory(s_numbers, Direction.Minimize, Direction.Minimize);
        double[] values = new double[3];
        for (int i = 0; i < 140; i++)
        {
            bool isFirst = i < 102;
            Assert.Equal(isFirst, sampler.For(history, 2) is TpeSampler);
            Assert.Equal(!isFirst, sampler.For(history, 2) is Nsga2Sampler);
            sampler.Suggest(history, 2, i, values);
            var trial = new StudyTrial { Number = i, State = TrialState.Failed, Parameters = [.. values] };
            double[] brought = [values[0] * values[0], Math.Abs(values[0] - 2) + values[1]];
            // two of the first do not count
            history.Set(i is 5 or 50 ? trial : trial with { State = TrialState.Complete, Values = [.. brought] });
        }
        // what is inherited is the best of what tpe had found: the front is at x from 0 to 2 and n = 0, which random ones have in one of ten
        int count = history.Trials.Skip(102).Count(t => t.Parameters[1] == 0);
        Assert.True(count > 12, $"{count} of 38");
    }

    /// <summary>A study under rungs is the one that it is with tpe, also where it goes on from its journal; without rungs numbers are for gp.</summary>
    [Theory]
    [InlineData("asha")]
    [InlineData("asha, stopping")]
    [InlineData("hyperband")]
    public void Where_trials_pause_or_end_at_rungs_it_is_tpe_also_for_numbers(string scheduler)
    {
        ImmutableArray<double>[] Started(ISampler sampler, string of)
        {
            var simulation = new StudySimulation(Setup(() => sampler, of), slots: 4, timing: 2).Run();
            return [.. simulation.Of<StudyEvent.Started>().Select(s => s.Parameters)];
        }

        var auto = Started(new AutoSampler(new AutoOptions()), scheduler);
        Assert.Equal(40, auto.Length);
        Assert.Equal(Started(new TpeSampler(new TpeOptions()), scheduler), auto);
        Assert.NotEqual(Started(new RandomSampler(), scheduler), auto);
        Assert.Equal(Started(new GpSampler(new GpOptions()), "fifo"), Started(new AutoSampler(new AutoOptions()), "fifo"));

        var simulation = new StudySimulation(Setup(() => new AutoSampler(new AutoOptions()), scheduler), slots: 4, timing: 2).Run();
        int last = simulation.Journal.FindLastIndex(e => e is StudyEvent.Started);
        var restored = StudyEngine.Restore(Setup(() => new AutoSampler(new AutoOptions()), scheduler), simulation.Journal.Take(last), _ => { });
        Assert.Equal(auto[^1], restored.Decide().Order!.Parameters);
        Assert.True(restored.History.HasRungs);
    }

    /// <summary>One whose lowest rung is the end of a trial: all become complete.</summary>
    [Fact]
    public void A_single_rung_at_the_end_changes_nothing()
    {
        var setup = Setup(() => new AutoSampler(new AutoOptions()), "asha") with { TrialScheduler = c => new AshaOptions { MinResource = 16 }.Create(c) };
        Assert.False(new StudyEngine(setup, _ => { }).History.HasRungs);
    }

    private static StudySetup Setup(Func<ISampler> sampler, string scheduler)
    {
        var setup = StudySetups.Of("random", scheduler);
        return setup with { Sampler = sampler, Context = setup.Context with { Space = EngineFixture.Space } };
    }

    private static StudyTrial Complete(StudyHistory history, int number)
    {
        double[] values = new double[history.Space.Count];
        new RandomSampler().Suggest(history, 1, number, values);
        return new() { Number = number, State = TrialState.Complete, Parameters = [.. values], Values = [values[0]] };
    }
}
