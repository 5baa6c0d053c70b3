using System.Collections.Immutable;
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

    /// <summary>About half of what it draws breaks the constraint: it is asked for other draws, by which its course does not change.</summary>
    [Fact]
    public void Other_draws_under_constraints_are_its_own()
    {
        var space = new SearchSpace([new("x", new FloatDomain(0, 1)), new("y", new FloatDomain(0, 1)), new("n", new IntDomain(1, 9))]);
        ImmutableArray<ParameterConstraint> constraints = [ParameterConstraint.Of(new() { Parameters = "x + y", AtMost = 1 }, space).Constraint!];
        var cmaEs = new CmaEsSampler(new CmaEsOptions { StartupTrials = 0 });
        var sampler = ConstrainedSampler.Of(cmaEs, constraints);
        var history = new StudyHistory(space, Direction.Minimize);
        double[] values = new double[3], first = new double[3];
        CmaEs? strategy = null;
        int broken = 0;
        for (int i = 0; i < 70; i++)
        {
            sampler.Suggest(history, 1, i, values);
            strategy ??= cmaEs.Strategy;
            Assert.Same(strategy, cmaEs.Strategy);
            Assert.DoesNotContain(true, cmaEs.AreForeign);
            Assert.True(ParameterConstraint.Hold(constraints, values));
            cmaEs.Suggest(history, 1, i, first);
            if (!ParameterConstraint.Hold(constraints, first)) broken++;
            double loss = Math.Pow(values[0] - 0.6, 2) + Math.Pow(values[1] - 0.6, 2) + Math.Pow(values[2] - 4, 2) / 50;
            history.Set(new StudyTrial { Number = i, State = TrialState.Complete, Parameters = [.. values], Values = [loss] });
        }
        Assert.InRange(broken, 10, 60);
        Assert.Equal(9, strategy!.Generation);
        // one that is made anew makes the same of the history
        var again = new double[3];
        sampler.Suggest(history, 1, 70, values);
        ConstrainedSampler.Of(new CmaEsSampler(new CmaEsOptions { StartupTrials = 0 }), constraints).Suggest(history, 1, 70, again);
        Assert.Equal(values, again);
        // and so does the sampler that chooses it
        var auto = new AutoSampler(new AutoOptions { GpTrials = 1 });
        var chosen = new CmaEsSampler(new CmaEsOptions { WarmStartTrials = 1, StartupTrials = 0 });
        auto.Suggest(history, 1, 70, values);
        for (int draw = 0; draw < 3; draw++)
        {
            auto.Draw(history, 1, 70, draw, values);
            chosen.Draw(history, 1, 70, draw, again);
            Assert.Equal(values, again);
        }
    }

    /// <summary>200 random ones, of which the best are round (0.8, 0.2) of the scales.</summary>
    [Fact]
    public void It_begins_where_imported_trials_were_best()
    {
        var space = new SearchSpace([new("x", new FloatDomain(0, 1)), new("y", new FloatDomain(0.01, 100, log: true))]);
        var history = new StudyHistory(space, Direction.Minimize);
        double[] values = new double[2];
        for (int i = 0; i < 200; i++)
        {
            new RandomSampler().Suggest(history, 3, i, values);
            double loss = Math.Pow(values[0] - 0.8, 2) + Math.Pow(space.Parameters[1].Domain.ToUnit(values[1]) - 0.2, 2);
            history.Set(new StudyTrial { Number = i, State = TrialState.Complete, Parameters = [.. values], Values = [loss], IsImported = true });
        }
        var sampler = new CmaEsSampler(new CmaEsOptions());
        sampler.Suggest(history, 1, 200, values);
        Assert.Equal(0.8, sampler.Strategy!.Mean[0], 0.1);
        Assert.Equal(0.2, sampler.Strategy.Mean[1], 0.1);
        // those count once: the next generation is of the study's own trials
        Assert.Equal(0, sampler.Strategy.Generation);
        for (int i = 200; i < 200 + sampler.Strategy.Constants.Population; i++)
        {
            sampler.Suggest(history, 1, i, values);
            history.Set(new StudyTrial { Number = i, State = TrialState.Complete, Parameters = [.. values], Values = [i] });
        }
        sampler.Suggest(history, 1, history.Trials.Count, values);
        Assert.Equal(1, sampler.Strategy.Generation);
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
