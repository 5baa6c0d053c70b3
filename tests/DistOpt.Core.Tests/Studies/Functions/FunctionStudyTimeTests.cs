using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Functions;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Tests.Studies.Functions;

/// <summary>Trials that may compute for so many seconds.</summary>
public sealed class FunctionStudyTimeTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_function_that_computes_for_too_long_is_told_so_and_its_slot_goes_to_the_next_trial()
    {
        Assert.Contains("study.trial_timeout is 10", Assert.Throws<InvalidOperationException>(() => new FunctionStudy(SomeStudy.Setup() with { TrialTimeout = 10 }).Ask()).Message);
        var time = new ManualTime();
        var ends = new List<StudyEvent.Ended>();
        var journal = new ListJournal();
        var study = new FunctionStudy(SomeStudy.Setup(trials: 5, parallel: 1) with { TrialTimeout = 10 }, journal) { Time = time };
        var hangs = new TaskCompletionSource();
        var run = study.RunAsync(async (trial, token) =>
        {
            if (trial.Number != 2)
            {
                time.Pass(seconds: 4);
                return trial.Number;
            }
            hangs.SetResult();
            await Task.Delay(Timeout.Infinite, token);
            return -1;
        }, cancellationToken: Token);
        await hangs.Task.WaitAsync(Token);
        await time.TimerAsync(secondsFromStart: 18).WaitAsync(Token);
        time.Pass(seconds: 9);
        Assert.Equal(2, study.Status().Counts.Complete);
        Assert.Equal(0, study.Status().Counts.Failed);
        time.Pass(seconds: 1);
        var status = await run;
        Assert.Equal((StudyStopReason.Trials, 4, 1), (status.End, status.Counts.Complete, status.Counts.Failed));
        var late = journal.Events.OfType<StudyEvent.Ended>().Single(e => e.State == TrialState.Failed);
        Assert.Equal((2, TrialEndCause.TimedOut, 10.0), (late.Trial, late.Cause, late.Seconds));
        Assert.All(journal.Events.OfType<StudyEvent.Ended>().Where(e => e.State == TrialState.Complete), e => Assert.Equal(4, e.Seconds));
    }

    /// <summary>It waits for as long as others need, and has what is left of its time when it goes on.</summary>
    [Fact]
    public async Task Time_that_a_trial_waits_is_not_its_own_and_a_report_that_comes_too_late_ends_it()
    {
        var time = new ManualTime();
        var journal = new ListJournal();
        var setup = SomeStudy.Setup(trials: 32, parallel: 1) with { TrialTimeout = 40, TrialScheduler = c => new AshaOptions().Create(c) };
        var study = new FunctionStudy(setup, journal) { Time = time };
        var status = await study.RunAsync(async (trial, _) =>
        {
            for (int step = 1; ; step++)
            {
                // 16 steps take 32 seconds, but for one trial that is slow
                time.Pass(seconds: trial.Number == 5 ? 50 : 2);
                if (!await trial.ReportAsync(trial.Number, step)) return trial.Number;
            }
        }, cancellationToken: Token);
        Assert.Equal((StudyStopReason.Trials, 1), (status.End, status.Counts.Failed));
        Assert.True(status.Counts.Complete > 0, $"{status.Counts}");
        Assert.Equal((5, TrialEndCause.TimedOut),
            journal.Events.OfType<StudyEvent.Ended>().Where(e => e.State == TrialState.Failed).Select(e => (e.Trial, e.Cause)).Single());
    }

    [Fact]
    public void A_value_that_is_told_after_the_trial_has_had_its_time_does_not_count()
    {
        var time = new ManualTime();
        var study = new FunctionStudy(SomeStudy.Setup(parallel: 2) with { TrialTimeout = 10 }) { Time = time };
        var (first, second) = (study.Ask()!, study.Ask()!);
        time.Pass(seconds: 6);
        Assert.True(study.Tell(first, 1));
        var third = study.Ask()!;
        time.Pass(seconds: 6);
        Assert.False(study.Tell(second, 0));
        Assert.True(study.Tell(third, 2));
        Assert.Equal((2, 1), (study.Status().Counts.Complete, study.Status().Counts.Failed));
    }
}
