using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Tests.Studies.Engine;

/// <summary>Deterministic studies that users steer while they are killed again and again.</summary>
public sealed class StudyCommandChaosTests
{
    /// <summary>
    /// Parallelism and space hold from a trial number on, and a point to try is not taken before one, whenever they are asked for. Study and trials are paused
    /// at any time. What was lost with the journal's end is asked for again, by the same key.
    /// </summary>
    [Theory]
    [InlineData("random", "fifo")]
    [InlineData("tpe", "fifo")]
    [InlineData("random", "asha")]
    [InlineData("tpe", "asha")]
    [InlineData("random", "hyperband")]
    public void A_study_that_is_steered_is_the_undisturbed_one_with_the_same_commands_at_any_timing_and_with_any_kills(string sampler, string scheduler)
    {
        var setup = StudySetups.Of(sampler, scheduler, deterministic: true);
        var undisturbed = Run(timing: 1, Chaos.None, pauses: false);
        string[] expected = StudyChaosTests.Decisions(undisturbed);
        Assert.NotEqual(expected, StudyChaosTests.Decisions(new StudySimulation(setup, slots: 6, timing: 1).Run()));
        int kills = 0, pauses = 0, left = 0;
        for (long timing = 1; timing <= 6; timing++)
        {
            var simulation = Run(timing, Chaos.Wild, pauses: true);
            StudyChaosTests.Check(simulation, 40);
            Assert.Equal(expected, StudyChaosTests.Decisions(simulation));
            Assert.Equal(StudyChaosTests.Reports(undisturbed), StudyChaosTests.Reports(simulation));
            Assert.Equal(4, simulation.Engine.Status().Parallel);
            Assert.Equal((1, 2), (simulation.Of<StudyEvent.SpaceWidened>().Count(), simulation.Of<StudyEvent.Enqueued>().Count()));
            kills += simulation.Kills;
            pauses += simulation.Of<StudyEvent.SuspensionSet>().Count(s => s.IsSuspended);
            var rungs = undisturbed.Of<StudyEvent.Released>().Select(r => (r.Trial, r.Resource)).ToHashSet();
            left += simulation.Of<StudyEvent.Released>().Count(r => !rungs.Contains((r.Trial, r.Resource)));
        }
        Assert.True(kills > 10 && pauses > 12 && left > 2, $"{kills} kills, {pauses} pauses, by which {left} attempts left");

        StudySimulation Run(long timing, Chaos chaos, bool pauses) => new StudySimulation(setup, slots: 6, timing)
        {
            Chaos = chaos,
            Deciding = engine => Steer(engine, setup.Context.Space),
            Ticks = [.. Enumerable.Range(1, 400).Select(i => 2.0 * i)],
            Before = (engine, now) =>
            {
                if (pauses) Pause(engine, now);
            },
        }.Run();
    }

    private static void Steer(StudyEngine engine, SearchSpace space)
    {
        engine.SetParallel("more", 6, fromTrial: 8);
        engine.SetParallel("fewer", 2, fromTrial: 16);
        engine.SetParallel("last", 4, fromTrial: 28);
        var wide = space.Parameters.Select(p => p.Name == "rate" ? p with { Domain = new FloatDomain(0, 2, step: 0.125) } : p);
        engine.Widen("wide", new SearchSpace(wide), new Dictionary<string, double>(), fromTrial: 20);
        engine.Enqueue("first", [0.5, 8, 0, double.NaN], fromTrial: 10);
        if (engine.Started >= 20) engine.Enqueue("second", [1.5, double.NaN, 1, 0.25], fromTrial: 28);
    }

    /// <summary>The study for a while, and then one trial after the other.</summary>
    private static void Pause(StudyEngine engine, double now)
    {
        if (now is >= 20 and < 30) engine.Pause("study");
        if (now >= 30) engine.Resume("on");
        for (int trial = 3; trial < 40; trial += 6)
        {
            double from = 40 + 4 * trial;
            if (now >= from && now < from + 8) engine.Pause($"trial {trial}", trial);
            else if (now >= from + 8) engine.Resume($"trial {trial} on", trial);
        }
    }
}
