using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Tests.Studies.Engine;

namespace DistOpt.Core.Tests.Studies;

public sealed class NoBestTests
{
    [Theory]
    [InlineData(0, 0, StudyStopReason.Trials, "no trial is complete")]
    [InlineData(0, 3, StudyStopReason.Trials, "no trial is complete")]
    [InlineData(0, 3, null, null)]
    [InlineData(1, 0, null, "no trial is feasible: the one that is complete misses a constraint")]
    [InlineData(1200, 3, StudyStopReason.Cancelled, "no trial is feasible: each of the 1,200 that are complete misses a constraint")]
    public void Why_there_is_no_best_trial_is_said(int complete, int pruned, StudyStopReason? end, string? why)
    {
        var status = Status() with { Counts = new(0, 0, 0, complete, pruned, 0, 0), End = end };
        Assert.Equal(why, NoBest.Of(status, null));
        Assert.Null(NoBest.Of(status with { Best = new(0, [], [0.5]) }, null));
        Assert.Null(NoBest.Of(status with { Front = [new(0, [], [0.5, 1])] }, null));
    }

    /// <summary>Of trials that pruners end it is not rungs that are to be changed.</summary>
    [Theory]
    [InlineData("asha", true)]
    [InlineData("hyperband", true)]
    [InlineData("fifo", false)]
    public void What_to_do_is_said_where_trials_have_not_come_to_the_last_rung(string scheduler, bool isSaid)
    {
        var spec = StudyFixture.Parse($"study: {{ metric: validation.loss, trial_scheduler: {scheduler}, trials: 30 }}\ntraining: {{ epochs: 9 }}\n"
            + "space: { optimizer.learning_rate: { float: [1e-4, 1e-1] } }\n");
        string why = NoBest.Of(Status() with { Counts = new(0, 0, 0, 0, 30, 0, 0), End = StudyStopReason.Trials }, spec)!;
        Assert.Equal(isSaid ? $"no trial is complete: {scheduler} has ended 30 early and has sent none on to the last rung; with more trials, "
            + "a smaller reduction_factor or a lower max_resource some come there" : "no trial is complete", why);
    }

    private static StudyStatus Status() => new EngineFixture(EngineFixture.Random()).Engine.Status();
}
