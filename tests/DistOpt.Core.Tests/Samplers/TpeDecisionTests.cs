using DistOpt.Core.Randomness;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>What the tree-structured Parzen estimator decides: when its model is used, who is good, and which candidate is taken (reference d.1).</summary>
public sealed class TpeDecisionTests
{
    private static readonly SearchSpace s_space = new([new("x", new FloatDomain(0, 1)), new("y", new FloatDomain(0, 1))]);

    /// <summary>
    /// A tenth of those that have ended, rounded up, at most 25: complete ones by value, then pruned ones by how far they came and the value there.
    /// <c>Fixtures/tpe_split_fixture.py</c> made the numbers by Optuna.
    /// </summary>
    [Theory]
    [InlineData(420, false, new[]
    {
        0, 1, 27, 28, 48, 90, 107, 111, 139, 147, 183, 193, 209, 265, 274, 308, 312, 315, 319, 321, 338, 368, 398, 415, 417,
    })]
    [InlineData(110, false, new[] { 0, 1, 9, 18, 27, 28, 48, 90, 97, 107 })]
    [InlineData(90, true, new[] { 7, 9, 27, 29, 39, 67, 69, 87 })]
    public void The_good_trials_are_those_of_Optuna(int count, bool mostArePruned, int[] good)
    {
        var history = new StudyHistory(s_space, Direction.Minimize);
        for (int i = 0; i < count; i++) history.Set(Trial(i, mostArePruned));
        var (below, above) = new TpeSampler(new TpeOptions()).Sides(history, count);
        Assert.Equal(good, below);
        // running ones are bad, whatever they may come to
        Assert.Equal(Enumerable.Range(0, count).Except(good), above);
        var (honest, ended) = new TpeSampler(new TpeOptions { ConstantLiar = false }).Sides(history, count);
        Assert.Equal(good, honest);
        Assert.Equal(Enumerable.Range(0, count).Except(good).Where(i => i % 7 != 5), ended);
    }

    /// <summary>Who fails by other causes says nothing of its parameters.</summary>
    [Fact]
    public void Trials_that_diverged_are_bad_and_others_that_failed_are_neither()
    {
        var history = new StudyHistory(s_space, Direction.Minimize);
        for (int i = 0; i < 20; i++)
        {
            history.Set(new StudyTrial
            {
                Number = i,
                State = i < 16 ? TrialState.Complete : TrialState.Failed,
                Parameters = [i / 20.0, 0.5],
                Values = i < 16 ? [i] : [],
                HasDiverged = i is 16 or 18,
            });
        }
        foreach (bool lies in (bool[])[true, false])
        {
            var (good, bad) = new TpeSampler(new TpeOptions { ConstantLiar = lies }).Sides(history, 20);
            Assert.Equal([0, 1], good);
            Assert.Equal([.. Enumerable.Range(2, 15), 18], bad);
        }
    }

    /// <summary>The better the nearer to where trials diverge: six tenths of the space.</summary>
    [Theory]
    [InlineData("tpe")]
    [InlineData("gp")]
    public void What_diverges_is_learned_from(string name)
    {
        int told = 0, untold = 0;
        for (int seed = 0; seed < 4; seed++) (told, untold) = (told + Diverging(seed, isTold: true), untold + Diverging(seed, isTold: false));
        Assert.True(told < 0.75 * untold, $"{told} diverged where that was told, {untold} where it was not");

        int Diverging(int seed, bool isTold)
        {
            ISampler sampler = name == "tpe" ? new TpeSampler(new TpeOptions()) : new GpSampler(new GpOptions());
            var history = new StudyHistory(s_space, Direction.Minimize);
            double[] values = new double[2];
            int failed = 0;
            for (int i = 0; i < 50; i++)
            {
                sampler.Suggest(history, seed, i, values);
                bool diverges = values[0] > 0.4;
                if (diverges) failed++;
                history.Set(new StudyTrial
                {
                    Number = i,
                    State = diverges ? TrialState.Failed : TrialState.Complete,
                    Parameters = [.. values],
                    Values = diverges ? [] : [-values[0]],
                    HasDiverged = diverges && isTold,
                });
            }
            return failed;
        }
    }

    /// <summary>Pruned trials count like complete ones; running and failed ones do not.</summary>
    [Fact]
    public void The_model_is_used_from_the_tenth_trial_on_that_was_complete_or_pruned()
    {
        var history = new StudyHistory(s_space, Direction.Minimize);
        double[] drawn = new double[2], random = new double[2];
        for (int i = 0; i < 16; i++)
        {
            var state = i switch
            {
                < 5 => TrialState.Complete,
                < 9 => TrialState.Pruned,
                < 12 => TrialState.Running,
                < 15 => TrialState.Failed,
                _ => TrialState.Pruned,
            };
            history.Set(new StudyTrial { Number = i, State = state, Parameters = [0.5 + 0.01 * i, 0.5], Values = state == TrialState.Complete ? [i] : [] });
            new TpeSampler(new TpeOptions()).Suggest(history, 1, 20, drawn);
            new RandomSampler().Suggest(history, 1, 20, random);
            if (i < 15) Assert.Equal(random, drawn);
            else Assert.NotEqual(random, drawn);
        }
    }

    /// <summary>Of 24 that the density of the good ones draws, the one with the greatest l / g, both as <see cref="ParzenEstimatorTests"/> has them.</summary>
    [Fact]
    public void The_suggestion_is_the_candidate_of_24_that_is_most_like_good_trials_and_least_like_bad_ones()
    {
        var history = new StudyHistory(s_space, Direction.Minimize);
        for (int i = 0; i < 60; i++)
            history.Set(new StudyTrial { Number = i, State = TrialState.Complete, Parameters = [Value(i), Value(3 * i + 1)], Values = [Value(2 * i + 5)] });
        var places = new HashSet<int>();
        for (int seed = 0; seed < 40; seed++)
        {
            var sampler = new TpeSampler(new TpeOptions());
            var (good, bad) = sampler.Sides(history, 60);
            ParzenEstimator below = Fitted(good), above = Fitted(bad);
            var random = new CounterRandom(seed, RandomPurpose.Search, 60);
            double[][] candidates = new double[24][];
            double[] gains = new double[24], l = new double[1], g = new double[1];
            for (int i = 0; i < 24; i++)
            {
                candidates[i] = new double[2];
                below.Draw(ref random, candidates[i]);
                below.LogDensities(candidates[i], l);
                above.LogDensities(candidates[i], g);
                gains[i] = l[0] - g[0];
            }
            int best = Array.IndexOf(gains, gains.Max());
            places.Add(best);
            double[] suggested = new double[2];
            sampler.Suggest(history, seed, 60, suggested);
            Assert.Equal(candidates[best], suggested);
        }
        // also the last ones are taken at times
        Assert.InRange(places.Max(), 20, 23);
        Assert.InRange(places.Count, 12, 24);

        ParzenEstimator Fitted(int[] numbers)
        {
            var estimator = new ParzenEstimator(1, endpoints: false, Bandwidth.Gaps);
            estimator.Fit(history, [0, 1], [.. Enumerable.Range(0, 60).Select(i => numbers.Contains(i))]);
            return estimator;
        }
    }

    /// <summary>As the script that made the fixture has them.</summary>
    private static StudyTrial Trial(int i, bool mostArePruned)
    {
        var trial = new StudyTrial { Number = i, State = TrialState.Running, Parameters = [0.5, 0.5] };
        if (i % 7 == 5) return trial;
        bool isPruned = mostArePruned ? i % 20 != 7 : i % 7 == 3;
        if (!isPruned) return trial with { State = TrialState.Complete, Values = [Value(i)] };
        int steps = i % 5;
        return trial with
        {
            State = TrialState.Pruned,
            Reports = [.. Enumerable.Range(1, steps).Select(s => new Report(s, s < steps ? 0.5 : i % 11 == 4 ? double.NaN : Value(i)))],
        };
    }

    private static double Value(int i) => (37 * i * i + 11 * i) % 1009 / 1009.0;
}
