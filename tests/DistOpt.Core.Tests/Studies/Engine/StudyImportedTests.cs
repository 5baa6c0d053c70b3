using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Tests.Studies.Engine;

/// <summary>Studies whose sampler knows trials of another one from the beginning.</summary>
public sealed class StudyImportedTests
{
    public static TheoryData<string> Samplers() => [.. StudySetups.Samplers];

    [Theory]
    [MemberData(nameof(Samplers))]
    public void Every_sampler_knows_them_and_goes_on_as_before_when_the_study_is_rebuilt(string sampler)
    {
        var setup = StudySetups.Of(sampler, "asha", trials: 12, parallel: 1);
        var imported = Imported(setup, 12);
        var study = new EngineFixture(setup);
        study.Engine.Import(imported);
        Assert.Equal(12, study.Engine.History.Imported);
        Assert.Equal(12, study.Engine.History.Ranking.Length);

        // own trials are numbered and counted as without
        var undisturbed = Run(study, rebuilds: false);
        Assert.Equal(Enumerable.Range(0, 12), undisturbed.Select(o => o.Id.Trial).Distinct());
        Assert.Equal(StudyStopReason.Trials, study.Engine.End);
        var status = study.Engine.Status();
        Assert.Equal((12, 12), (status.Started, status.Imported));
        Assert.Equal(12, status.Counts.Complete + status.Counts.Pruned);

        var rebuilt = new EngineFixture(setup);
        rebuilt.Engine.Import(imported);
        Assert.Equal(undisturbed.Select(Text), Run(rebuilt, rebuilds: true).Select(Text));
    }

    [Fact]
    public void A_sampler_learns_from_them_at_once()
    {
        var setup = EngineFixture.Random() with { Sampler = () => new TpeSampler(new TpeOptions { StartupTrials = 10 }) };
        // the nearer to (0.8, 0.2) the better
        var imported = Enumerable.Range(0, 40).Select(i => (X: i % 8 / 7.0, Y: i / 8 / 4.0))
            .Select(p => Complete(Math.Pow(p.X - 0.8, 2) + Math.Pow(p.Y - 0.2, 2), p.X, p.Y)).ToList();
        var warm = new EngineFixture(setup);
        warm.Engine.Import(imported);
        var first = warm.Order().Parameters;
        Assert.True(Math.Abs(first[0] - 0.8) < 0.3 && Math.Abs(first[1] - 0.2) < 0.3, string.Join(' ', first));
        Assert.NotEqual(first, new EngineFixture(setup).Order().Parameters);
    }

    [Fact]
    public void They_are_neither_the_best_nor_a_reason_to_end()
    {
        var study = new EngineFixture(EngineFixture.Random(trials: 2, parallel: 1) with { Stop = new() { Target = 0, Patience = new() { Trials = 2 } } });
        study.Engine.Import([.. Enumerable.Range(0, 5).Select(_ => Complete(-1, 0.5, 0.5))]);
        Assert.Null(study.Engine.Status().Best);
        study.Complete(study.Order(), 3);
        Assert.Equal((0, 3.0), (study.Engine.Status().Best!.Number, study.Engine.Status().Best!.Values[0]));
        study.Complete(study.Order(), 4);
        Assert.Equal(StudyStopReason.Trials, study.Engine.Decide().End);
        Assert.Equal(2, study.Engine.Status().Counts.Complete);
    }

    [Fact]
    public void A_grid_leaves_out_what_was_tried_elsewhere()
    {
        var random = EngineFixture.Random(trials: null, parallel: 1);
        var space = new SearchSpace([new("rate", new FloatDomain(0, 1, step: 0.125)), new("width", new IntDomain(1, 8)), new("kind", new ChoiceDomain(["a", "b"]))]);
        var setup = random with { Context = random.Context with { Space = space }, Sampler = () => new GridSampler() };
        var all = new EngineFixture(setup);
        var others = new HashSet<string>();
        while (all.Engine.Decide().Order is { } order)
        {
            others.Add(string.Join(' ', order.Parameters));
            all.Complete(order, 1);
        }
        var imported = Imported(setup, 30);
        var study = new EngineFixture(setup);
        study.Engine.Import(imported);
        while (study.Engine.Decide().Order is { } order)
        {
            Assert.DoesNotContain(imported, i => i.Parameters.SequenceEqual(order.Parameters));
            Assert.True(others.Remove(string.Join(' ', order.Parameters)));
            study.Complete(order, 1);
        }
        Assert.Equal(imported.Select(i => string.Join(' ', i.Parameters)).Distinct().Order(), others.Order());
    }

    [Fact]
    public void A_deterministic_study_with_them_is_the_same_whenever_its_trials_end()
    {
        var setup = StudySetups.Of("tpe", "asha", deterministic: true, parallel: 4, trials: 12);
        string Study(int seed)
        {
            var study = new EngineFixture(setup);
            study.Engine.Import(Imported(setup, 10));
            var (random, running, orders) = (new Random(seed), new List<TrialOrder>(), new List<TrialOrder>());
            while (study.Engine.End is null)
            {
                while (study.Engine.Decide().Order is { } order)
                {
                    running.Add(order);
                    orders.Add(order);
                }
                if (running.Count == 0) continue;
                var next = running[random.Next(running.Count)];
                running.Remove(next);
                Train(study, next);
            }
            return string.Join('\n', orders.GroupBy(o => o.Id.Trial).OrderBy(g => g.Key).Select(g => Text(g.First())));
        }
        Assert.Equal(Study(1), Study(2));
    }

    [Fact]
    public void A_study_whose_events_end_among_them_gets_the_rest_and_none_twice()
    {
        var setup = EngineFixture.Random();
        var imported = Imported(setup, 6);
        var study = new EngineFixture(setup);
        study.Engine.Import(imported);
        study.Rebuild(lost: 2);
        study.Engine.Reopen(_ => false);
        study.Engine.Import(imported);
        Assert.Equal(imported, study.Journal.OfType<StudyEvent.Imported>().Select(e => e.Trial));
        study.Order();
        study.Rebuild();
        study.Engine.Reopen(_ => false);
        study.Engine.Import(imported);
        Assert.Equal(6, study.Engine.History.Imported);
    }

    [Fact]
    public void What_is_no_trial_of_the_study_is_refused_and_none_is_taken()
    {
        var study = new EngineFixture(EngineFixture.Random());
        foreach (var (wrong, message) in (ReadOnlySpan<(ImportedTrial, string)>)
        [
            (Complete(1, 0.5, 7), "old 1 y: is 7, which is not in its domain"), (Complete(double.NaN, 0.5, 0.5), "old 1 has a value that is NaN"),
            (Complete(1, 0.5, 0.5) with { Constraints = [-1, double.NaN] }, "old 1 has a constraint that is NaN: whether it is feasible is not known"),
            (Complete(1, 0.5, 0.5) with { Values = [1, 2] }, "old 1 has 2 values, but must have 1"), (Complete(1, 0.5), "has 1 values for 2 parameters"),
            (Complete(1, 0.5, 0.5) with { State = TrialState.Running }, "only complete and pruned trials"),
        ])
        {
            Assert.Contains(message, Assert.Throws<ArgumentException>(() => study.Engine.Import([Complete(1, 0.1, 0.1), wrong])).Message);
            Assert.Empty(study.Journal);
        }
    }

    /// <summary>Trials of the study itself without them.</summary>
    private static List<ImportedTrial> Imported(StudySetup setup, int count)
    {
        var study = new EngineFixture(setup with { Sampler = () => new RandomSampler() });
        var trials = new List<ImportedTrial>();
        for (int i = 0; i < count; i++)
        {
            var order = study.Order();
            bool isPruned = i % 4 == 3;
            trials.Add(new ImportedTrial(isPruned ? TrialState.Pruned : TrialState.Complete, order.Parameters, isPruned ? [] : [Loss(order)], [],
                new Report(4, Loss(order)), $"old {i}"));
            study.Complete(order, Loss(order));
        }
        return trials;
    }

    private static ImportedTrial Complete(double value, params double[] parameters) => new(TrialState.Complete, [.. parameters], [value], [], null, "old 1");

    private static List<TrialOrder> Run(EngineFixture study, bool rebuilds)
    {
        var orders = new List<TrialOrder>();
        while (study.Engine.Decide().Order is { } order)
        {
            orders.Add(order);
            Train(study, order);
            if (rebuilds) study.Rebuild();
        }
        return orders;
    }

    private static void Train(EngineFixture study, TrialOrder order)
    {
        for (long step = (order.From?.Resource ?? 0) + 1; ; step++)
        {
            if (step > 16)
            {
                study.Complete(order, Loss(order));
                return;
            }
            switch (study.Report(order, step, Loss(order)))
            {
                case TrialDirective.Pause:
                    study.Engine.Release(order.Id, step);
                    return;
                case TrialDirective.Complete:
                    study.Complete(order, Loss(order));
                    return;
                case TrialDirective.Stop:
                    return;
            }
        }
    }

    private static double Loss(TrialOrder order) => order.Parameters.Where(p => !double.IsNaN(p)).Sum(p => Math.Pow(p - 0.3, 2));

    private static string Text(TrialOrder order) => $"{order.Id.Trial}: {string.Join(' ', order.Parameters)}";
}
