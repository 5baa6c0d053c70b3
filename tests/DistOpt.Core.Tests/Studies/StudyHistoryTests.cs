using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Tests.Studies;

/// <summary>The orders in which the trials of a study are kept.</summary>
public sealed class StudyHistoryTests
{
    private static readonly SearchSpace s_space = new([new("x", new FloatDomain(0, 10)), new("y", new FloatDomain(1, 10, log: true), new Condition("x", Least: 5))]);

    private readonly StudyHistory _history = new(s_space, Direction.Maximize);

    [Fact]
    public void The_best_come_first_then_the_pruned_by_how_far_they_came_then_those_that_miss_constraints()
    {
        Add(0, TrialState.Complete, 1);
        Add(1, TrialState.Complete, 3);
        Add(2, TrialState.Failed);
        Add(3, TrialState.Pruned, reports: [new(1, 9), new(4, 2)]);
        Add(4, TrialState.Pruned, reports: [new(8, 1)]);
        Add(5, TrialState.Pruned);
        Add(6, TrialState.Complete, 99, constraint: 2);
        Add(7, TrialState.Complete, 99, constraint: 1);
        Add(8, TrialState.Running);
        Add(9, TrialState.Complete, 3);
        Add(10, TrialState.Pruned, reports: [new(4, double.NaN)]);
        Add(11, TrialState.Pruned, reports: [new(4, 5)]);

        Assert.Equal([1, 9, 0, 4, 11, 3, 10, 5, 7, 6], _history.Ranking.ToArray());
        Assert.Equal(-3, _history.Loss(_history.Trials[1]));
    }

    [Fact]
    public void Each_parameters_values_are_in_order_and_on_their_scale_and_those_without_one_are_left_out()
    {
        double[] xs = [7, 2, 9, 2, 5];
        for (int i = 0; i < xs.Length; i++) Add(i, TrialState.Running, x: xs[i]);

        Assert.Equal([1, 3, 4, 0, 2], _history.Ordered(0).ToArray());
        Assert.Equal([4, 0, 2], _history.Ordered(1).ToArray());
        Assert.Equal([Math.Log(7), double.NaN, Math.Log(9), double.NaN, Math.Log(5)], _history.Scaled(1).ToArray());
    }

    [Fact]
    public void It_knows_which_trials_had_ended_when_another_one_was_added()
    {
        Add(0, TrialState.Running);
        Add(1, TrialState.Running);
        Add(2, TrialState.Complete, 1);
        Add(1, TrialState.Failed);
        Add(3, TrialState.Running);
        Add(0, TrialState.Pruned);
        Assert.Equal([2, 1, 0], _history.Ended.ToArray());
        Assert.Equal([0, 0, 0, 2], Enumerable.Range(0, 4).Select(_history.SeenBy));
    }

    [Fact]
    public void A_trial_ends_once_with_the_parameters_that_it_was_given_and_none_is_left_out()
    {
        Add(0, TrialState.Running);
        Assert.Empty(_history.Ranking.ToArray());
        Assert.Contains("is not the next one", Assert.Throws<ArgumentException>(() => Add(2, TrialState.Running)).Message);
        Assert.Contains("other parameters", Assert.Throws<ArgumentException>(() => Add(0, TrialState.Complete, 1, x: 3)).Message);
        Assert.Contains("0 values for 1 objectives", Assert.Throws<ArgumentException>(() => Add(1, TrialState.Complete)).Message);
        Add(0, TrialState.Complete, 1);
        Assert.Equal([0], _history.Ranking.ToArray());
        Assert.Contains("has ended before", Assert.Throws<ArgumentException>(() => Add(0, TrialState.Failed)).Message);
    }

    private void Add(int number, TrialState state, double? value = null, Report[]? reports = null, double? constraint = null, double x = 6) =>
        _history.Set(new StudyTrial
        {
            Number = number,
            State = state,
            Parameters = [x, x >= 5 ? x : double.NaN],
            Values = value is { } v ? [v] : [],
            Reports = [.. reports ?? []],
            Constraints = constraint is { } c ? [c] : [],
        });
}
