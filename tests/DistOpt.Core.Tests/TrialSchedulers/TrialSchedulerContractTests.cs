using System.ComponentModel;
using System.Reflection;
using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Tests.TrialSchedulers;

/// <summary>What holds for every trial scheduler of the catalogue, and for its variants.</summary>
public sealed class TrialSchedulerContractTests
{
    private static readonly (string Name, string Kind, TrialSchedulerOptions Options)[] s_cases =
    [
        .. TrialSchedulerCatalog.Default.Entries.Select(e => (e.Name, e.Name, Options(e.Name))),
        ("asha, stopping", "asha", new AshaOptions { Variant = AshaVariant.Stopping, Brackets = 2 }),
        ("asha, 3 brackets", "asha", new AshaOptions { ReductionFactor = 2, Brackets = 3 }),
        ("pb2, synchronous", "pb2", new Pb2Options { PerturbationInterval = 4, Population = 12, Synchronous = true }),
        ("pbt, synchronous", "pbt", new PbtOptions { PerturbationInterval = 4, Population = 12, Synchronous = true }),
    ];

    public static TheoryData<string> Cases => [.. s_cases.Select(c => c.Name)];

    /// <summary>At any time, whoever fails: the calls of a journal, without the slots that waited, give a new instance the same decisions.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void The_same_calls_give_the_same_decisions_also_by_a_new_instance(string name)
    {
        var calls = Simulation(name, timing: 1).Run().Calls;
        Assert.True(calls.Count > 150);
        var again = Create(name);
        Assert.All(calls, c => Assert.Equal(c.Answer, c.Call(again)));
    }

    [Theory, MemberData(nameof(Cases))]
    public void Every_trial_is_started_once_and_ends_once_or_is_paused(string name)
    {
        var running = new HashSet<int>();
        var ended = new HashSet<int>();
        var simulation = Simulation(name, timing: 2);
        simulation.OnDecision = d =>
        {
            Assert.DoesNotContain(d.Trial, ended);
            Assert.True(running.Add(d.Trial), $"trial {d.Trial} runs already");
            Assert.True(d.Until > 0);
        };
        simulation.OnReport = (trial, _, action) =>
        {
            if (action is ReportAction.Continue or ReportAction.Checkpoint) return;
            Assert.True(running.Remove(trial));
            if (action != ReportAction.Pause) Assert.True(ended.Add(trial));
        };
        simulation.AfterEvent = () =>
        {
            // trials that failed on their way, or came to their own end
            foreach (var gone in new[] { simulation.Failed, simulation.Completed })
            {
                running.ExceptWith(gone);
                ended.UnionWith(gone);
            }
            Assert.Equal(20 - running.Count, simulation.Idle);
        };
        simulation.Run();
        Assert.Equal(60, simulation.Started);
        Assert.NotEmpty(simulation.Failed);
    }

    /// <summary>Where the scheduler says that timing does not matter, it does not; where it says so only in deterministic studies, there.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void What_says_that_it_does_not_depend_on_the_order_of_reports_does_not(string name)
    {
        var (_, kind, options) = s_cases.Single(c => c.Name == name);
        var context = ContextOf(kind) with { IsDeterministic = true };
        if (options.Check(context).Any())
        {
            Assert.False(Create(name).IsOrderIndependent);
            return;
        }
        var runs = (from workers in new[] { 3, 20 }
                    from timing in new[] { 1, 2 }
                    let scheduler = TrialSchedulerCatalog.Default.Get(kind)(options, context)
                    let simulation = Simulation(scheduler, workers, timing).Run()
                    select (scheduler.IsOrderIndependent, Decisions: simulation.Decisions.Select(Text).Order().ToList(),
                        Ended: simulation.Completed.Order().ToList())).ToList();
        Assert.All(runs, run =>
        {
            Assert.True(run.IsOrderIndependent);
            Assert.Equal(runs[0].Decisions, run.Decisions);
            Assert.Equal(runs[0].Ended, run.Ended);
        });
    }

    [Theory, MemberData(nameof(Cases))]
    public void It_is_made_for_several_objectives_or_says_that_it_is_not(string name)
    {
        var (_, kind, options) = s_cases.Single(c => c.Name == name);
        var context = ContextOf(kind) with { Directions = [Direction.Minimize, Direction.Maximize] };
        if (kind == "fifo") Assert.Empty(options.Check(context));
        else Assert.Contains("by one objective, but the study has 2; use fifo", Assert.Single(options.Check(context)).Message);
    }

    /// <summary>What is paused or copied has its checkpoint, if those that are no longer needed are deleted after each decision.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void No_checkpoint_is_deleted_from_which_a_trial_is_sent_on(string name)
    {
        var scheduler = Create(name);
        var kept = new HashSet<(int Trial, long Resource)>();
        var resources = new Dictionary<int, long>();
        var simulation = Simulation(scheduler, 5, timing: 1);
        int sentOn = 0;
        simulation.OnReport = (trial, resource, action) =>
        {
            resources[trial] = resource;
            if (action is ReportAction.Pause or ReportAction.Checkpoint) kept.Add((trial, resource));
        };
        simulation.OnDecision = d =>
        {
            if (d.Action != SlotAction.Promote) return;
            sentOn++;
            Assert.Contains(d.Exploit is { } e ? (e.Donor, e.Resource) : (d.Trial, resources[d.Trial]), kept);
        };
        simulation.AfterEvent = () => kept.RemoveWhere(c => !scheduler.MayNeed(c.Trial, c.Resource));
        simulation.Run();
        Assert.Equal(scheduler.NeedsCheckpoints, sentOn > 0);
        // populations leave nothing behind; losers of rungs stay paused
        if (scheduler is PopulationScheduler) Assert.Empty(kept);
    }

    [Fact]
    public void Every_option_is_described_and_every_entry_has_its_summary()
    {
        Assert.All(TrialSchedulerCatalog.Default.Entries, entry =>
        {
            Assert.NotEmpty(entry.Summary);
            Assert.NotNull(Activator.CreateInstance(entry.OptionsType));
            Assert.All(entry.OptionsType.GetProperties().Where(p => p.CanWrite), p => Assert.NotNull(p.GetCustomAttribute<DescriptionAttribute>()));
        });
    }

    private static string Text(SlotDecision d) =>
        $"{d.Action} {d.Trial} {d.Until} {d.Bracket} " + (d.Exploit is { } e ? $"{e.Donor} at {e.Resource}: {string.Join(' ', e.Parameters)}" : "");

    private static TrialSchedulerOptions Options(string kind) => kind switch
    {
        "pbt" => new PbtOptions { PerturbationInterval = 4, Population = 12 },
        "pb2" => new Pb2Options { PerturbationInterval = 4, Population = 12 },
        _ => (TrialSchedulerOptions)Activator.CreateInstance(TrialSchedulerCatalog.Default.Entries.Single(e => e.Name == kind).OptionsType)!,
    };

    private static ITrialScheduler Create(string name)
    {
        var (_, kind, options) = s_cases.Single(c => c.Name == name);
        return TrialSchedulerCatalog.Default.Get(kind)(options, ContextOf(kind));
    }

    /// <summary>pb2 is for numbers alone.</summary>
    private static StudyContext ContextOf(string kind) => Contexts.Of(length: 16) with
    {
        Trials = 60,
        Space = kind == "pb2" ? new SearchSpace(Contexts.Space.Parameters.Where(p => p.Domain.IsNumeric)) : Contexts.Space,
    };

    private static SchedulerSimulation Simulation(string name, int timing) => Simulation(Create(name), 20, timing);

    private static SchedulerSimulation Simulation(ITrialScheduler scheduler, int workers, int timing) => new(scheduler, workers, trials: 60)
    {
        // fifo runs trials to their own end, which a simulation has to know
        Every = 2,
        Value = (trial, resource) => new CounterRandom(7, RandomPurpose.Simulation, trial).NextDouble()
            + new CounterRandom(7, RandomPurpose.Simulation, trial, resource).NextDouble() / resource,
        Duration = (trial, from, to) => (to - from) * (0.5 + new CounterRandom(timing, RandomPurpose.Simulation, trial, to, 1).NextDouble()),
        Fails = (trial, to) => new CounterRandom(7, RandomPurpose.Simulation, trial, to, 2).NextDouble() < 0.02,
        Length = 16,
        Parameters = trial => [.. new[] { 1e-3 * (trial + 1), trial / 100.0, 8 + trial, trial % 4, trial % 3 }.Take(scheduler is Pb2 ? 3 : 5)],
    };
}
