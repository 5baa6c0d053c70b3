using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>How generations follow from a history.</summary>
public sealed class CmaEsSamplerTests
{
    private static readonly SearchSpace s_space = new(
        [new("x", new FloatDomain(-5, 5)), new("y", new FloatDomain(0.01, 100, log: true)), new("n", new IntDomain(0, 40))]);

    [Fact]
    public void It_finds_the_best_numbers_of_each_kind()
    {
        var history = Run(s_space, new CmaEsSampler(new CmaEsOptions()), seed: 1, trials: 400, parallel: 1);
        var best = history.Trials[history.Ranking[0]];
        Assert.True(best.Values[0] < 1e-4, $"the best is {best.Values[0]} at {string.Join(' ', best.Parameters)}");
        Assert.Equal(23, best.Parameters[2]);
    }

    /// <summary>Eight at a time, in an order of ends that is not theirs: a sampler that is made anew for every suggestion makes the same ones.</summary>
    [Fact]
    public void Generations_are_the_same_when_they_are_worked_out_again_from_the_history()
    {
        var options = new CmaEsOptions { Population = 6 };
        var history = Run(s_space, new CmaEsSampler(options), seed: 2, trials: 90, parallel: 8);
        var again = Run(s_space, null, seed: 2, trials: 90, parallel: 8, create: () => new CmaEsSampler(options));
        Assert.Equal(history.Trials.SelectMany(t => t.Parameters), again.Trials.SelectMany(t => t.Parameters));
        Assert.True(history.Trials[history.Ranking[0]].Values[0] < 0.5);
    }

    /// <summary>What ends after its generation is over changes nothing, and neither does a trial that failed.</summary>
    [Fact]
    public void Trials_that_end_too_late_or_fail_do_not_count()
    {
        double[] Next(double late, TrialState state)
        {
            var history = new StudyHistory(s_space, Direction.Minimize);
            var sampler = new CmaEsSampler(new CmaEsOptions { Population = 5 });
            double[] values = new double[3];
            for (int i = 0; i < 7; i++) Suggest(i);
            for (int i = 0; i < 5; i++) End(history, i, TrialState.Complete, i);
            Suggest(7);
            End(history, 5, TrialState.Complete, late);
            End(history, 6, state, late);
            Suggest(8);
            return [.. history.Trials[8].Parameters];

            void Suggest(int number)
            {
                sampler.Suggest(history, 3, number, values);
                history.Set(new StudyTrial { Number = number, State = TrialState.Running, Parameters = [.. values] });
            }
        }

        Assert.Equal(Next(-1000, TrialState.Complete), Next(1000, TrialState.Complete));
        Assert.Equal(Next(-1000, TrialState.Complete), Next(1000, TrialState.Failed));
    }

    /// <summary>A point before rounding counts, not the rounded one: else the deviation of integers would depend on their grid.</summary>
    [Fact]
    public void A_trial_that_was_asked_for_by_hand_counts_but_cannot_throw_the_search_off_course()
    {
        var history = new StudyHistory(s_space, Direction.Minimize);
        var sampler = new CmaEsSampler(new CmaEsOptions());
        double[] values = new double[3];
        for (int i = 0; i < 200; i++)
        {
            sampler.Suggest(history, 4, i, values);
            if (i % 10 == 9) (values[0], values[1], values[2]) = (i % 20 == 9 ? -5 : 5, 100, 0);
            history.Set(new StudyTrial { Number = i, State = TrialState.Complete, Parameters = [.. values], Values = [Value([.. values])] });
        }
        Assert.True(history.Trials[history.Ranking[0]].Values[0] < 0.1);
    }

    [Fact]
    public void A_warm_start_begins_where_the_best_tenth_is()
    {
        var history = new StudyHistory(s_space, Direction.Minimize);
        var sampler = new CmaEsSampler(new CmaEsOptions { WarmStartTrials = 200 });
        double[] values = new double[3];
        for (int i = 0; i < 230; i++)
        {
            Assert.Equal(i >= 200, sampler.IsReady(history, 5));
            sampler.Suggest(history, 5, i, values);
            history.Set(new StudyTrial { Number = i, State = TrialState.Complete, Parameters = [.. values], Values = [Value([.. values])] });
        }
        double before = history.Trials.Take(200).Select(t => t.Values[0]).Order().ElementAt(100);
        double after = history.Trials.Skip(200).Select(t => t.Values[0]).Order().ElementAt(15);
        Assert.True(after < before / 3, $"median {after} after {before}");
    }

    [Fact]
    public void It_begins_anew_with_twice_the_population_where_it_has_converged()
    {
        var space = new SearchSpace([new("x", new FloatDomain(0, 1)), new("y", new FloatDomain(0, 1))]);
        double Far(bool restarts)
        {
            var history = new StudyHistory(space, Direction.Minimize);
            var sampler = new CmaEsSampler(new CmaEsOptions { Restarts = restarts });
            double[] values = new double[2];
            for (int i = 0; i < 1500; i++)
            {
                sampler.Suggest(history, 6, i, values);
                double value = Math.Pow(values[0] - 0.3, 2) + Math.Pow(values[1] - 0.6, 2);
                history.Set(new StudyTrial { Number = i, State = TrialState.Complete, Parameters = [.. values], Values = [value] });
            }
            return history.Trials.Skip(600).Max(t => t.Values[0]);
        }

        Assert.True(Far(restarts: true) > 0.05);
        Assert.True(Far(restarts: false) < 1e-4);
    }

    [Fact]
    public void A_space_without_numbers_and_several_objectives_are_refused()
    {
        var space = new SearchSpace(
            [new("kind", new ChoiceDomain(["a", "b"])), new("x", new FloatDomain(0, 1), new Condition("kind", Among: [1])), new("one", new IntDomain(2, 2))]);
        Assert.Equal(2, new CmaEsSampler(new CmaEsOptions()).Check(space, 2).Count());
        Assert.Empty(new CmaEsSampler(new CmaEsOptions()).Check(s_space, 1));
    }

    private static double Value(double[] x) => x[0] * x[0] + Math.Pow(Math.Log10(x[1]) - 1, 2) + Math.Pow(x[2] - 23, 2) / 50;

    private static void End(StudyHistory history, int number, TrialState state, double value) =>
        history.Set(history.Trials[number] with { State = state, Values = state == TrialState.Complete ? [value] : [] });

    private static StudyHistory Run(SearchSpace space, CmaEsSampler? sampler, long seed, int trials, int parallel, Func<CmaEsSampler>? create = null)
    {
        var history = new StudyHistory(space, Direction.Minimize);
        var running = new List<int>();
        double[] values = new double[space.Count];
        for (int i = 0; i < trials; i++)
        {
            (sampler ?? create!()).Suggest(history, seed, i, values);
            history.Set(new StudyTrial { Number = i, State = TrialState.Running, Parameters = [.. values] });
            running.Add(i);
            if (running.Count < parallel) continue;
            int ends = running[i * 5 % running.Count];
            running.Remove(ends);
            End(history, ends, TrialState.Complete, Value([.. history.Trials[ends].Parameters]));
        }
        foreach (int number in running) End(history, number, TrialState.Complete, Value([.. history.Trials[number].Parameters]));
        return history;
    }
}
