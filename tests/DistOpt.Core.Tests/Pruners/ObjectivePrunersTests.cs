using DistOpt.Core.Pruners;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Tests.TrialSchedulers;

namespace DistOpt.Core.Tests.Pruners;

/// <summary>Pruning with several objectives.</summary>
public sealed class ObjectivePrunersTests
{
    private static readonly StudyContext s_context = Contexts.Of() with { Directions = [Direction.Minimize, Direction.Maximize] };

    [Fact]
    public void Only_a_trial_that_is_bad_by_every_objective_is_ended()
    {
        var pruners = new ObjectivePruners(PrunerCatalog.Default.Get("median"), new MedianOptions { StartupTrials = 1 }, s_context);
        pruners.Report(0, 1, [5, 5]);
        pruners.End(0, TrialState.Complete, [5, 5]);
        (double Loss, double Accuracy, bool IsBad)[] trials = [(6, 4, true), (6, 6, false), (4, 4, false), (4, 6, false), (double.NaN, 4, true), (5, 4, false)];
        for (int i = 0; i < trials.Length; i++)
        {
            pruners.Report(i + 1, 1, [trials[i].Loss, trials[i].Accuracy]);
            Assert.Equal(trials[i].IsBad, pruners.ShouldPrune(i + 1));
            pruners.End(i + 1, TrialState.Failed, []);
            Assert.False(pruners.ShouldPrune(i + 1));
        }
    }

    /// <summary>A rung of one objective fills also where another objective keeps the trial.</summary>
    [Fact]
    public void Every_objective_is_judged_whatever_the_others_say()
    {
        var options = new SuccessiveHalvingOptions { MinResource = 1, ReductionFactor = 2 };
        var pruners = new ObjectivePruners(PrunerCatalog.Default.Get("successive-halving"), options, s_context);
        pruners.Report(0, 1, [1, 9]);
        Assert.False(pruners.ShouldPrune(0));
        pruners.Report(1, 1, [2, 10]);
        Assert.False(pruners.ShouldPrune(1));
        // worse than the best one of three by either
        pruners.Report(2, 1, [1.5, 9.5]);
        Assert.True(pruners.ShouldPrune(2));
    }

    [Theory]
    [InlineData("1")]
    [InlineData("validation.accuracy")]
    public void One_of_several_objectives_can_be_the_judge(string objective)
    {
        var context = s_context with { Metrics = ["validation.loss", "validation.accuracy"] };
        var pruners = new ObjectivePruners(PrunerCatalog.Default.Get("threshold"), new ThresholdOptions { Lower = 0.5, Objective = objective }, context);
        (double Loss, double Accuracy, bool IsBad)[] trials = [(0.1, 0.6, false), (9, 0.4, true), (double.NaN, 0.9, false), (0.1, double.NaN, true)];
        for (int i = 0; i < trials.Length; i++)
        {
            pruners.Report(i, 1, [trials[i].Loss, trials[i].Accuracy]);
            Assert.Equal(trials[i].IsBad, pruners.ShouldPrune(i));
            pruners.End(i, TrialState.Complete, [trials[i].Loss, trials[i].Accuracy]);
        }
        string error = Assert.Throws<SpecException>(() =>
            new ObjectivePruners(PrunerCatalog.Default.Get("threshold"), new ThresholdOptions { Lower = 0.5, Objective = "2" }, context)).Message;
        Assert.Contains("study.pruner.objective: is '2', which is no objective of the study; give one of validation.loss, validation.accuracy", error);
    }

    [Fact]
    public void There_is_a_value_for_each_objective()
    {
        var pruners = new ObjectivePruners(PrunerCatalog.Default.Get("threshold"), new ThresholdOptions { Upper = 1 }, s_context);
        Assert.True(pruners.IsOrderIndependent);
        Assert.Contains("1 values for 2 objectives", Assert.Throws<ArgumentException>(() => pruners.Report(0, 1, [1])).Message);
        Assert.Contains("0 values for 2 objectives", Assert.Throws<ArgumentException>(() => pruners.End(0, TrialState.Complete, [])).Message);
    }
}
