using System.Collections.Immutable;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Tests.Studies.Engine;

/// <summary>Studies whose space is widened while they go on.</summary>
public sealed class StudyWideningTests
{
    private static readonly ImmutableSortedDictionary<string, double> s_none = ImmutableSortedDictionary<string, double>.Empty;

    private static readonly SearchSpace s_wide = new(
        [new("kind", new ChoiceDomain(["a", "b"])), new("x", new FloatDomain(0, 4)), new("y", new FloatDomain(0, 1))]);

    public static TheoryData<string> Samplers() =>
        [.. StudySetups.Samplers.Where(s => !SamplerOf(s).KeepsCourse(new StudyHistory(StudySetups.Of(s).Context.Space, Direction.Minimize)))];

    [Fact]
    public void Everything_that_the_study_knows_is_in_the_wider_space_from_then_on()
    {
        var options = new TpeOptions { StartupTrials = 4 };
        var study = new EngineFixture(EngineFixture.Random(parallel: 2, trials: 40) with { Sampler = () => new TpeSampler(options) });
        for (int i = 0; i < 8; i++)
        {
            var order = study.Order();
            study.Complete(order, Math.Pow(order.Parameters[0] - 3, 2));
        }
        var running = study.Order();
        study.Engine.Enqueue(null, [0.5, double.NaN]);
        double[] before = [.. study.Engine.Status().Best!.Parameters];
        Assert.Equal(new CommandAnswer(), study.Engine.Widen("w", s_wide, s_none.Add("kind", 1)));
        Assert.Equal(new CommandAnswer(IsRepeat: true), study.Engine.Widen("w", s_wide, s_none.Add("kind", 1)));
        Assert.NotNull(study.Engine.Widen("w", s_wide, s_none.Add("kind", 0)).Refusal);
        var widened = Assert.IsType<StudyEvent.SpaceWidened>(study.Journal[^1]);
        Assert.Equal((1, 9), (widened.Version, widened.FromTrial));

        var history = study.Engine.History;
        Assert.Same(s_wide, history.Space);
        Assert.All(history.Trials, t => Assert.Equal(1, t.Parameters[0]));
        Assert.Equal([1, before[0], before[1]], study.Engine.Status().Best!.Parameters);
        Assert.Equal([1, running.Parameters[0], running.Parameters[1]], study.Engine.Status().Live.Single().Parameters);
        // the point that was enqueued leaves it to the sampler
        var point = study.Order();
        Assert.Equal(0.5, point.Parameters[1]);
        Assert.Contains(point.Parameters[0], new[] { 0.0, 1 });

        study.Complete(point, 6.25);
        study.Engine.Lose(running.Id, "its node is gone");
        var again = study.Order();
        // it goes on as what it was drawn as
        Assert.Equal((running.Id.Trial, 0, 1), (again.Id.Trial, again.SpaceVersion, point.SpaceVersion));
        Assert.Equal(running.Parameters, again.Parameters);
        study.Complete(again, Math.Pow(again.Parameters[0] - 3, 2));
        for (int i = 0; i < 25; i++)
        {
            var order = study.Order();
            study.Complete(order, Math.Pow(order.Parameters[1] - 3, 2));
        }
        // it gets beyond where it could not before
        Assert.True(study.Engine.Status().Best!.Parameters[1] > 1.5);
        Assert.All(study.Engine.History.Trials.Take(9), t => Assert.Equal(0, t.SpaceVersion));
        Assert.All(study.Engine.History.Trials.Skip(9), t => Assert.Equal(1, t.SpaceVersion));
        Assert.Equal(1, study.Engine.Status().SpaceVersion);
    }

    /// <summary>From every place in its events, by every sampler that can have it.</summary>
    [Theory, MemberData(nameof(Samplers))]
    public void A_study_that_is_rebuilt_goes_on_as_the_one_that_wrote_its_events(string sampler)
    {
        var wide = Wider(StudySetups.Of(sampler).Context.Space);
        StudySimulation Run(bool rebuilds) => new(StudySetups.Of(sampler, StudySetups.SchedulerOf(sampler), trials: 24), slots: 4, timing: 3)
        {
            Chaos = Chaos.Wild with { Kill = 0, Rebuild = rebuilds ? 1 : 0 },
            Before = (engine, now) =>
            {
                if (engine.Status().Started > 10) engine.Widen("w", wide, s_none);
            },
        };

        var (original, rebuilt) = (Run(rebuilds: false).Run(), Run(rebuilds: true).Run());
        Assert.Equal(original.Journal.Select(Text), rebuilt.Journal.Select(Text));
        Assert.Equal(1, rebuilt.Engine.Status().SpaceVersion);
        Assert.Equal(original.Engine.History.Trials.Select(t => t.SpaceVersion), rebuilt.Engine.History.Trials.Select(t => t.SpaceVersion));
        Assert.Equal(original.Engine.History.Trials.SelectMany(t => t.Parameters), rebuilt.Engine.History.Trials.SelectMany(t => t.Parameters));
        Assert.All(original.Engine.History.Trials, t => Assert.Empty(original.Engine.History.Space.Check([.. t.Parameters])));
    }

    /// <summary>At a trial's number, at any timing and with any kills, whenever it was asked for.</summary>
    [Fact]
    public void In_a_deterministic_study_it_holds_from_a_trials_number_on()
    {
        StudySimulation Run(long timing, Chaos chaos, int after) => new StudySimulation(StudySetups.Of("tpe", "asha", deterministic: true), slots: 4, timing)
        {
            Chaos = chaos,
            Before = (engine, now) =>
            {
                if (engine.Status() is { SpaceVersion: 0 } status && status.Started >= after && status.End is null)
                    Assert.DoesNotContain("has ended", engine.Widen("w", Wider(engine.History.Space), s_none, fromTrial: 20).Refusal ?? "");
            },
        }.Run();

        string[] expected = Decisions(Run(1, Chaos.None, after: 0));
        foreach (long timing in new long[] { 2, 3, 4, 5 }) Assert.Equal(expected, Decisions(Run(timing, Chaos.Wild, after: timing % 2 == 0 ? 0 : 8)));
        var simulation = Run(6, Chaos.None, after: 2);
        Assert.Equal(Enumerable.Range(0, 40).Select(n => n < 20 ? 0 : 1), simulation.Engine.History.Trials.Select(t => t.SpaceVersion));
        var old = StudySetups.Of("tpe").Context.Space;
        Assert.All(simulation.Of<StudyEvent.Started>().Take(20), s => Assert.Empty(old.Check([.. s.Parameters])));
        Assert.Contains(simulation.Of<StudyEvent.Started>().Skip(20), s => old.Check([.. s.Parameters]).Any());

        static string[] Decisions(StudySimulation simulation) => [.. simulation.Journal
            .Where(e => e is StudyEvent.Started or StudyEvent.Promoted or StudyEvent.Taken or StudyEvent.Ended)
            .Select(e => Text(e is StudyEvent.Ended ended ? ended with { Seconds = 0, Error = null } : e))];
    }

    [Fact]
    public void What_cannot_go_on_in_another_space_is_refused_by_name()
    {
        foreach (string sampler in new[] { "grid", "sobol", "cma-es" })
        {
            var engine = new StudyEngine(StudySetups.Of(sampler), _ => { });
            var error = Assert.Throws<SpecException>(() => engine.Widen(null, Wider(engine.History.Space), s_none));
            Assert.Contains("study.sampler: follows a course that is laid out in the space (grid, sobol, cma-es, or auto over numbers)", error.Message);
        }
        StudyEngine Auto(int? trials) => new(EngineFixture.Random(trials) with { Sampler = () => new AutoSampler(new AutoOptions()) }, _ => { });
        Assert.Contains("study.sampler", Assert.Throws<SpecException>(() => Auto(null).Widen(null, EngineFixture.Space, s_none)).Message);
        // it does not come to cma-es
        Assert.Null(Auto(200).Widen(null, s_wide, s_none.Add("kind", 0)).Refusal);
        var pbt = new StudyEngine(StudySetups.Of(scheduler: "pbt"), _ => { });
        Assert.Contains("study.trial_scheduler: changes the parameters of trials (pbt, pb2)",
            Assert.Throws<SpecException>(() => pbt.Widen(null, pbt.History.Space, s_none)).Message);
        Assert.Contains("is added, but has no default",
            Assert.Throws<SpecException>(() => new EngineFixture(EngineFixture.Random()).Engine.Widen(null, s_wide, s_none)).Message);

        var study = new EngineFixture(EngineFixture.Random(deterministic: true));
        Assert.Null(study.Engine.Widen("a", s_wide, s_none.Add("kind", 0), fromTrial: 5).Refusal);
        Assert.Equal("another space is to hold from trial 5 on; wait for that", study.Engine.Widen("b", s_wide, s_none.Add("kind", 0)).Refusal);
        study.Engine.Cancel(null);
        Assert.Equal("the study has ended (Cancelled)", new EngineFixture(EngineFixture.Random()) is var over && over.Engine.Cancel(null) == new CommandAnswer()
            ? over.Engine.Widen("c", s_wide, s_none.Add("kind", 0)).Refusal : null);
    }

    /// <summary>Constraints are on places in a space.</summary>
    [Fact]
    public void Constraints_hold_in_the_wider_space()
    {
        var spec = StudyFixture.OfSpace("model.dropout: { float: [0, 0.5] }\nbatch.size: { int: [8, 64] }");
        var constraint = new ConstraintSection { Parameters = "batch.size", AtMost = 20 };
        var section = spec.Study with { Sampler = new PluginSpec("random", new RandomOptions()), Constraints = [constraint] };
        spec = spec with { Study = section, Constraints = [ParameterConstraint.Of(constraint, spec.Space.Space).Constraint!] };
        var study = new EngineFixture(StudySetup.Of(spec, StudyFixture.Binder.Catalogs));
        study.Engine.Widen(null, """
            space:
              optimizer.learning_rate: { float: [1e-4, 1] }
              batch.size: { int: [8, 640] }
              model.dropout: { float: [0, 0.5] }
            """);
        Assert.Equal(["optimizer.learning_rate", "batch.size", "model.dropout"], study.Engine.Spec!.Space.Space.Parameters.Select(p => p.Name));
        for (int i = 0; i < 20; i++)
        {
            var order = study.Order();
            Assert.InRange(order.Parameters[1], 8, 20);
            study.Complete(order, 1);
        }
        var bare = EngineFixture.Random();
        bare = bare with { Context = bare.Context with { Constraints = spec.Constraints } };
        Assert.Throws<InvalidOperationException>(() => new StudyEngine(bare, _ => { }).Widen(null, EngineFixture.Space, s_none));
    }

    /// <summary>Ranges twice as wide, and one choice more at the end.</summary>
    private static SearchSpace Wider(SearchSpace space) => new(space.Parameters.Select(p => p with
    {
        Domain = p.Domain switch
        {
            FloatDomain f => new FloatDomain(f.Low, 2 * f.High, f.Step, f.Log),
            IntDomain i => new IntDomain((long)i.Low, 2 * (long)i.High, (long)i.Step!.Value, i.Log),
            ChoiceDomain c => new ChoiceDomain(c.Choices.Add("more"), c.IsOrdered),
            _ => p.Domain,
        },
    }));

    private static ISampler SamplerOf(string name) => StudySetups.Of(name).Sampler();

    private static string Text(StudyEvent e) => e is StudyEvent.SpaceWidened w ? $"widened {w.Key} {w.Version} {w.FromTrial} {w.Space}" : EventText.Of(e);
}
