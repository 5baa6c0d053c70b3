using System.Collections.Immutable;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Tests.Studies.Engine;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Tests.Studies;

/// <summary>From a study's events to its trials.</summary>
public sealed class TrialRecordsTests
{
    private readonly TrialRecords _records = new();

    [Fact]
    public void A_trial_is_told_when_it_has_ended_with_all_that_was_said_of_it()
    {
        Assert.Null(_records.Add(Start(3, 0.25, double.NaN)));
        Assert.Null(_records.Add(Start(4)));
        Assert.Null(_records.Add(Report(3, 1, 0.5, 2)));
        Assert.Null(_records.Add(Report(4, 1, 9, 7)));
        Assert.Null(_records.Add(Report(3, 2, double.NaN, 3)));
        Assert.Null(_records.Add(new StudyEvent.TimePassed(99)));

        var trial = _records.Add(new StudyEvent.Ended(3, TrialState.Complete, TrialEndCause.Done, [0.125], [-1, 0], null, 4.5))!;

        Assert.Equal((3, TrialState.Complete, TrialEndCause.Done, 1, 4.5, null),
            (trial.Number, trial.State, trial.Cause, trial.Attempts, trial.Seconds, trial.Error));
        Assert.Equal([0.25, double.NaN], trial.Parameters);
        Assert.Equal([0.125], trial.Values);
        Assert.Equal([-1, 0], trial.Constraints);
        Assert.Equal([new Report(1, 0.5), new Report(2, double.NaN)], trial.Reports);
        Assert.Empty(trial.Losses);
    }

    [Fact]
    public void Attempts_and_what_was_lost_add_up_over_the_whole_trial()
    {
        _records.Add(Start(0));
        _records.Add(Report(0, 1, 5, 2));
        // it has told of more than at its end
        _records.Add(new StudyEvent.AttemptLost(0, "the node is gone", true, 1, 0));
        _records.Add(new StudyEvent.AttemptBegun(0, 2));
        _records.Add(Report(0, 2, 4, 3));
        _records.Add(new StudyEvent.Released(0, 2, 3.5));
        _records.Add(new StudyEvent.Promoted(0, 4, null));
        _records.Add(new StudyEvent.AttemptBegun(0, 3));
        _records.Add(new StudyEvent.AttemptLost(0, "the coordinator was gone", false, 0, 1.25));
        _records.Add(new StudyEvent.AttemptBegun(0, 4));

        var trial = _records.Add(new StudyEvent.Ended(0, TrialState.Failed, TrialEndCause.Threw, [], [], "Exception: no", 0.5))!;

        Assert.Equal((4, 2 + 3.5 + 1.25 + 0.5, "Exception: no"), (trial.Attempts, trial.Seconds, trial.Error));
        Assert.Equal(["the node is gone", "the coordinator was gone"], trial.Losses);
        Assert.Equal([new Report(1, 5), new Report(2, 4)], trial.Reports);
    }

    /// <summary>The length of an attempt is what it told, where it told anything; a trial waits between its attempts.</summary>
    [Fact]
    public void When_its_attempts_ran_is_told_on_the_studys_clock()
    {
        _records.Add(new StudyEvent.TimePassed(10));
        _records.Add(Start(0));
        _records.Add(Report(0, 1, 5, 2));
        _records.Add(new StudyEvent.TimePassed(13));
        _records.Add(new StudyEvent.Released(0, 1, 2.5));
        _records.Add(new StudyEvent.TimePassed(20));
        _records.Add(new StudyEvent.AttemptBegun(0, 2));
        _records.Add(new StudyEvent.TimePassed(24));
        _records.Add(new StudyEvent.AttemptLost(0, "gone", true, 1, 0));
        _records.Add(new StudyEvent.TimePassed(30));
        _records.Add(new StudyEvent.AttemptBegun(0, 3));
        _records.Add(Report(0, 2, 4, 1));
        Assert.Equal([new TrialSpan(10, 12.5), new(20, 24), new(30, 31.5)],
            _records.Add(new StudyEvent.Ended(0, TrialState.Complete, TrialEndCause.Done, [1], [], null, 1.5))!.Spans);
    }

    /// <summary>A trial that is not sent on ends with its study: what it computed is not told as another attempt.</summary>
    [Fact]
    public void What_ends_a_paused_trial_is_no_attempt()
    {
        _records.Add(Start(0));
        _records.Add(new StudyEvent.Released(0, 1, 2.5));
        _records.Add(new StudyEvent.TimePassed(20));
        var trial = _records.Add(new StudyEvent.Ended(0, TrialState.Pruned, TrialEndCause.NotPromoted, [], [], null, 2.5))!;
        Assert.Equal((2.5, new TrialSpan(0, 2.5)), (trial.Seconds, Assert.Single(trial.Spans)));
    }

    /// <summary>It goes back from 8 to what its donor had at 4.</summary>
    [Fact]
    public void A_trial_that_goes_on_from_another_ones_state_has_its_parameters_and_not_the_reports_beyond_it()
    {
        _records.Add(Start(1, 0.5, 0.5));
        _records.Add(Report(1, 4, 40));
        _records.Add(Report(1, 8, 80));
        _records.Add(new StudyEvent.Promoted(1, 8, new Exploit(0, 4, [0.75, double.NaN])));
        _records.Add(new StudyEvent.AttemptBegun(1, 2));
        _records.Add(Report(1, 8, 8));

        var trial = _records.Add(End(1))!;

        Assert.Equal([0.75, double.NaN], trial.Parameters);
        Assert.Equal([new Report(4, 40), new Report(8, 8)], trial.Reports);
        var exploit = Assert.Single(trial.Exploits);
        Assert.Equal((4, 0), (exploit.Step, exploit.Donor));
        Assert.Equal([0.5, 0.5], exploit.From);
        Assert.Equal([0.75, double.NaN], exploit.To);
        Assert.Equal((0.5, 0.75), (trial.ParametersAt(4)[0], trial.ParametersAt(5)[0]));
    }

    /// <summary>What it reported at 6 went with the state that it had then: it goes back to 4, and what is left is of before 8.</summary>
    [Fact]
    public void What_a_trial_has_reported_is_by_the_parameters_that_it_had_then_also_where_it_goes_back_twice()
    {
        _records.Add(Start(1, 0.5));
        _records.Add(Report(1, 4, 40));
        _records.Add(Report(1, 8, 80));
        _records.Add(new StudyEvent.Promoted(1, 12, new Exploit(0, 8, [0.75])));
        _records.Add(Report(1, 12, 12));
        _records.Add(new StudyEvent.Promoted(1, 8, new Exploit(2, 4, [0.25])));
        _records.Add(Report(1, 8, 8));
        var trial = Assert.Single(_records.Open);
        Assert.Equal([0.5, 0.25], trial.Reports.Select(r => trial.ParametersAt(r.Step)[0]));
        Assert.Equal([0.5, 0.75, 0.25], [trial.Exploits[0].From[0], trial.Exploits[0].To[0], trial.Exploits[1].To[0]]);
        Assert.Equal(0.75, trial.Exploits[1].From[0]);
    }

    /// <summary>Of further runs of a configuration, which begin again, the seconds count alone.</summary>
    [Fact]
    public void Of_several_runs_the_reports_are_those_of_the_first_and_the_seconds_those_of_all()
    {
        _records.Add(Start(0));
        _records.Add(Report(0, 1, 10, 1));
        _records.Add(Report(0, 2, 9, 2));
        _records.Add(new StudyEvent.RunCompleted(0, [9], [], 2.5));
        _records.Add(new StudyEvent.AttemptBegun(0, 2));
        _records.Add(Report(0, 1, 20, 1));
        _records.Add(Report(0, 2, 19, 4));
        _records.Add(new StudyEvent.RunCompleted(0, [19], [], 0));
        _records.Add(new StudyEvent.AttemptBegun(0, 3));

        var trial = _records.Add(new StudyEvent.Ended(0, TrialState.Complete, TrialEndCause.Done, [14], [], null, 1))!;

        Assert.Equal([new Report(1, 10), new Report(2, 9)], trial.Reports);
        Assert.Equal((3, 2.5 + 4 + 1), (trial.Attempts, trial.Seconds));
        // the last one's is what the mean leaves
        Assert.Equal([9, 19, 14], trial.Runs.Select(r => Assert.Single(r)));
    }

    /// <summary>The end of the study comes before its turn: nothing is learned of it, but it has computed.</summary>
    [Fact]
    public void A_trial_of_a_deterministic_study_that_was_over_before_its_turn_has_the_seconds_until_then()
    {
        _records.Add(Start(0));
        _records.Add(Report(0, 1, 10, 1));
        Assert.Null(_records.Add(new StudyEvent.Finished(new StudyEvent.Ended(0, TrialState.Complete, TrialEndCause.Done, [14], [], null, 6))));
        Assert.Equal(6, _records.Add(new StudyEvent.Ended(0, TrialState.Cancelled, TrialEndCause.StudyEnded, [], [], null, 0))!.Seconds);
    }

    [Fact]
    public void What_comes_late_of_a_trial_that_has_ended_is_nothing()
    {
        _records.Add(Start(0));
        _records.Add(Start(1));
        Assert.NotNull(_records.Add(End(1)));
        Assert.NotNull(_records.Add(End(0)));
        Assert.Null(_records.Add(Report(0, 9, 1)));
        Assert.Null(_records.Add(End(0)));
    }

    /// <summary>At any time in the middle of a study that pauses trials at rungs, whatever happens to it.</summary>
    [Fact]
    public void Those_that_have_not_ended_are_told_as_far_as_they_have_come()
    {
        var setup = StudySetups.Of(scheduler: "asha");
        var study = new StudySimulation(setup, slots: 4, timing: 8) { Chaos = Chaos.Wild }.Run();
        int most = 0;
        for (int events = 1; events < study.Journal.Count; events++)
        {
            _records.Add(study.Journal[events - 1]);
            if (events % 97 > 0) continue;
            var engine = StudyEngine.Restore(setup, study.Journal.Take(events), _ => { });
            var (counts, open) = (engine.Status().Counts, _records.Open.ToList());
            Assert.Equal((counts.Paused, counts.Waiting, counts.Running), (Count(TrialState.Paused), Count(TrialState.Waiting), Count(TrialState.Running)));
            Assert.All(open, t => Assert.Equal(study.Journal.Take(events).OfType<StudyEvent.Reported>().Where(r => r.Trial == t.Number)
                .Select(r => new Report(r.Step, r.Values[0])), t.Reports));
            Assert.All(open, t => Assert.Equal((false, t.State == TrialState.Paused), (t.HasEnded, t.Cause == TrialEndCause.NotPromoted)));
            most = Math.Max(most, counts.Paused);

            int Count(TrialState state) => open.Count(t => t.State == state);
        }
        Assert.True(most > 5, $"{most}");
    }

    [Fact]
    public void An_attempt_under_way_has_run_until_now_and_one_that_waits_for_its_turn_has_its_end()
    {
        _records.Add(Start(0, 0.5));
        _records.Add(Start(1, 0.25));
        _records.Add(new StudyEvent.TimePassed(7));
        _records.Add(Report(1, 1, 0.5, 3));
        _records.Add(new StudyEvent.Finished(new StudyEvent.Ended(1, TrialState.Complete, TrialEndCause.Done, [14], [-1], null, 6)));
        TrialRecord[] open = [.. _records.Open];
        Assert.Equal([TrialState.Running, TrialState.Complete], open.Select(t => t.State));
        Assert.Equal([new TrialSpan(0, 7), new TrialSpan(0, 6)], open.Select(t => Assert.Single(t.Spans)));
        Assert.Equal((14, -1, 6.0), (open[1].Values[0], open[1].Constraints[0], open[1].Seconds));
        // to look is to change nothing
        Assert.Equal(new TrialSpan(0, 7), Assert.Single(_records.Open.First().Spans));
    }

    /// <summary>Over whatever happens to a study: losses, kills, promotions, copies, runs that are repeated.</summary>
    [Theory]
    [InlineData("asha", 1)]
    [InlineData("pbt", 1)]
    [InlineData("fifo", 3)]
    public void Of_a_whole_study_there_is_a_record_for_each_end_as_its_events_say(string scheduler, int repeats)
    {
        var study = new StudySimulation(StudySetups.Of(scheduler: scheduler) with { Repeats = repeats }, slots: 4, timing: 8)
        {
            Chaos = Chaos.Wild,
        }.Run();
        int ends = 0;
        foreach (var e in study.Journal)
        {
            if (_records.Add(e) is not { } trial) continue;
            ends++;
            var of = study.Journal.TakeWhile(x => x != e).ToList();
            Assert.Equal(Assert.IsType<StudyEvent.Ended>(e).Trial, trial.Number);
            Assert.Equal(1 + of.OfType<StudyEvent.AttemptBegun>().Count(b => b.Trial == trial.Number), trial.Attempts);
            Assert.Equal(of.OfType<StudyEvent.AttemptLost>().Where(l => l.Trial == trial.Number).Select(l => l.Reason), trial.Losses);
            Assert.Equal(trial.Reports.Select(r => r.Step).Distinct().Order(), trial.Reports.Select(r => r.Step));
            var exploit = of.OfType<StudyEvent.Promoted>().LastOrDefault(p => p.Trial == trial.Number && p.Exploit is not null)?.Exploit;
            Assert.Equal(exploit?.Parameters ?? of.OfType<StudyEvent.Started>().Single(s => s.Trial == trial.Number).Parameters, trial.Parameters);
        }
        Assert.Equal(study.Of<StudyEvent.Started>().Count(), ends);
        Assert.True(study.Losses > 0 && study.Kills > 0);
    }

    private static StudyEvent Start(int trial, params ImmutableArray<double> parameters) => new StudyEvent.Started(trial, parameters, long.MaxValue, 0, false);

    private static StudyEvent Report(int trial, long step, double value, double seconds = 0) =>
        new StudyEvent.Reported(trial, step, [value, -1], ReportAction.Continue, seconds);

    private static StudyEvent End(int trial) => new StudyEvent.Ended(trial, TrialState.Complete, TrialEndCause.Done, [1], [], null, 0);
}
