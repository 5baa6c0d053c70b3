using System.Collections.Immutable;
using DistOpt.Core.MultiObjective;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>The Gaussian processes of studies with several objectives.</summary>
public sealed class GpObjectivesTests
{
    private static readonly SearchSpace s_cube = new(Enumerable.Range(0, 3).Select(i => new SearchParameter($"x{i}", new FloatDomain(0, 1))));

    private static readonly SearchSpace s_mixed = new(
        [new("x", new FloatDomain(-4, 4)), new("n", new IntDomain(0, 40)), new("kind", new ChoiceDomain(["a", "b", "c"]))]);

    public static TheoryData<string> Functions => ["zdt1", "mixed"];

    /// <summary>Six seeds, of 22 trials 12 by the model, which is better in each of them (p = 1/64).</summary>
    [Theory, MemberData(nameof(Functions))]
    public void Its_front_dominates_more_than_that_of_random(string function)
    {
        var (space, values, reference) = function == "zdt1" ? (s_cube, (Func<double[], double[]>)Zdt1, new[] { 1.1, 10 }) : (s_mixed, Mixed, [40, 40]);
        double[] gp = [.. Enumerable.Range(0, 6).Select(seed => -Volume(new GpSampler(new GpOptions()), seed))];
        double[] random = [.. Enumerable.Range(0, 6).Select(seed => -Volume(new RandomSampler(), seed))];
        Assert.True(SamplerFigures.Compare(gp, random) == Verdict.Better, $"{string.Join(' ', gp)}; {string.Join(' ', random)}");

        double Volume(ISampler sampler, int seed) => Hypervolume.Of(Run(sampler, space, values, seed, 22, 2).Trials.Select(t => t.Values.ToArray()), reference);
    }

    /// <summary>What is to be made great is as its negative is to be made small, and what was asked of another instance before does not matter.</summary>
    [Fact]
    public void Directions_are_signs_and_the_same_history_gives_the_same_suggestion()
    {
        var small = Run(new RandomSampler(), s_mixed, Mixed, 3, 14, 2);
        var great = new StudyHistory(s_mixed, Direction.Minimize, Direction.Maximize);
        foreach (var trial in small.Trials) great.Set(trial with { Values = [trial.Values[0], -trial.Values[1]] });
        var first = new GpSampler(new GpOptions());
        double[] one = Suggested(first, small, 14), other = Suggested(first, small, 15);
        Assert.NotEqual(one, other);
        Assert.Equal(one, Suggested(first, small, 14));
        Assert.Equal(one, Suggested(new GpSampler(new GpOptions()), great, 14));
    }

    [Fact]
    public void Trials_side_by_side_are_not_suggested_the_same_place()
    {
        var history = Run(new RandomSampler(), s_cube, Zdt1, 1, 12, 2);
        for (int i = 12; i < 16; i++)
            history.Set(new StudyTrial { Number = i, State = TrialState.Running, Parameters = [.. Suggested(new GpSampler(new GpOptions()), history, i)] });
        var running = history.Trials.Skip(12).Select(t => t.Parameters).ToList();
        Assert.All(running.SelectMany((a, i) => running.Take(i).Select(b => Distance(a, b))), d => Assert.True(d > 0.03, $"{d}"));

        static double Distance(ImmutableArray<double> a, ImmutableArray<double> b) => a.Zip(b, (x, y) => Math.Abs(x - y)).Sum();
    }

    /// <summary>The front is from x = -1 to 1 and n = 0; half of it keeps to x at least 0.</summary>
    [Fact]
    public void Constraints_are_learned_also_where_no_trial_keeps_to_them_at_first()
    {
        var space = new SearchSpace([new("x", new FloatDomain(-4, 4)), new("n", new IntDomain(0, 9))]);
        var history = new StudyHistory(space, Direction.Minimize, Direction.Minimize);
        for (int i = 0; i < 30; i++)
        {
            // the first ten do not, wherever the sampler would have them
            double[] values = i < 10 ? [-0.1 - i * 0.35, i] : Suggested(new GpSampler(new GpOptions()), history, i);
            double[] brought = [Math.Pow(values[0] - 1, 2) + values[1], Math.Pow(values[0] + 1, 2) + values[1]];
            history.Set(new StudyTrial
            {
                Number = i,
                State = TrialState.Complete,
                Parameters = [.. values],
                Values = [.. brought],
                Constraints = [-values[0]],
            });
        }
        Assert.True(history.Trials.Skip(15).Count(t => t.Violation == 0) >= 10);
        Assert.True(history.Trials.Skip(15).Count(t => t.Violation == 0 && t.Parameters[0] <= 1.2 && t.Parameters[1] <= 1) >= 6);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Values_that_are_not_finite_or_all_the_same_do_not_stop_it(int objectives)
    {
        double[] odd = [double.PositiveInfinity, double.NegativeInfinity, double.NaN, 1, 2, 3, 4];
        foreach (double[] values in new[] { odd, [7], [double.NaN] })
        {
            int next = 0;
            var history = Run(new RandomSampler(), s_mixed,
                _ => [.. Enumerable.Range(0, objectives).Select(_ => values[next++ % values.Length])], 2, 12, objectives);
            history.Set(new StudyTrial { Number = 12, State = TrialState.Running, Parameters = [1, 2, 0] });
            Assert.Empty(s_mixed.Check(Suggested(new GpSampler(new GpOptions()), history, 13)));
        }
    }

    /// <summary>Rungs are of one value.</summary>
    [Fact]
    public void What_was_reported_at_rungs_is_not_learned_from()
    {
        var plain = Run(new RandomSampler(), s_cube, Zdt1, 1, 11, 2);
        var rungs = new StudyHistory(s_cube, Direction.Minimize, Direction.Minimize) { HasRungs = true };
        foreach (var trial in plain.Trials) rungs.Set(trial with { Rungs = [new Report(1, 1 - trial.Values[0])] });
        Assert.Equal(Suggested(new GpSampler(new GpOptions()), plain, 11), Suggested(new GpSampler(new GpOptions()), rungs, 11));
    }

    [Fact]
    public void Up_to_four_objectives_are_taken()
    {
        var sampler = new GpSampler(new GpOptions());
        for (int objectives = 1; objectives <= 4; objectives++) Assert.Empty(sampler.Check(s_cube, objectives));
        Assert.Equal("study.sampler: is gp, which is for at most 4 objectives, but the study has 5; use tpe or nsga2",
            $"{Assert.Single(sampler.Check(s_cube, 5))}");
    }

    private static double[] Zdt1(double[] x)
    {
        double g = 1 + 9 * x[1..].Average();
        return [x[0], g * (1 - Math.Sqrt(x[0] / g))];
    }

    private static double[] Mixed(double[] x)
    {
        double rest = x[2] == 1 ? Math.Pow(x[1] / 4 - 5, 2) : 3 + x[2] + Math.Abs(x[1] / 4 - 5);
        return [Math.Pow(x[0] - 1, 2) + rest, Math.Pow(x[0] + 1, 2) + rest];
    }

    private static double[] Suggested(ISampler sampler, StudyHistory history, int number)
    {
        double[] values = new double[history.Space.Count];
        sampler.Suggest(history, 5, number, values);
        return values;
    }

    private static StudyHistory Run(ISampler sampler, SearchSpace space, Func<double[], double[]> function, int seed, int trials, int objectives)
    {
        var history = new StudyHistory(space, [.. Enumerable.Repeat(Direction.Minimize, objectives)]);
        double[] values = new double[space.Count];
        for (int i = 0; i < trials; i++)
        {
            sampler.Suggest(history, seed, i, values);
            history.Set(new StudyTrial { Number = i, State = TrialState.Complete, Parameters = [.. values], Values = [.. function(values)] });
        }
        return history;
    }
}
