using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Tests.Studies.Engine;

/// <summary>Populations whose trials go on from each other's states: in a study with constraints, and where there are to be more or fewer trials.</summary>
public sealed class StudyPopulationTests
{
    /// <summary>Half of what is drawn or perturbed at the bound breaks it.</summary>
    [Theory]
    [InlineData("{ kind: pbt, population: 8, perturbation_interval: 2, quantile_fraction: 0.5 }")]
    [InlineData("{ kind: pbt, population: 8, perturbation_interval: 2, quantile_fraction: 0.5, synchronous: true }")]
    [InlineData("{ kind: pb2, population: 8, perturbation_interval: 2, quantile_fraction: 0.5 }")]
    public void Whoever_copies_keeps_to_the_constraints_of_the_study(string scheduler)
    {
        var spec = StudyFixture.Parse($$"""
            training: { epochs: 16 }
            study:
              metric: validation.loss
              trials: 16
              parallel: 4
              sampler: random
              trial_scheduler: {{scheduler}}
              constraints: [{ parameters: "optimizer.learning_rate * batch.size", at_most: 0.5 }]
            space:
              optimizer.learning_rate: { float: [0.001, 0.1], log: true }
              batch.size: { int: [4, 256], log: true }
            """);
        var simulation = new StudySimulation(StudySetup.Of(spec, StudyFixture.Binder.Catalogs), slots: 4, timing: 1).Run();
        var exploits = simulation.Of<StudyEvent.Promoted>().Select(p => p.Exploit).OfType<Exploit>().ToList();
        Assert.InRange(exploits.Count, 20, int.MaxValue);
        Assert.All(exploits, e => Assert.InRange(e.Parameters[0] * e.Parameters[1], 0, 0.5));
        // and they are no mere copies
        Assert.InRange(exploits.Select(e => string.Join(' ', e.Parameters)).Distinct().Count(), exploits.Count / 2, exploits.Count);
    }

    [Fact]
    public void A_population_that_comes_after_the_end_of_the_first_is_whole_before_it_is_compared()
    {
        var study = new EngineFixture(Setup(trials: 4));
        Run(study);
        Assert.Equal(StudyStopReason.Trials, study.Engine.End);
        study.Rebuild();
        study.Engine.SetTrials(null, 8);
        study.Engine.Reopen(_ => false);
        int before = study.Journal.Count;
        Run(study);
        Assert.Equal((StudyStopReason.Trials, 8), (study.Engine.End, study.Engine.Status().Counts.Complete));
        Assert.Equal([8, 8, 8, 8, 12, 12, 12, 12, 16, 16, 16, 16], study.Journal.Skip(before).OfType<StudyEvent.Promoted>().Select(p => p.Until));
        int events = study.Journal.Count;
        study.Rebuild();
        Assert.Equal((StudyStopReason.Trials, events), (study.Engine.End, study.Journal.Count));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Nobody_waits_for_those_that_are_not_to_come_any_more(bool isLate)
    {
        var study = new EngineFixture(Setup(trials: 8) with { Parallel = 3 });
        var orders = Enumerable.Range(0, 3).Select(_ => study.Order()).ToList();
        if (!isLate) study.Engine.SetTrials(null, 3);
        foreach (var order in orders)
        {
            Assert.Equal(TrialDirective.Pause, study.Report(order, 4, order.Id.Trial));
            study.Engine.Release(order.Id, 4);
        }
        if (isLate) study.Engine.SetTrials(null, 3);
        study.Rebuild();
        study.Engine.Reopen(_ => false);
        Run(study);
        Assert.Equal((StudyStopReason.Trials, 3), (study.Engine.End, study.Engine.Status().Counts.Complete));
        Assert.Equal([8, 8, 8, 12, 12, 12, 16, 16, 16], study.Journal.OfType<StudyEvent.Promoted>().Select(p => p.Until));
    }

    /// <summary>
    /// Trial 0 is the worst of two at 4 and copies trial 1; what it is worth at 8 and at its end is by the copy, what it was worth at 4 by what it began with.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_the_sampler_learns_of_a_trial_is_by_the_parameters_that_it_then_had(bool deterministic)
    {
        var study = new EngineFixture(Setup(trials: 2) with
        {
            Context = EngineFixture.Random(2, 2, deterministic).Context,
            Parallel = 2,
            TrialScheduler = c => new Pbt(new PbtOptions { Population = 2, PerturbationInterval = 4, QuantileFraction = 0.5, Synchronous = true }, c),
        });
        TrialOrder[] orders = [study.Order(), study.Order()];
        var drawn = orders[0].Parameters;
        foreach (var order in orders)
        {
            study.Report(order, 4, 9 - order.Id.Trial);
            study.Engine.Release(order.Id, 4);
        }
        orders = [study.Order(), study.Order()];
        if (orders[0].Id.Trial != 0) Array.Reverse(orders);
        var copied = Assert.Single(study.Journal.OfType<StudyEvent.Promoted>().Select(p => p.Exploit).OfType<Exploit>()).Parameters;
        Assert.NotEqual(drawn, copied);
        if (!deterministic) Assert.Equal((4.0, drawn), (study.Engine.Trial(0).Reports[^1].Step, study.Engine.Trial(0).Parameters));
        if (!deterministic) study.Engine.Prune(orders[0].Id);
        else study.Complete(orders[0], 1.5);
        study.Complete(orders[1], 2);
        while (study.Engine.End is null) study.Engine.Decide();
        var trial = study.Engine.Trial(0);
        Assert.Equal(deterministic ? copied : drawn, trial.Parameters);
        Assert.Equal(drawn, trial.Drawn);
        study.Rebuild();
        Assert.Equal(trial.Parameters, study.Engine.Trial(0).Parameters);
    }

    [Theory]
    [InlineData("pbt")]
    [InlineData("pbt, synchronous")]
    [InlineData("pb2")]
    public void Every_value_that_a_sampler_knows_is_of_the_parameters_that_it_knows_with_it(string scheduler)
    {
        var setup = StudySetups.Of(scheduler: scheduler);
        var study = new StudySimulation(setup, slots: 4, timing: 8) { Chaos = Chaos.Wild }.Run();
        int copies = 0;
        for (int i = 0; i < study.Engine.Started; i++)
        {
            var trial = study.Engine.Trial(i);
            if (!trial.Drawn.SequenceEqual(trial.Parameters)) copies++;
            if (trial.State != TrialState.Complete) continue;
            var order = new TrialOrder(new AttemptId(i, 1, 0), trial.Parameters, 0, null, 16, TimeSpan.Zero, null);
            Assert.Contains(trial.Values[0], Enumerable.Range(16, 4).Select(step => SimulatedObjective.Values(setup, order, step)[0]));
        }
        Assert.InRange(copies, 5, int.MaxValue);
    }

    private static StudySetup Setup(int trials) => EngineFixture.Random(trials, parallel: 1) with
    {
        TrialScheduler = c => new Pbt(new PbtOptions { Population = 4, PerturbationInterval = 4, Synchronous = true }, c),
    };

    /// <summary>One attempt after the other, to its pause or its end.</summary>
    private static void Run(EngineFixture study)
    {
        while (study.Engine.Decide() is { Order: { } order })
        {
            long step = order.From?.Resource ?? 0;
            TrialDirective told;
            do told = study.Report(order, step += 4, order.Id.Trial);
            while (told is TrialDirective.Continue or TrialDirective.Checkpoint);
            if (told == TrialDirective.Pause) study.Engine.Release(order.Id, step);
            else study.Complete(order, order.Id.Trial);
        }
    }
}
