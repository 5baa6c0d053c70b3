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

    /// <summary>As one that was pruned there, until it has come farther.</summary>
    [Fact]
    public void A_paused_trial_is_ranked_by_where_it_stands()
    {
        Add(0, TrialState.Pruned, reports: [new(4, 5)]);
        Add(1, TrialState.Paused, reports: [new(4, 6)]);
        Add(2, TrialState.Paused, reports: [new(1, 9)]);
        Add(3, TrialState.Paused);
        Assert.Equal([1, 0, 2], _history.Ranking.ToArray());
        Add(2, TrialState.Paused, reports: [new(16, 1)]);
        Assert.Equal([2, 1, 0], _history.Ranking.ToArray());
        Add(1, TrialState.Complete, 3);
        Add(2, TrialState.Failed);
        Assert.Equal([1, 0], _history.Ranking.ToArray());
        Assert.Equal([0, 1, 2], _history.Ended.ToArray());
    }

    /// <summary>Many that come at once are merged, few are inserted: the order is the same.</summary>
    [Fact]
    public void The_order_does_not_depend_on_when_it_is_asked_for()
    {
        var often = new StudyHistory(s_space, Direction.Maximize);
        for (int i = 0; i < 300; i++)
        {
            double x = i * 7919 % 1000 / 100.0;
            var trial = new StudyTrial { Number = i, State = TrialState.Complete, Parameters = [x, x >= 5 ? 1 + x / 2 : double.NaN], Values = [i * 31 % 17] };
            often.Set(trial);
            _history.Set(trial);
            if (i % 3 == 0) Assert.Equal(i + 1, often.Ranking.Length + 0 * (often.Ordered(0).Length + often.Ordered(1).Length));
        }
        Assert.Equal(often.Ranking.ToArray(), _history.Ranking.ToArray());
        Assert.Equal(often.Ordered(0).ToArray(), _history.Ordered(0).ToArray());
        Assert.Equal(often.Ordered(1).ToArray(), _history.Ordered(1).ToArray());
        Assert.Equal(_history.Trials.OrderByDescending(t => t.Values[0]).Select(t => t.Number), _history.Ranking.ToArray());
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

    /// <summary>Of one that has copied another one's state.</summary>
    [Fact]
    public void A_trial_that_came_to_its_value_by_other_parameters_is_known_by_those()
    {
        Add(0, TrialState.Running, x: 6);
        Add(1, TrialState.Complete, 2, x: 7);
        Assert.Equal([0, 1], _history.Ordered(0).ToArray());
        var before = _history.Trials[0];
        _history.Set(before with { State = TrialState.Complete, Values = [1], Parameters = [8, double.NaN], Drawn = before.Drawn });
        Assert.Equal([1, 0], _history.Ordered(0).ToArray());
        Assert.Equal([1], _history.Ordered(1).ToArray());
        Assert.Equal([8, 7], _history.Scaled(0).ToArray());
        Assert.Equal(double.NaN, _history.Scaled(1)[0]);
        Assert.Equal((8, 6), (_history.Trials[0].Parameters[0], _history.Trials[0].Drawn[0]));
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
