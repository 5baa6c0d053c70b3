using DistOpt.Core.Specs;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Tests.TrialSchedulers;

/// <summary>Hyperband's brackets.</summary>
public sealed class HyperbandTests
{
    /// <summary>The paper's example, R = 81 and eta = 3, with the ceil form of n_s.</summary>
    [Fact]
    public void The_brackets_have_the_rungs_and_shares_of_the_paper()
    {
        var scheduler = new Hyperband(new HyperbandOptions(), Contexts.Of(length: 81));
        Assert.Equal([81, 34, 15, 8, 5], scheduler.Shares);
        long[] rungs = [1, 3, 9, 27, 81];
        var brackets = scheduler.Rungs.GroupBy(r => r.Bracket).ToList();
        Assert.Equal(5, brackets.Count);
        Assert.All(brackets, b => Assert.Equal(rungs[b.Key..], b.Select(r => r.Resource)));
    }

    [Theory]
    [InlineData(1, 100, 3.0, new long[] { 1, 4, 11, 33, 100 }, new long[] { 81, 34, 15, 8, 5 })]
    [InlineData(10, 100, 3.0, new long[] { 11, 33, 100 }, new long[] { 9, 5, 3 })]
    [InlineData(4, 64, 4.0, new long[] { 4, 16, 64 }, new long[] { 16, 6, 3 })]
    [InlineData(5, 7, 3.0, new long[] { 7 }, new long[] { 1 })]
    public void Other_resources_give_other_brackets(long least, long most, double eta, long[] rungs, long[] shares)
    {
        var scheduler = new Hyperband(new HyperbandOptions { MinResource = least, MaxResource = most, ReductionFactor = eta }, Contexts.Of());
        Assert.Equal(shares, scheduler.Shares);
        Assert.Equal(rungs, scheduler.Rungs.Where(r => r.Bracket == 0).Select(r => r.Resource));
    }

    /// <summary>Whole rounds have exactly n_s trials in bracket s, and at no time is a bracket more than one trial off its share.</summary>
    [Fact]
    public void Trials_go_to_the_brackets_in_rotation_by_their_shares()
    {
        var scheduler = new Hyperband(new HyperbandOptions(), Contexts.Of(length: 81));
        long[] started = new long[5];
        for (int i = 0; i < 3 * 143; i++)
        {
            var decision = scheduler.Next(i);
            Assert.Equal(scheduler.Rungs.First(r => r.Bracket == decision.Bracket).Resource, decision.Until);
            started[decision.Bracket]++;
            Assert.All(Enumerable.Range(0, 5), b => Assert.InRange(started[b] - scheduler.Shares[b] * (i + 1.0) / 143, -1, 1));
            if ((i + 1) % 143 == 0) Assert.Equal(scheduler.Shares.Select(n => n * (i + 1) / 143), started);
        }
    }

    /// <summary>One round whose later trials are worse: n_i = floor(n / eta^i) in rung i of each bracket, as in synchronous Hyperband.</summary>
    [Fact]
    public void Each_bracket_halves_successively()
    {
        var scheduler = new Hyperband(new HyperbandOptions(), Contexts.Of(length: 81));
        new SchedulerSimulation(scheduler, workers: 1, trials: 143) { Value = (trial, _) => trial, Duration = (_, from, to) => to - from }.Run();
        Assert.Equal([81, 27, 9, 3, 1, 34, 11, 3, 1, 15, 5, 1, 8, 2, 5], scheduler.Rungs.Select(r => r.Entered));
    }

    [Fact]
    public void What_cannot_be_is_named()
    {
        Assert.Contains("is auto", Assert.Throws<SpecException>(() => new Hyperband(new HyperbandOptions(), Contexts.Of())).Message);
        Assert.Contains("trials end at 5", Assert.Single(new HyperbandOptions { MinResource = 6 }.Check(Contexts.Of(length: 5))).Message);
    }
}
