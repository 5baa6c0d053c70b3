using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Tests.Studies.Engine;

/// <summary>A study that is to have more trials, or fewer, than it began with.</summary>
public sealed class StudyTrialsTests
{
    [Fact]
    public void A_study_that_had_all_its_trials_goes_on_with_more_and_ends_anew()
    {
        var study = new EngineFixture(EngineFixture.Random(trials: 2));
        End(study);
        Assert.Equal((StudyStopReason.Trials, 2), (study.Engine.End, study.Engine.Started));

        study.Rebuild();
        Assert.Equal(new CommandAnswer(), study.Engine.SetTrials("k", 5));
        Assert.True(study.Engine.SetTrials("k", 5).IsRepeat);
        Assert.Equal("key 'k' was used for another command, 'set trials 5'", study.Engine.SetTrials("k", 6).Refusal);
        Assert.Null(study.Engine.End);
        Assert.Equal(5, study.Engine.Status().Trials);
        study.Engine.Reopen(_ => false);
        End(study);

        var status = study.Engine.Status();
        Assert.Equal((StudyStopReason.Trials, 5, 5, 1), (status.End, status.Started, status.Counts.Complete, status.Sessions));
        // suggestions are those of a study that was begun with five
        var whole = new EngineFixture(EngineFixture.Random(trials: 5));
        End(whole);
        Assert.Equal(Parameters(whole), Parameters(study));
        // and it is the same once more from its journal
        int events = study.Journal.Count;
        study.Rebuild();
        Assert.Equal((StudyStopReason.Trials, 5, events), (study.Engine.End, study.Engine.Status().Trials, study.Journal.Count));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Paused_trials_that_ended_with_the_study_stay_ended_and_new_ones_compare_with_them(bool deterministic)
    {
        var study = new EngineFixture(EngineFixture.Random(trials: 6, parallel: 1, deterministic) with { TrialScheduler = EngineFixture.Asha });
        Run(study);
        Assert.Equal(StudyStopReason.Trials, study.Engine.End);
        int pruned = study.Engine.Status().Counts.Pruned;
        Assert.NotEqual(0, pruned);
        var ended = study.Journal.OfType<StudyEvent.Ended>().Select(e => e.Trial).ToHashSet();

        study.Rebuild();
        study.Engine.SetTrials(null, 20);
        study.Engine.Reopen(_ => false);
        int before = study.Journal.Count;
        Run(study);

        var status = study.Engine.Status();
        Assert.Equal((StudyStopReason.Trials, 20), (status.End, status.Counts.Complete + status.Counts.Pruned));
        Assert.DoesNotContain(study.Journal.Skip(before).OfType<StudyEvent.AttemptBegun>(), e => ended.Contains(e.Trial));
        Assert.All(study.Journal.OfType<StudyEvent.Ended>().GroupBy(e => e.Trial), g => Assert.Single(g));
        // rungs go on from where they were
        Assert.Equal(20, status.Rungs[0].Entered);
        int events = study.Journal.Count;
        study.Rebuild();
        Assert.Equal((StudyStopReason.Trials, events), (study.Engine.End, study.Journal.Count));
    }

    [Fact]
    public void A_study_that_runs_has_more_or_fewer_from_now_on_but_those_that_have_begun()
    {
        var study = new EngineFixture(EngineFixture.Random(trials: 10, parallel: 3));
        for (int i = 0; i < 3; i++) study.Order();
        Assert.Equal("trials is 2, but must be at least 3: 3 have begun", study.Engine.SetTrials(null, 2).Refusal);
        Assert.Equal(new CommandAnswer(), study.Engine.SetTrials(null, 3));
        foreach (var id in study.Engine.Attempts.ToList()) study.Engine.Complete(id, [1]);
        Assert.Equal(StudyStopReason.Trials, study.Engine.Decide().End);
        Assert.Equal(3, study.Engine.Started);
        // as many as it has: it has ended still
        Assert.Equal(new CommandAnswer(), study.Engine.SetTrials(null, 3));
        Assert.Equal(StudyStopReason.Trials, study.Engine.End);
    }

    [Fact]
    public void What_has_ended_otherwise_does_not_go_on()
    {
        var study = new EngineFixture(EngineFixture.Random(trials: 2));
        study.Engine.Cancel(null);
        Assert.Equal("the study has ended (Cancelled), and not since it had had all its trials", study.Engine.SetTrials(null, 9).Refusal);
        Assert.Equal("trials is 0, but must be at least 1: 0 have begun", new EngineFixture(EngineFixture.Random(trials: 2)).Engine.SetTrials(null, 0).Refusal);
    }

    /// <summary>Losers that were paused when the study had all its trials are not what it is to lose patience with.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Those_that_ended_with_the_study_do_not_try_its_patience(bool deterministic)
    {
        var study = new EngineFixture(EngineFixture.Random(trials: 6, parallel: 1, deterministic) with
        {
            TrialScheduler = EngineFixture.Asha,
            Stop = new() { Patience = new() { Trials = 3 } },
        });
        Run(study);
        Assert.Equal((StudyStopReason.Trials, 0), (study.Engine.End, study.Engine.Status().Counts.Complete));
        Assert.InRange(study.Engine.Status().Counts.Pruned, 4, 6);

        study.Rebuild();
        study.Engine.SetTrials(null, 20);
        study.Engine.Reopen(_ => false);
        Run(study);
        Assert.Equal((StudyStopReason.Trials, 20), (study.Engine.End, study.Engine.Started));
    }

    /// <summary>By it the automatic sampler decides whether an evolution strategy is worth beginning.</summary>
    [Fact]
    public void The_sampler_knows_how_many_there_are_to_be()
    {
        var study = new EngineFixture(EngineFixture.Random(trials: 2));
        Assert.Equal(2, study.Engine.History.Budget);
        study.Engine.SetTrials(null, 500);
        Assert.Equal(500, study.Engine.History.Budget);
        study.Rebuild();
        Assert.Equal(500, study.Engine.History.Budget);
    }

    private static void End(EngineFixture study)
    {
        while (study.Engine.Decide() is { Order: { } order }) study.Complete(order, order.Id.Trial);
    }

    /// <summary>One trial after the other comes to its pause or its end.</summary>
    private static void Run(EngineFixture study)
    {
        while (study.Engine.Decide() is { Order: { } order })
        {
            for (long step = (order.From?.Resource ?? 0) + 1; ; step++)
            {
                var told = study.Report(order, step, order.Id.Trial * 7 % 5 + 1.0 / step);
                if (told == TrialDirective.Pause) study.Engine.Release(order.Id, step);
                else if (told == TrialDirective.Complete || step == 16) study.Complete(order, order.Id.Trial * 7 % 5);
                else if (told != TrialDirective.Stop) continue;
                break;
            }
        }
    }

    private static List<string> Parameters(EngineFixture study) =>
        [.. study.Journal.OfType<StudyEvent.Started>().Select(e => string.Join(' ', e.Parameters))];
}
