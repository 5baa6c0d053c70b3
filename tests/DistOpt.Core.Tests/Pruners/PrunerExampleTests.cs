using DistOpt.Core.Pruners;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Tests.TrialSchedulers;

namespace DistOpt.Core.Tests.Pruners;

/// <summary>Single judgements worked out by hand.</summary>
public sealed class PrunerExampleTests
{
    [Fact]
    public void The_median_is_of_complete_trials_at_exactly_this_step_and_the_trial_has_its_best_value_so_far()
    {
        var pruner = new PercentilePruner(new MedianOptions { StartupTrials = 3 }, Contexts.Of());
        for (int i = 0; i < 3; i++)
        {
            pruner.Report(i, 1, 10 * i);
            pruner.Report(i, 3, i);
            if (i < 2) pruner.End(i, TrialState.Complete, i);
        }
        // two are complete
        pruner.Report(3, 1, 99);
        Assert.False(pruner.ShouldPrune(3));
        pruner.End(2, TrialState.Complete, 2);
        // at step 1 the median is 10
        Assert.True(pruner.ShouldPrune(3));
        // nobody has reported at step 2
        pruner.Report(3, 2, 98);
        Assert.False(pruner.ShouldPrune(3));
        // at step 3 it is 1, which the trial's best value equals
        pruner.Report(4, 2, 1);
        pruner.Report(4, 3, 50);
        Assert.False(pruner.ShouldPrune(4));
    }

    [Fact]
    public void Steps_of_the_signed_rank_test_are_folds_in_any_order()
    {
        var pruner = new WilcoxonPruner(new WilcoxonOptions(), Contexts.Of(direction: Direction.Maximize));
        foreach (int fold in new[] { 4, 2, 0, 1, 3 }) pruner.Report(0, fold, 0.9 + 0.01 * fold);
        pruner.End(0, TrialState.Complete, 0.92);
        var judged = new List<bool>();
        foreach (int fold in new[] { 1, 3, 0, 4 })
        {
            pruner.Report(1, fold, 0.8 + 0.02 * fold);
            judged.Add(pruner.ShouldPrune(1));
        }
        // of one, two, three and four worse folds the p-values are 1/2, 1/4, 1/8 and 1/16
        Assert.Equal([false, false, false, true], judged);
    }

    /// <summary>Of n runs that are all worse the probability between equals is 2^-n, and the last run completes the trial.</summary>
    [Theory]
    [InlineData(1, 0.1, 2, null)]
    [InlineData(2, 0.1, 2, 5)]
    [InlineData(4, 0.1, 2, 5)]
    [InlineData(5, 0.1, 2, null)]
    [InlineData(4, 0.25, 2, null)]
    [InlineData(3, 0.25, 2, 4)]
    [InlineData(5, 0.1, 6, 7)]
    [InlineData(7, 0.1, 6, null)]
    public void A_signed_rank_test_that_can_end_no_trial_is_refused(int repeats, double threshold, int startup, int? enough)
    {
        var context = Contexts.Of() with { Repeats = repeats };
        var violations = new WilcoxonOptions { PThreshold = threshold, StartupSteps = startup }.Check(context).ToList();
        if (enough is null) Assert.Empty(violations);
        else Assert.Contains($"use study.repeats {enough} or more", Assert.Single(violations).Message);
        if (repeats == 5) Assert.Contains("p_threshold above 0", Assert.Single(new WilcoxonOptions { PThreshold = 0 }.Check(context)).Message);
    }

    [Fact]
    public void Patience_is_counted_in_reports_and_min_delta_is_what_counts_as_better()
    {
        bool[] Judge(double delta)
        {
            var pruner = new PatientPruner(new PatientOptions { Patience = 1, MinDelta = delta }, null, Contexts.Of());
            double[] values = [5, 4, 4.5, 4.2, 4.4, 3];
            return [.. values.Select((v, i) =>
            {
                pruner.Report(0, 10 * i, v);
                return pruner.ShouldPrune(0);
            })];
        }

        Assert.Equal([false, false, false, true, true, false], Judge(0));
        Assert.Equal([false, false, false, false, false, false], Judge(0.3));
    }
}
