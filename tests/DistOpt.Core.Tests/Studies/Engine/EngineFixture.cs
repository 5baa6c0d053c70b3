using System.Collections.Immutable;
using DistOpt.Core.Pruners;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Tests.Studies.Engine;

/// <summary>An engine that is driven call by call.</summary>
internal sealed class EngineFixture
{
    public EngineFixture(StudySetup setup)
    {
        Setup = setup;
        Engine = new StudyEngine(setup, Journal.Add);
    }

    public static SearchSpace Space { get; } = new([new("x", new FloatDomain(0, 1)), new("y", new FloatDomain(0, 1))]);

    public StudySetup Setup { get; }

    public List<StudyEvent> Journal { get; } = [];

    public StudyEngine Engine { get; private set; }

    public static StudySetup Random(int? trials = 10, int parallel = 2, bool deterministic = false, params ImmutableArray<Direction> directions) => new()
    {
        Context = new StudyContext
        {
            Space = Space,
            Directions = directions.IsDefaultOrEmpty ? [Direction.Minimize] : directions,
            Seed = 3,
            Trials = trials,
            TrialLength = 16,
            IsDeterministic = deterministic,
        },
        Sampler = () => new RandomSampler(),
        Parallel = parallel,
    };

    public static Func<StudyContext, ITrialScheduler> Asha => context => new AshaOptions().Create(context);

    public static Func<StudyContext, ObjectivePruners> Threshold(double upper) =>
        context => new((o, c) => new ThresholdPruner((ThresholdOptions)o, c), new ThresholdOptions { Upper = upper }, context);

    /// <summary>What a slot gets, which is something.</summary>
    public TrialOrder Order() => Engine.Decide() is { Order: { } order } ? order : throw new InvalidOperationException($"{Engine.Decide()}");

    public StudyWait? Wait() => Engine.Decide().Wait;

    public TrialDirective Report(TrialOrder order, long step, params double[] values) => Engine.Report(order.Id, step, values);

    public bool Complete(TrialOrder order, params double[] values) => Engine.Complete(order.Id, values);

    /// <summary>The last event.</summary>
    public T Last<T>() where T : StudyEvent => Assert.IsType<T>(Journal[^1]);

    public StudyEvent.Ended End(int trial) => Journal.OfType<StudyEvent.Ended>().Single(e => e.Trial == trial);

    /// <summary>As after a crash that left the events but the last few.</summary>
    public void Rebuild(int lost = 0)
    {
        Journal.RemoveRange(Journal.Count - lost, lost);
        Engine = StudyEngine.Restore(Setup, [.. Journal], Journal.Add);
    }
}
