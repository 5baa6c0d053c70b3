using System.Collections.Immutable;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>Which trials of a study with several objectives are the good ones, worked out by hand.</summary>
public sealed class FrontSplitTests
{
    /// <summary>The second objective is maximized. Front 0 is 1 and 2; front 1 is 3, 4, 5 and 6, of which 4, then 5, then 3 add the most; 0 is last.</summary>
    private static readonly (double First, double Second)[] s_values = [(6, -6), (1, -4), (4, -1), (2, -5), (3, -4), (5, -2), (4.5, -3.9)];

    [Theory]
    [InlineData(1, new[] { 2 })]
    [InlineData(2, new[] { 1, 2 })]
    [InlineData(3, new[] { 1, 2, 4 })]
    [InlineData(4, new[] { 1, 2, 4, 5 })]
    [InlineData(5, new[] { 1, 2, 3, 4, 5 })]
    [InlineData(6, new[] { 1, 2, 3, 4, 5, 6 })]
    [InlineData(7, new[] { 0, 1, 2, 3, 4, 5, 6 })]
    public void Whole_fronts_are_good_while_they_fit_and_of_the_next_one_what_dominates_the_most(int count, int[] good)
    {
        // of front 0 both boxes up to (4.4, 4.4) are 3.4 x 0.4 but for rounding: put 2 a little lower
        var history = History(s_values.Select((v, i) => i == 2 ? (v.First, v.Second + 0.01) : v));
        Assert.Equal(good, new FrontSplit().Best(history, history.Ranking, count).ToArray().Order());
    }

    /// <summary>Pruned trials by how far they came, then infeasible ones by how much they miss; failed ones are not compared.</summary>
    [Fact]
    public void After_all_complete_trials_come_pruned_ones_and_then_infeasible_ones()
    {
        var history = History(s_values);
        history.Set(Trial(7, TrialState.Pruned) with { Reports = [new Report(3, 0)] });
        history.Set(Trial(8, TrialState.Paused) with { Reports = [new Report(5, 9)] });
        history.Set(Trial(9, TrialState.Complete) with { Values = [0, 0], Constraints = [1, 1] });
        history.Set(Trial(10, TrialState.Complete) with { Values = [0, 0], Constraints = [1.5, -5] });
        history.Set(Trial(11, TrialState.Failed));
        int[] Good(int count) => [.. new FrontSplit().Best(history, history.Ranking, count).ToArray().Order()];
        Assert.Equal([1, 2, 4], Good(3));
        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 8], Good(8));
        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 10], Good(10));
        Assert.Equal(11, history.Ranking.Length);
    }

    [Fact]
    public void What_was_split_before_is_split_again_where_a_trial_has_ended()
    {
        var split = new FrontSplit();
        var history = History(s_values);
        Assert.Equal([1, 2, 4], split.Best(history, history.Ranking, 3).ToArray());
        Assert.Equal([1, 2, 4], split.Best(history, history.Ranking, 3).ToArray());
        history.Set(Trial(7, TrialState.Complete) with { Values = [0.5, -0.5] });
        Assert.Equal([1, 2, 7], split.Best(history, history.Ranking, 3).ToArray());
        Assert.Equal([1, 2, 4], split.Best(History(s_values), History(s_values).Ranking, 3).ToArray());
    }

    /// <summary>Up to (4.4, 4.4) points 0 and 2 add 0.4 to the others, 1 adds 4, and 3 is dominated.</summary>
    [Fact]
    public void By_volume_a_good_trial_counts_what_it_adds()
    {
        var history = History([(1, -4), (2, -2), (4, -1), (3, -3)]);
        history.Set(Trial(4, TrialState.Complete) with { Values = [0, 0], Constraints = [1] });
        history.Set(Trial(5, TrialState.Pruned) with { Reports = [new Report(3, 0)] });
        double[] expected = [0.1, 1, 0.1, 1e-12, 1e-12, 1e-12];
        Assert.All(FrontSplit.Weights(history, [0, 1, 2, 3, 4, 5]).Zip(expected), w => Assert.Equal(w.Second, w.First, 1e-14));
        Assert.Equal([1e-12, 1], FrontSplit.Weights(history, [5, 1]));
        Assert.Equal([1e-12], FrontSplit.Weights(history, [4]));
        var endless = History([(1, double.NegativeInfinity), (2, -2)]);
        Assert.Equal([1, 1], FrontSplit.Weights(endless, [0, 1]));
    }

    private static StudyHistory History(IEnumerable<(double First, double Second)> values)
    {
        var history = new StudyHistory(new SearchSpace([new("x", new FloatDomain(0, 1))]), Direction.Minimize, Direction.Maximize);
        foreach (var (first, second) in values)
            history.Set(Trial(history.Trials.Count, TrialState.Complete) with { Values = [first, second] });
        return history;
    }

    private static StudyTrial Trial(int number, TrialState state) => new() { Number = number, State = state, Parameters = ImmutableArray.Create(0.5) };
}
