using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Tests.Samplers;

public sealed class GridSamplerTests
{
    private static readonly SearchSpace s_space = new(
    [
        new("share", new FloatDomain(0, 0.3, step: 0.1)),
        new("kind", new ChoiceDomain(["adam", "sgd", "lion"])),
        new("momentum", new FloatDomain(0.5, 0.9, step: 0.2), new Condition("kind", Among: [1])),
        new("depth", new IntDomain(1, 3)),
        new("width", new IntDomain(4, 7, log: true), new Condition("depth", Least: 2)),
        new("nested", new IntDomain(0, 10, step: 5), new Condition("momentum", Least: 0.7)),
        new("fixed", new FloatDomain(2, 2)),
    ]);

    [Fact]
    public void Every_configuration_of_a_conditional_space_comes_once_and_then_there_are_no_more()
    {
        var history = Run(seed: 3);
        // share x (adam, lion, sgd with 0.5, with 0.7 or 0.9 and nested) x (depth 1, 2 or 3 with width)
        const int all = 4 * (2 + 1 + 2 * 3) * (1 + 2 * 4);
        Assert.Equal(all, s_space.Size);
        Assert.Equal(all, history.Trials.Count);
        Assert.All(history.Trials, t => Assert.Empty(s_space.Check([.. t.Parameters])));
        Assert.Equal(all, history.Trials.Select(t => string.Join(' ', t.Parameters)).Distinct().Count());
        var more = Assert.Throws<InvalidOperationException>(() => new GridSampler().Suggest(history, 3, all, new double[7]));
        Assert.Contains($"all {all} configurations", more.Message);
    }

    [Fact]
    public void The_seed_shuffles_the_order()
    {
        static string[] Order(long seed) => [.. Run(seed).Trials.Select(t => string.Join(' ', t.Parameters))];
        Assert.Equal(Order(1), Order(1));
        Assert.NotEqual(Order(1), Order(2));
        Assert.Equal(Order(1).Order(), Order(2).Order());
    }

    [Fact]
    public void What_was_tried_by_hand_is_not_tried_again_and_nothing_is_left_out()
    {
        var later = Run(seed: 1).Trials.Skip(100).Take(5).Select(t => t.Parameters).ToList();
        var history = new StudyHistory(s_space, Direction.Minimize);
        foreach (var parameters in later) Add(history, [.. parameters]);
        Run(1, history);
        Assert.Equal(s_space.Size, history.Trials.Count);
        Assert.Equal(s_space.Size, history.Trials.Select(t => string.Join(' ', t.Parameters)).Distinct().Count());
    }

    [Fact]
    public void What_breaks_a_constraint_is_left_out()
    {
        static bool Holds(ReadOnlySpan<double> x) => x[0] + x[3] <= 2.05;
        var history = Run(1, null, new GridSampler(Holds));
        Assert.All(history.Trials, t => Assert.True(Holds(t.Parameters.AsSpan())));
        Assert.Equal(Run(1).Trials.Count(t => Holds(t.Parameters.AsSpan())), history.Trials.Count);
        Assert.Equal(history.Trials.Count, history.Trials.Select(t => string.Join(' ', t.Parameters)).Distinct().Count());
    }

    [Fact]
    public void A_rank_belongs_to_each_configuration()
    {
        var all = new SpaceEnumeration(s_space);
        double[] values = new double[s_space.Count];
        for (long rank = 0; rank < all.Count; rank++)
        {
            all.At(rank, values);
            Assert.Equal(rank, all.RankOf(values));
        }
        Assert.Equal(s_space.Size, all.Count);
        Assert.Throws<ArgumentOutOfRangeException>(() => all.At(all.Count, values));
    }

    [Fact]
    public void A_continuum_is_refused_by_name_and_a_list_that_is_too_long_too()
    {
        var continuous = new SearchSpace([new("a", new FloatDomain(0, 1)), new("b", new IntDomain(0, 1)), new("c", new FloatDomain(1, 2, log: true))]);
        Assert.Equal(["space.a", "space.c"], new GridSampler().Check(continuous, 1).Select(v => v.Path));
        var huge = new SearchSpace(Enumerable.Range(0, 5).Select(i => new SearchParameter($"p{i}", new IntDomain(1, 1_000_000))));
        Assert.Contains("63 bits", Assert.Single(new GridSampler().Check(huge, 1)).Message);
        var wide = new SearchSpace([new("p", new IntDomain(1, 2_000_000)), new("q", new IntDomain(0, 1), new Condition("p", Least: 5))]);
        Assert.Contains("at most 1000000", Assert.Single(new GridSampler().Check(wide, 1)).Message);
        Assert.Empty(new GridSampler().Check(s_space, 3));
    }

    private static StudyHistory Run(long seed, StudyHistory? history = null, GridSampler? sampler = null)
    {
        history ??= new StudyHistory(s_space, Direction.Minimize);
        sampler ??= new GridSampler();
        double[] values = new double[s_space.Count];
        while (sampler.HasMore(history))
        {
            sampler.Suggest(history, seed, history.Trials.Count, values);
            Add(history, values);
        }
        return history;
    }

    private static void Add(StudyHistory history, double[] values) =>
        history.Set(new StudyTrial { Number = history.Trials.Count, State = TrialState.Running, Parameters = [.. values] });
}
