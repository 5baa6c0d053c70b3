using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Functions;

namespace DistOpt.Core.Tests.Studies.Functions;

/// <summary>What is asked of a study over a function while it runs.</summary>
public sealed class FunctionStudyCommandTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_study_that_is_paused_begins_nothing_its_functions_wait_with_their_next_report_and_go_on_where_they_stood()
    {
        var journal = new ListJournal();
        var study = new FunctionStudy(SomeStudy.Setup(trials: 6, parallel: 2), journal);
        int[] begun = new int[6];
        var paused = new TaskCompletionSource();
        var run = study.RunAsync(async (trial, token) =>
        {
            begun[trial.Number]++;
            for (int step = 1; step <= 3; step++)
            {
                if ((trial.Number, step) == (2, 2))
                {
                    Assert.Equal(default, study.Pause());
                    paused.SetResult();
                }
                Assert.True(await trial.ReportAsync(step, step));
            }
            return trial.Number;
        }, cancellationToken: Token);

        await paused.Task.WaitAsync(Token);
        // those that run have left their slots: a status is of what is stored
        while (study.Status().Live.Any(t => t.State == TrialState.Running)) await Task.Yield();
        var status = study.Status();
        Assert.True(status.IsSuspended);
        Assert.Null(study.Ask());
        int before = begun.Sum();
        Assert.False(run.IsCompleted);
        Assert.Equal(default, study.Resume());

        Assert.Equal(6, (await run).Counts.Complete);
        Assert.Equal(status.Started, before);
        Assert.All(begun, count => Assert.Equal(1, count));
        // each step once
        Assert.Equal(18, journal.Events.OfType<StudyEvent.Reported>().Count());
        Assert.Empty(journal.Events.OfType<StudyEvent.AttemptLost>());
    }

    [Fact]
    public async Task A_function_that_does_not_wait_for_its_reports_goes_on_to_its_end_while_the_study_is_paused()
    {
        var study = new FunctionStudy(SomeStudy.Setup(trials: 3, parallel: 1));
        var run = study.RunAsync(trial =>
        {
            if (trial.Number == 1) study.Pause();
            trial.Report(1, 1);
            Assert.False(trial.ShouldPrune());
            return trial.Number;
        }, cancellationToken: Token);

        while (study.Status().Counts.Complete < 2) await Task.Yield();
        Assert.Equal(2, study.Status().Started);
        study.Resume();
        Assert.Equal(3, (await run).Counts.Complete);
    }

    [Fact]
    public async Task A_trial_is_paused_and_another_one_cancelled_while_the_rest_goes_on()
    {
        var study = new FunctionStudy(SomeStudy.Setup(trials: 5, parallel: 2));
        var answers = new bool?[5];
        var run = study.RunAsync(async (trial, token) =>
        {
            if (trial.Number == 0) study.Pause(0);
            if (trial.Number == 1) study.Cancel(1);
            if (trial.Number == 4) study.Resume(0);
            answers[trial.Number] = await trial.ReportAsync(1, 1);
            return trial.Number;
        }, cancellationToken: Token);
        var status = await run;

        Assert.Equal((4, 1), (status.Counts.Complete, status.Counts.Cancelled));
        Assert.Equal([true, false, true, true, true], answers);
        Assert.Equal(TrialState.Cancelled, study.Trials[1].State);
        Assert.Equal("trial 1 has ended", study.Cancel(1).Refusal ?? "");
    }

    [Fact]
    public async Task More_trials_run_at_a_time_and_in_all_when_it_is_told_so()
    {
        var study = new FunctionStudy(SomeStudy.Setup(trials: 1, parallel: 1));
        var together = new TaskCompletionSource();
        int running = 0;
        var status = await study.RunAsync(async (trial, token) =>
        {
            if (trial.Number == 0)
            {
                Assert.Equal(default, study.SetTrials(6));
                Assert.Equal(default, study.SetParallel(3));
                Assert.Equal("parallel is 0, but must be at least 1", study.SetParallel(0).Refusal);
            }
            if (Interlocked.Increment(ref running) == 3) together.SetResult();
            await together.Task.WaitAsync(token);
            return trial.Number;
        }, cancellationToken: Token);
        Assert.Equal((6, 3), (status.Counts.Complete, status.Parallel));
    }

    [Fact]
    public void Points_wait_for_their_trial_and_those_of_trials_are_tried_again()
    {
        var study = new FunctionStudy(SomeStudy.Setup(trials: 6, parallel: 6));
        Assert.Equal(default, study.Enqueue([0.5, 3, 0, double.NaN], fromTrial: 2));
        var first = study.Ask()!;
        Assert.Equal(default, study.EnqueueTrial(0, [0.25, double.NaN, double.NaN, double.NaN]));
        Assert.Equal(default, study.EnqueueTrial(0, fromTrial: 3));
        Assert.NotNull(study.EnqueueTrial(1).Refusal);
        FunctionTrial[] rest = [study.Ask()!, study.Ask()!, study.Ask()!];
        Assert.Equal([0.25, 0.5, first.Float("x")], rest.Select(t => t.Float("x")));
        Assert.Equal([first.Int("n"), 3, first.Int("n")], rest.Select(t => t.Int("n")));
    }

    [Fact]
    public void What_is_to_be_known_of_a_trial_may_be_said_by_its_number_also_after_its_end()
    {
        var study = new FunctionStudy(SomeStudy.Setup());
        study.Tell(study.Ask()!, 1);
        study.SetUserAttribute("note", "good", trial: 0);
        Assert.Equal("good", study.Trials[0].UserAttributes["note"].GetString());
        Assert.Empty(study.UserAttributes);
        Assert.Contains("there is no trial 1; there are 1", Assert.Throws<ArgumentException>(() => study.SetUserAttribute("note", 1, trial: 1)).Message);
        Assert.Throws<ArgumentException>(() => study.SetUserAttribute("", 1));
    }

    [Fact]
    public async Task A_study_that_was_paused_is_so_when_it_is_opened_again()
    {
        var journal = new ListJournal();
        var study = new FunctionStudy(SomeStudy.Setup(trials: 3), journal);
        study.Tell(study.Ask()!, 1);
        study.Pause();
        var again = new FunctionStudy(SomeStudy.Setup(trials: 3), journal);
        Assert.Null(again.Ask());
        Assert.True(again.Status().IsSuspended);
        again.Resume();
        Assert.Equal(3, (await again.RunAsync(trial => 1, cancellationToken: Token)).Counts.Complete);
    }
}
