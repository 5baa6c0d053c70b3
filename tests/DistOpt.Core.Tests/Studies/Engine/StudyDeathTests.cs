using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Tests.Studies.Engine;

/// <summary>Studies whose trials run in the study's own process, which one of them ends.</summary>
public sealed class StudyDeathTests
{
    private static readonly StudyOutline s_outline = new()
    {
        Name = "s",
        Space = EngineFixture.Space,
        Objectives = [new("loss", Core.Specs.Direction.Minimize)],
        Seed = 3,
        Unit = "step",
        Value = (_, value) => value,
        Show = (_, value) => $"{value}",
    };

    private static StudySetup Setup(int parallel = 3) => EngineFixture.Random(parallel: parallel) with { SharesProcess = true, MaxAttempts = 1 };

    [Fact]
    public void One_that_was_under_way_at_each_of_three_deaths_the_last_time_alone_has_failed_and_those_beside_it_go_on()
    {
        var study = new EngineFixture(Setup());
        for (int i = 0; i < 3; i++) study.Order();
        Die(study);
        for (int i = 0; i < 3; i++) study.Order();
        Die(study);
        // each alone: the first one is sound
        var first = study.Order();
        Assert.Equal((0, new StudyDecision(null, StudyWait.Alone, 0)), (first.Id.Trial, study.Engine.Decide()));
        study.Report(first, 1, 1);
        Assert.Equal(new StudyDecision(null, StudyWait.Alone, 1), study.Engine.Decide());
        study.Complete(first, 1);
        Assert.Equal(1, study.Order().Id.Trial);
        Assert.Equal(new StudyDecision(null, StudyWait.Alone, 1), study.Engine.Decide());
        using var json = JsonDocument.Parse(RunJson.Text(false, writer =>
        {
            writer.WriteStartObject();
            StudyStatusJson.WriteFields(writer, s_outline, study.Engine.Status());
            writer.WriteEndObject();
        }));
        Assert.StartsWith("trial 1, which runs alone", json.RootElement.GetProperty("waiting_for").GetString());
        Die(study);

        var end = study.End(1);
        Assert.Equal((TrialState.Failed, TrialEndCause.Lost), (end.State, end.Cause));
        Assert.StartsWith("was under way when the study's process died, 3 times in a row without a report or checkpoint in between", end.Error);
        var last = study.Order();
        Assert.Equal(2, last.Id.Trial);
        Assert.Equal(StudyWait.Alone, study.Wait());
        study.Engine.Checkpointed(last.Id, 1);
        // beside it others again
        Assert.Equal((3, 4), (study.Order().Id.Trial, study.Order().Id.Trial));
        Assert.Equal(StudyWait.Slots, study.Wait());
    }

    /// <summary>As by an exception of its sampler, time and again: no trial has brought that about.</summary>
    [Fact]
    public void A_study_that_left_off_with_its_process_alive_says_nothing_of_the_trials_that_were_under_way()
    {
        var study = new EngineFixture(Setup());
        Die(study);
        for (int i = 0; i < 10; i++)
        {
            for (int trial = 0; trial < 3; trial++) Assert.Equal(trial, study.Order().Id.Trial);
            study.Rebuild();
            study.Engine.Reopen(_ => false, (_, _) => 0, hasDied: false);
        }
        Assert.All(study.Journal.OfType<StudyEvent.AttemptLost>().Skip(3), l => Assert.Equal(("the study had left off", null, false), (l.Reason, l.Left, l.IsCounted)));
        Assert.Empty(study.Journal.OfType<StudyEvent.Ended>());
        // what died before and dies again is counted as before
        for (int trial = 0; trial < 3; trial++) study.Order();
        Die(study);
        for (int trial = 0; trial < 3; trial++) study.Order();
        Die(study);
        Assert.Equal(0, study.Order().Id.Trial);
        Assert.Equal(StudyWait.Alone, study.Wait());
    }

    [Theory]
    [InlineData("report")]
    [InlineData("checkpoint")]
    [InlineData("left")]
    [InlineData("run")]
    public void One_that_brings_something_new_now_and_then_never_has_failed(string what)
    {
        var study = new EngineFixture(Setup(parallel: 1) with { Repeats = 50 });
        for (int death = 1; death <= 30; death++)
        {
            var order = study.Order();
            Assert.Equal(0, order.Id.Trial);
            if (death % 2 == 0 && what == "report") study.Report(order, death, 1);
            if (death % 2 == 0 && what == "checkpoint") study.Engine.Checkpointed(order.Id, death);
            if (death % 2 == 0 && what == "run")
            {
                study.Complete(order, 1);
                study.Order();
            }
            Die(study, left: what == "left" ? death / 2 : 0);
        }
        Assert.Empty(study.Journal.OfType<StudyEvent.Ended>());
        for (int death = 0; death < 3; death++)
        {
            study.Order();
            Die(study, left: what == "left" ? 15 : 0);
        }
        Assert.Equal(TrialState.Failed, study.End(0).State);
    }

    /// <summary>It has reported the same before.</summary>
    [Fact]
    public void What_is_reported_again_is_nothing_new()
    {
        var study = new EngineFixture(Setup(parallel: 1));
        for (int death = 0; death < 4; death++)
        {
            study.Report(study.Order(), 1, 1);
            Assert.Empty(study.Journal.OfType<StudyEvent.Ended>());
            Die(study);
        }
        Assert.Equal(TrialState.Failed, study.End(0).State);
    }

    [Fact]
    public void Where_trials_run_elsewhere_that_the_study_dies_is_none_of_their_doing()
    {
        var study = new EngineFixture(EngineFixture.Random(parallel: 1) with { MaxAttempts = 1 });
        for (int death = 0; death < 20; death++)
        {
            study.Order();
            Die(study);
        }
        Assert.Empty(study.Journal.OfType<StudyEvent.Ended>());
    }

    [Fact]
    public void A_suspect_that_a_user_has_paused_keeps_no_other_from_running()
    {
        var study = new EngineFixture(Setup(parallel: 2));
        study.Order();
        for (int death = 0; death < 2; death++)
        {
            if (death > 0) study.Order();
            Die(study);
        }
        study.Engine.Pause(null, 0);
        Assert.Equal((1, 2), (study.Order().Id.Trial, study.Order().Id.Trial));
        study.Engine.Resume(null, 0);
        Assert.Equal(new StudyDecision(null, StudyWait.Alone, 0), study.Engine.Decide());
    }

    /// <summary>Two of them, one after a report, while others are lost alone.</summary>
    [Theory]
    [InlineData("random", "fifo", false)]
    [InlineData("random", "asha", false)]
    [InlineData("tpe", "fifo", true)]
    [InlineData("random", "asha", true)]
    [InlineData("random", "pbt, synchronous", true)]
    public void A_study_with_trials_that_end_its_process_comes_to_its_end_and_only_those_have_failed_by_that(
        string sampler, string scheduler, bool deterministic)
    {
        var setup = StudySetups.Of(sampler, scheduler, deterministic: deterministic, trials: 24) with { SharesProcess = true };
        var calm = Run(1, Chaos.None);
        for (long timing = 1; timing <= 6; timing++)
        {
            var simulation = Run(timing, Chaos.Wild with { Kill = 0 });
            StudyChaosTests.Check(simulation, 24);
            var lost = simulation.Of<StudyEvent.Ended>().Where(e => e.Cause == TrialEndCause.Lost).Select(e => e.Trial);
            Assert.Equal([3, 6], lost.Order());
            // two of both together at the least, and then one of each alone
            Assert.InRange(simulation.Kills, 4, 8);
            if (deterministic) Assert.Equal(StudyChaosTests.Decisions(calm), StudyChaosTests.Decisions(simulation));
        }

        StudySimulation Run(long timing, Chaos chaos) =>
            new StudySimulation(setup, slots: 4, timing) { Chaos = chaos, Dooms = (trial, step) => (trial, step) is (3, 1) or (6, 2) }.Run();
    }

    private static void Die(EngineFixture study, long left = 0)
    {
        study.Rebuild();
        study.Engine.Reopen(_ => false, (_, _) => left);
    }
}
