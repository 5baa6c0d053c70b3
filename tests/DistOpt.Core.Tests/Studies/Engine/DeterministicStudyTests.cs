using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.TrialSchedulers;
using Xunit.Sdk;

namespace DistOpt.Core.Tests.Studies.Engine;

/// <summary>What a deterministic study knows when it decides, and what that costs.</summary>
public sealed class DeterministicStudyTests
{
    /// <summary>In whatever order trials end.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Suggestion_n_knows_the_results_of_trials_up_to_n_minus_K_and_of_no_other(long timing)
    {
        var known = new Dictionary<int, int[]>();
        var setup = StudySetups.Of(deterministic: true, parallel: 3) with { Sampler = () => new Spy(known) };
        new StudySimulation(setup, slots: 3, timing) { Chaos = Chaos.Wild }.Run();
        Assert.Equal(Enumerable.Range(0, 40), known.Keys.Order());
        Assert.All(known, k => Assert.Equal(Enumerable.Range(0, Math.Max(0, k.Key - 2)), k.Value));
    }

    /// <summary>Asha pauses trials; none above n - K has brought anything.</summary>
    [Fact]
    public void Where_trials_pause_it_knows_of_no_trial_above_n_minus_K_either()
    {
        var known = new Dictionary<int, int[]>();
        var setup = StudySetups.Of(scheduler: "asha", deterministic: true, parallel: 3) with { Sampler = () => new Spy(known) };
        new StudySimulation(setup, slots: 3, timing: 1) { Chaos = Chaos.Wild }.Run();
        Assert.All(known, k => Assert.True(k.Value.All(trial => trial <= k.Key - 3)));
        Assert.Contains(known, k => k.Value.Length > k.Key / 2);
    }

    [Fact]
    public void A_trial_that_is_done_waits_for_those_before_it()
    {
        var study = new EngineFixture(EngineFixture.Random(deterministic: true));
        var (first, second) = (study.Order(), study.Order());
        study.Complete(second, 2);
        Assert.Equal(new StudyDecision(null, StudyWait.Turn, 0), study.Engine.Decide());
        Assert.Equal((StudyWait.Turn, 0), (study.Engine.Status().Wait, study.Engine.Status().WaitsFor));
        Assert.Null(study.Engine.Status().Best);
        Assert.Empty(study.Journal.OfType<StudyEvent.Ended>());
        study.Complete(first, 1);
        Assert.Equal(2, study.Order().Id.Trial);
        Assert.Equal([0], study.Journal.OfType<StudyEvent.Ended>().Select(e => e.Trial));
        Assert.Equal(3, study.Order().Id.Trial);
        Assert.Equal([0, 1], study.Journal.OfType<StudyEvent.Ended>().Select(e => e.Trial));
    }

    /// <summary>Its last rung, too.</summary>
    [Fact]
    public void Every_value_at_a_rung_counts_there()
    {
        var simulation = new StudySimulation(StudySetups.Of(scheduler: "asha", deterministic: true), slots: 4, timing: 1).Run();
        var status = simulation.Engine.Status();
        Assert.True(status.Counts.Complete > 1);
        Assert.Equal(status.Counts.Complete, status.Rungs[^1].Entered);
        Assert.Equal(simulation.Of<StudyEvent.Reported>().Select(r => r.Trial).Distinct().Count(), status.Rungs[0].Entered);
    }

    /// <summary>What is done but has had no turn does not count when the study's results end it.</summary>
    [Fact]
    public void The_target_is_reached_when_it_is_the_trials_turn()
    {
        var study = new EngineFixture(EngineFixture.Random(deterministic: true, parallel: 3) with { Stop = new() { Target = 1 } });
        var orders = Enumerable.Range(0, 3).Select(_ => study.Order()).ToList();
        study.Complete(orders[2], 0.1);
        study.Complete(orders[1], 0.5);
        Assert.Equal(StudyWait.Turn, study.Wait());
        study.Complete(orders[0], 5);
        // trial 3 is begun before trial 1 is counted
        Assert.Equal(3, study.Order().Id.Trial);
        Assert.Equal(StudyStopReason.Target, study.Engine.Decide().End);
        Assert.Equal(1, study.Engine.Status().Best!.Number);
        Assert.Equal([TrialState.Complete, TrialState.Complete, TrialState.Cancelled, TrialState.Cancelled],
            Enumerable.Range(0, 4).Select(t => study.End(t).State));
        Assert.Equal(4, study.Engine.Status().Counts.Complete + study.Engine.Status().Counts.Cancelled);
    }

    /// <summary>Of two that stand at their rung the one that has been counted is a loser, the other one was not done.</summary>
    [Fact]
    public void A_trial_that_has_paused_and_had_no_turn_when_the_study_ends_is_cancelled()
    {
        var study = new EngineFixture(EngineFixture.Random(deterministic: true, parallel: 3) with
        {
            TrialScheduler = c => new AshaOptions { MinResource = 4 }.Create(c),
            Stop = new() { Patience = new() { Trials = 1 } },
        });
        var orders = Enumerable.Range(0, 3).Select(_ => study.Order()).ToList();
        foreach (int i in new[] { 2, 0 })
        {
            study.Report(orders[i], 4, 1);
            study.Engine.Release(orders[i].Id, 4);
        }
        // that of trial 1, which ends without an improvement on nothing: it is complete, but not feasible
        study.Engine.Complete(orders[1].Id, [1], [9]);
        Assert.Equal(3, study.Order().Id.Trial);
        Assert.Equal(StudyStopReason.Patience, study.Engine.Decide().End);
        Assert.Equal([TrialState.Pruned, TrialState.Complete, TrialState.Cancelled, TrialState.Cancelled],
            Enumerable.Range(0, 4).Select(t => study.End(t).State));
    }

    [Fact]
    public void A_study_that_is_ended_from_outside_keeps_what_is_done()
    {
        var study = new EngineFixture(EngineFixture.Random(deterministic: true));
        study.Order();
        study.Complete(study.Order(), 2);
        study.Engine.Cancel(null);
        Assert.Equal(1, study.Engine.Status().Best!.Number);
        Assert.Equal(TrialState.Cancelled, study.End(0).State);
    }

    /// <summary>The same change at the same trial, told at another moment and in spite of kills.</summary>
    [Fact]
    public void Another_parallelism_takes_effect_at_a_trial_number()
    {
        string[] expected = Starts(Run(slots: 6, timing: 1, Chaos.None, at: 0));
        Assert.Equal(expected, Starts(Run(slots: 6, timing: 2, Chaos.Wild, at: 0)));
        Assert.Equal(expected, Starts(Run(slots: 4, timing: 3, Chaos.Wild with { Kill = 0 }, at: 5)));
        Assert.NotEqual(expected, Starts(new StudySimulation(StudySetups.Of("tpe", deterministic: true), slots: 6, timing: 1).Run()));

        static StudySimulation Run(int slots, long timing, Chaos chaos, double at) =>
            new StudySimulation(StudySetups.Of("tpe", deterministic: true), slots, timing)
            {
                Chaos = chaos,
                Before = (engine, now) =>
                {
                    if (now < at) return;
                    engine.SetParallel("more", 6, fromTrial: 14);
                    engine.SetParallel("fewer", 2, fromTrial: 25);
                },
            }.Run();

        static string[] Starts(StudySimulation simulation) => [.. simulation.Of<StudyEvent.Started>().Select(EventText.Of)];
    }

    [Fact]
    public void Commands_of_which_the_earlier_one_holds_later_take_effect_in_the_order_of_trials()
    {
        var study = new EngineFixture(EngineFixture.Random(trials: 40, deterministic: true, parallel: 1));
        study.Engine.SetParallel(null, 3, fromTrial: 4);
        study.Engine.SetParallel(null, 2, fromTrial: 2);
        var seen = new List<int>();
        for (int trial = 0; trial < 6; trial++)
        {
            seen.Add(study.Engine.Status().Parallel);
            var order = study.Order();
            study.Complete(order, 1);
        }
        Assert.Equal([1, 1, 2, 2, 3, 3], seen);
    }

    /// <summary>The share of slot time that is idle where some trials take up to so many times as long as others, against a study in no order.</summary>
    [Theory]
    [InlineData("fifo", 1, 0.08)]
    [InlineData("fifo", 3, 0.35)]
    [InlineData("asha", 1, 0.10)]
    [InlineData("asha", 3, 0.45)]
    public void Order_costs_idle_slots_by_as_much_as_trials_differ(string scheduler, double spread, double most)
    {
        double ordered = Idle(deterministic: true), free = Idle(deterministic: false);
        TestContext.Current.TestOutputHelper?.WriteLine($"{scheduler}, {spread} times: idle {ordered:P1} in order, {free:P1} free");
        Assert.True(ordered - free < most, $"idle {ordered} against {free}");

        double Idle(bool deterministic)
        {
            var setup = StudySetups.Of(scheduler: scheduler, deterministic: deterministic, parallel: 8, trials: 300);
            var simulation = new StudySimulation(setup, slots: 8, timing: 1) { Spread = spread }.Run();
            return simulation.IdleTime / (8 * simulation.Now);
        }
    }

    /// <summary>Notes of which trials something is known.</summary>
    private sealed class Spy(Dictionary<int, int[]> known) : ISampler
    {
        private readonly RandomSampler _random = new();

        public IEnumerable<SpecViolation> Check(SearchSpace space, int objectives) => [];

        public void Suggest(StudyHistory history, long seed, int number, Span<double> values)
        {
            int[] trials = [.. history.Trials.Where(t => t.State != TrialState.Running).Select(t => t.Number)];
            if (known.TryGetValue(number, out int[]? before) && !before.SequenceEqual(trials)) throw new XunitException($"suggestion {number} knew something else before");
            known[number] = trials;
            _random.Suggest(history, seed, number, values);
        }
    }
}
