using DistOpt.Core.Randomness;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Tests.TrialSchedulers;

/// <summary>Asynchronous successive halving that stops trials.</summary>
public sealed class StoppingAshaTests
{
    private static readonly AshaOptions s_options = new() { Variant = AshaVariant.Stopping };

    /// <summary>By hand: eta = 4, so the cutoff of losses is their 25th percentile.</summary>
    [Fact]
    public void A_trial_ends_where_it_is_worse_than_the_best_quarter_of_those_before_it()
    {
        var scheduler = s_options.Create(Contexts.Of(length: 100));
        for (int i = 0; i < 8; i++) Assert.Equal(new SlotDecision(SlotAction.Start, i, 1), scheduler.Next(i));
        Assert.Equal(SlotAction.Wait, scheduler.Next(null).Action);
        Assert.Equal(ReportAction.Continue, scheduler.Report(0, 1, 10));
        // worse than the only one
        Assert.Equal(ReportAction.Prune, scheduler.Report(1, 1, 11));
        // 10 11: cutoff 10.25
        Assert.Equal(ReportAction.Prune, scheduler.Report(2, 1, 10.5));
        // 10 10.5 11: cutoff 10.25, which itself is not worse
        Assert.Equal(ReportAction.Continue, scheduler.Report(3, 1, 10.25));
        Assert.Equal(ReportAction.Prune, scheduler.Report(4, 1, double.NaN));
        // between rungs nothing is decided
        Assert.Equal(ReportAction.Continue, scheduler.Report(3, 3, 1000));
        Assert.Equal(ReportAction.Continue, scheduler.Report(3, 4, 5));
        Assert.Equal(ReportAction.Prune, scheduler.Report(0, 4, 6));
        // twice is as once, and those who have ended stay so
        Assert.Equal(ReportAction.Continue, scheduler.Report(3, 4, 99));
        Assert.Equal(ReportAction.Prune, scheduler.Report(0, 16, 0));
        Assert.Equal(ReportAction.Complete, scheduler.Report(3, 100, 5));
        Assert.Equal([5, 2, 0, 0], scheduler.Rungs.Select(r => r.Entered));
        Assert.Equal([2, 1, 0, 0], scheduler.Rungs.Select(r => r.Promoted));
        Assert.Equal([1, 4, 16, 64], scheduler.Rungs.Select(r => r.Resource));
    }

    /// <summary>A report goes to the highest rung at or below it that has none of the trial's; the next one to the one below.</summary>
    [Fact]
    public void A_report_that_passes_several_rungs_counts_at_the_highest_one()
    {
        var scheduler = s_options.Create(Contexts.Of(length: 100));
        scheduler.Next(0);
        scheduler.Report(0, 20, 1);
        Assert.Equal([0, 0, 1, 0], scheduler.Rungs.Select(r => r.Entered));
        scheduler.Report(0, 21, 1);
        Assert.Equal([0, 1, 1, 0], scheduler.Rungs.Select(r => r.Entered));
    }

    /// <summary>Against the rule as it stands, with numpy's percentile over a list, in a study with several reports between rungs.</summary>
    [Theory, InlineData(Direction.Minimize), InlineData(Direction.Maximize)]
    public void Every_decision_is_that_of_the_rule(Direction direction)
    {
        var scheduler = (s_options with { ReductionFactor = 3, MinResource = 2, Brackets = 2 }).Create(Contexts.Of(length: 60, direction));
        double sign = direction == Direction.Maximize ? 1 : -1;
        long[][] rungs = [[2, 6, 18, 54], [6, 18, 54]];
        var recorded = rungs.Select(r => r.Select(_ => new Dictionary<int, double>()).ToArray()).ToArray();
        var brackets = new Dictionary<int, int>();
        int pruned = 0;
        var simulation = new SchedulerSimulation(scheduler, workers: 20, trials: 300)
        {
            Every = 1,
            Value = (trial, resource) => new CounterRandom(1, RandomPurpose.Simulation, trial).NextDouble()
                + new CounterRandom(1, RandomPurpose.Simulation, trial, resource).NextDouble() / resource,
            Duration = (trial, _, to) => 0.5 + new CounterRandom(1, RandomPurpose.Simulation, trial, to, 1).NextDouble(),
        };
        simulation.OnDecision = d => brackets[d.Trial] = d.Bracket;
        simulation.OnReport = (trial, resource, action) =>
        {
            int b = brackets[trial];
            double reward = sign * simulation.Value(trial, resource);
            var expected = resource >= 60 ? ReportAction.Complete : ReportAction.Continue;
            for (int k = rungs[b].Length - 1; k >= 0 && expected != ReportAction.Complete; k--)
            {
                if (resource < rungs[b][k] || recorded[b][k].ContainsKey(trial)) continue;
                if (recorded[b][k].Count > 0 && reward < Percentile([.. recorded[b][k].Values.Order()], 2.0 / 3)) expected = ReportAction.Prune;
                recorded[b][k].Add(trial, reward);
                break;
            }
            Assert.Equal(expected, action);
            if (action == ReportAction.Prune) pruned++;
        };
        simulation.Run();
        Assert.True(pruned > 150 && simulation.Completed.Count > 5);
        Assert.Equal(recorded.SelectMany(b => b.Select(r => r.Count)), scheduler.Rungs.Select(r => r.Entered));
        // softmax of 4 and 3 rungs: 73 and 27 %
        Assert.InRange(brackets.Values.Count(b => b == 1), 55, 110);
    }

    private static double Percentile(double[] sorted, double q)
    {
        double at = (sorted.Length - 1) * q;
        int below = (int)at;
        return below + 1 < sorted.Length ? sorted[below] + (at - below) * (sorted[below + 1] - sorted[below]) : sorted[below];
    }
}
