using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Tests.Studies.Engine;

/// <summary>Studies in which nodes, answers and whoever drives them are lost, over everything that a study can be made of.</summary>
public sealed class StudyChaosTests
{
    public static TheoryData<string, string, string> All =>
    [
        .. StudySetups.Samplers.Select(s => (s, StudySetups.SchedulerOf(s), "none")),
        .. StudySetups.Schedulers.Skip(1).Select(s => ("random", s, "none")),
        .. StudySetups.Pruners.Skip(1).Select(p => ("random", "fifo", p)),
        ("tpe", "asha", "median"), ("tpe", "asha, stopping", "median"), ("tpe", "hyperband", "threshold"), ("random", "pbt", "threshold"),
    ];

    public static TheoryData<string, string> Ordered =>
    [
        .. StudySetups.Samplers.Select(s => (s, StudySetups.SchedulerOf(s))),
        .. StudySetups.OrderedSchedulers.Skip(1).Select(s => ("random", s)),
        .. StudySetups.OrderedSchedulers.Skip(1).Where(s => !s.StartsWith("pb", StringComparison.Ordinal)).Select(s => ("tpe", s)),
        ("nsga2", "asha"), ("bohb", "asha"),
    ];

    /// <summary>Killed again and again, with an end of the journal lost that was not acknowledged.</summary>
    [Theory, MemberData(nameof(All))]
    public void Every_trial_ends_exactly_once_and_no_result_counts_twice(string sampler, string scheduler, string pruner)
    {
        int kills = 0, losses = 0;
        foreach (long timing in Seeds(sampler, 6))
        {
            var setup = StudySetups.Of(sampler, scheduler, pruner, trials: Trials(sampler));
            var simulation = new StudySimulation(setup, slots: 4, timing) { Chaos = Chaos.Wild }.Run();
            (kills, losses) = (kills + simulation.Kills, losses + simulation.Losses);
            Check(simulation, Trials(sampler));
        }
        Assert.True(kills > 10 && losses > 10, $"{kills} kills, {losses} losses");
    }

    /// <summary>Suggestions, rung decisions, ends and the best value: whatever happens, and with fewer slots than the study is for.</summary>
    [Theory, MemberData(nameof(Ordered))]
    public void A_deterministic_study_is_the_undisturbed_one_at_any_timing_and_with_any_kills(string sampler, string scheduler)
    {
        var setup = StudySetups.Of(sampler, scheduler, sampler == "random" ? "threshold" : "none", deterministic: true, trials: Trials(sampler));
        var undisturbed = new StudySimulation(setup, slots: 4, timing: 1) { Spread = 1 }.Run();
        string[] expected = Decisions(undisturbed);
        Assert.True(expected.Length > Trials(sampler));
        long computed = 0, runs = 0, broken = 0;
        foreach (long timing in Seeds(sampler, 5))
        {
            var simulation = new StudySimulation(setup, slots: timing % 2 == 0 ? 4 : 3, timing) { Chaos = Chaos.Wild }.Run();
            Check(simulation, Trials(sampler));
            Assert.Equal(expected, Decisions(simulation));
            Assert.Equal(undisturbed.Engine.Status().Best!.Values, simulation.Engine.Status().Best!.Values);
            Assert.Equal(Reports(undisturbed), Reports(simulation));
            (computed, runs, broken) = (computed + simulation.Computed, runs + 1, broken + simulation.Kills + simulation.Losses);
        }
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"waste {computed / (double)(runs * undisturbed.Computed):0.000}: steps computed / needed, with {broken / (double)runs:0.0} kills and losses a study");
    }

    /// <summary>All runs of a configuration end where the first one does, before the run's own end, and a trial's values are of those weights.</summary>
    [Theory]
    [InlineData("fifo")]
    [InlineData("asha")]
    [InlineData("hyperband")]
    [InlineData("pbt, synchronous")]
    public void A_deterministic_study_with_several_runs_of_a_configuration_is_the_undisturbed_one(string scheduler)
    {
        var setup = StudySetups.Of(scheduler: scheduler, deterministic: true, trials: 24, repeats: 3);
        var undisturbed = Run(1, Chaos.None);
        Assert.True(undisturbed.Of<StudyEvent.RunCompleted>().Count() > 4);
        for (long timing = 1; timing <= 5; timing++)
        {
            var simulation = Run(timing, Chaos.Wild);
            Check(simulation, 24);
            Assert.Equal(Decisions(undisturbed), Decisions(simulation));
            Assert.Equal(Reports(undisturbed), Reports(simulation));
        }

        StudySimulation Run(long timing, Chaos chaos) => new StudySimulation(setup, slots: 4, timing) { Chaos = chaos, Length = 20 }.Run();
    }

    /// <summary>A trial whose state had to go begins anew when it is sent on, and comes to the same.</summary>
    [Theory]
    [InlineData("asha", 4)]
    [InlineData("asha", 0)]
    [InlineData("hyperband", 4)]
    [InlineData("pbt, synchronous", 0)]
    public void A_study_with_little_room_for_states_is_the_same_and_computes_more(string scheduler, int room)
    {
        if (!StudySetups.OrderedSchedulers.Contains(scheduler)) Assert.Fail($"{scheduler} is none of {string.Join("; ", StudySetups.OrderedSchedulers)}");
        var setup = StudySetups.Of("random", scheduler, deterministic: true);
        var undisturbed = new StudySimulation(setup, slots: 4, timing: 1) { Spread = 1 }.Run();
        int evicted = 0;
        for (long timing = 1; timing <= 5; timing++)
        {
            var simulation = new StudySimulation(setup, slots: 4, timing) { Chaos = Chaos.Wild, Room = room }.Run();
            Check(simulation, 40);
            Assert.Equal(Decisions(undisturbed), Decisions(simulation));
            Assert.Equal(Reports(undisturbed), Reports(simulation));
            evicted += simulation.Evicted;
        }
        // what others copy stays
        Assert.Equal(scheduler.StartsWith("pbt", StringComparison.Ordinal), evicted == 0);
    }

    /// <summary>At any event: nothing that follows is another one.</summary>
    [Theory, MemberData(nameof(All))]
    public void A_study_that_is_rebuilt_from_its_events_goes_on_as_the_one_that_wrote_them(string sampler, string scheduler, string pruner)
    {
        var setup = StudySetups.Of(sampler, scheduler, pruner, trials: Math.Min(24, Trials(sampler)));
        var chaos = Chaos.Wild with { Kill = 0 };
        var original = new StudySimulation(setup, slots: 4, timing: 3) { Chaos = chaos }.Run();
        var rebuilt = new StudySimulation(setup, slots: 4, timing: 3) { Chaos = chaos with { Rebuild = 1 } }.Run();
        Assert.Equal(original.Journal.Select(EventText.Of), rebuilt.Journal.Select(EventText.Of));
        Assert.Equal(StatusText(original), StatusText(rebuilt));
    }

    [Theory, MemberData(nameof(Ordered))]
    public void A_deterministic_study_that_is_rebuilt_from_its_events_goes_on_as_the_one_that_wrote_them(string sampler, string scheduler)
    {
        var setup = StudySetups.Of(sampler, scheduler, deterministic: true, trials: Math.Min(24, Trials(sampler)));
        var chaos = Chaos.Wild with { Kill = 0 };
        var original = new StudySimulation(setup, slots: 4, timing: 3) { Chaos = chaos }.Run();
        var rebuilt = new StudySimulation(setup, slots: 4, timing: 3) { Chaos = chaos with { Rebuild = 1 } }.Run();
        Assert.Equal(original.Journal.Select(EventText.Of), rebuilt.Journal.Select(EventText.Of));
        Assert.Equal(StatusText(original), StatusText(rebuilt));
    }

    /// <summary>Where attempts are bounded, a trial has no more of them.</summary>
    [Theory]
    [InlineData("random", "fifo")]
    [InlineData("random", "asha")]
    [InlineData("random", "pbt")]
    public void Attempts_are_bounded(string sampler, string scheduler)
    {
        int lost = 0;
        for (long timing = 1; timing <= 10; timing++)
        {
            var setup = StudySetups.Of(sampler, scheduler) with { MaxAttempts = 3 };
            var simulation = new StudySimulation(setup, slots: 4, timing) { Chaos = Chaos.Wild with { Loss = 0.15 } }.Run();
            Check(simulation, 40);
            Assert.All(simulation.Of<StudyEvent.AttemptLost>().Where(e => e.IsCounted).GroupBy(e => e.Trial), g => Assert.True(g.Count() <= 2));
            lost += simulation.Of<StudyEvent.Ended>().Count(e => e.Cause == TrialEndCause.Lost);
        }
        Assert.True(lost > 0);
    }

    internal static void Check(StudySimulation simulation, int trials)
    {
        var ended = simulation.Of<StudyEvent.Ended>().ToList();
        Assert.Equal(Enumerable.Range(0, trials), ended.Select(e => e.Trial).Order());
        Assert.Equal(Enumerable.Range(0, trials), simulation.Of<StudyEvent.Started>().Select(e => e.Trial));
        Assert.Single(simulation.Of<StudyEvent.StudyEnded>());
        // a step is reported once, until a trial is set back to a donor's
        foreach (var trial in simulation.Journal.GroupBy(TrialOf).Where(g => g.Key >= 0))
        {
            long last = -1;
            foreach (var e in trial)
            {
                if (e is StudyEvent.Promoted { Exploit: { } exploit }) last = exploit.Resource;
                if (e is StudyEvent.RunCompleted) last = -1;
                if (e is not StudyEvent.Reported reported) continue;
                Assert.True(reported.Step > last);
                last = reported.Step;
            }
        }
        // values of zombies and repeats would be far below
        var values = ended.Where(e => e.State == TrialState.Complete).Select(e => e.Values[0]).ToList();
        Assert.All(values, v => Assert.True(v > -100));
        Assert.Equal(values.Count > 0 ? values.Min() : null, simulation.Engine.Status().Best?.Values[0]);
        Assert.Empty(simulation.Engine.Checkpoints.Except(simulation.Engine.Superfluous()));
    }

    private static int TrialOf(StudyEvent e) => e switch
    {
        StudyEvent.Reported r => r.Trial,
        StudyEvent.Promoted p => p.Trial,
        StudyEvent.RunCompleted r => r.Trial,
        _ => -1,
    };

    /// <summary>Starts, promotions and ends in their order.</summary>
    internal static string[] Decisions(StudySimulation simulation) => [.. simulation.Journal
        .Where(e => e is StudyEvent.Started or StudyEvent.Promoted or StudyEvent.Taken or StudyEvent.Ended or StudyEvent.StudyEnded)
        .Select(e => e is StudyEvent.Ended ended ? EventText.Of(ended with { Seconds = 0, Error = null }) : EventText.Of(e))];

    /// <summary>Each trial's reports.</summary>
    internal static string[] Reports(StudySimulation simulation) => [.. simulation.Of<StudyEvent.Reported>()
        .GroupBy(r => r.Trial).OrderBy(g => g.Key).Select(g => $"{g.Key}: {string.Join(", ", g.Select(r => $"{r.Step} {r.Values[0]:R} {r.Action}"))}")];

    private static string StatusText(StudySimulation simulation) => System.Text.Json.JsonSerializer.Serialize(simulation.Engine.Status(), EventText.Options);

    private static int Trials(string sampler) => sampler is "gp" or "auto" ? 16 : 40;

    private static IEnumerable<long> Seeds(string sampler, int count) => Enumerable.Range(1, sampler is "gp" or "auto" ? Math.Min(count, 3) : count).Select(i => (long)i);
}

/// <summary>Events as text: records with arrays are compared by reference.</summary>
internal static class EventText
{
    public static System.Text.Json.JsonSerializerOptions Options { get; } = new()
    {
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    public static string Of(StudyEvent e) => $"{e.GetType().Name} {System.Text.Json.JsonSerializer.Serialize(e, e.GetType(), Options)}";
}
