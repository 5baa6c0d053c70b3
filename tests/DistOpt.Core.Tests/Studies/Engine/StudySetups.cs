using DistOpt.Core.Pruners;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Tests.Studies.Engine;

/// <summary>Studies over every sampler, trial scheduler and pruner of the catalogues.</summary>
internal static class StudySetups
{
    /// <summary>Numbers and a choice with few values, so that a grid is possible.</summary>
    private static readonly SearchSpace s_mixed = new(
    [
        new("rate", new FloatDomain(0, 1, step: 0.125)),
        new("width", new IntDomain(1, 64, log: true)),
        new("kind", new ChoiceDomain(["a", "b", "c"])),
        new("momentum", new FloatDomain(0, 0.875, step: 0.125), new Condition("kind", Among: [1])),
    ]);

    private static readonly SearchSpace s_numbers = new(
        [new("rate", new FloatDomain(1e-4, 1, log: true)), new("momentum", new FloatDomain(0, 1)), new("width", new IntDomain(1, 64))]);

    public static IReadOnlyList<string> Samplers { get; } = [.. SamplerCatalog.Default.Entries.Select(e => e.Name)];

    /// <summary>The trial scheduler that a sampler goes with, whatever else it can go with.</summary>
    public static string SchedulerOf(string sampler) => sampler == "bohb" ? "hyperband" : "fifo";

    public static IReadOnlyList<string> Schedulers { get; } =
        [.. TrialSchedulerCatalog.Default.Entries.Select(e => e.Name), "asha, stopping", "asha, 2 brackets", "pbt, synchronous", "pb2, synchronous"];

    public static IReadOnlyList<string> Pruners { get; } = [.. PrunerCatalog.Default.Entries.Select(e => e.Name)];

    /// <summary>Those that a deterministic study can have.</summary>
    public static IReadOnlyList<string> OrderedSchedulers { get; } = [.. Schedulers.Where(s => !SchedulerOptions(s).Check(Context(s, true)).Any())];

    public static StudySetup Of(string sampler = "random", string scheduler = "fifo", string pruner = "none", bool deterministic = false, int parallel = 4,
        int trials = 40, int repeats = 1)
    {
        var options = SchedulerOptions(scheduler);
        var (prunerFactory, prunerOptions) = (PrunerCatalog.Default.Get(pruner), PrunerOptionsOf(pruner));
        return new StudySetup
        {
            Context = Context(scheduler, deterministic) with { Trials = trials, Repeats = repeats },
            Sampler = () => SamplerCatalog.Default.Get(sampler)(SamplerOptions(sampler)),
            TrialScheduler = c => TrialSchedulerCatalog.Default.Get(scheduler.Split(',')[0])(options, c),
            Pruners = c => new ObjectivePruners(prunerFactory, prunerOptions, c),
            Parallel = parallel,
            Repeats = repeats,
            MaxAttempts = 1000,
        };
    }

    private static StudyContext Context(string scheduler, bool deterministic) => new()
    {
        Space = scheduler.StartsWith("pb2", StringComparison.Ordinal) ? s_numbers : s_mixed,
        Directions = [Direction.Minimize],
        Seed = 5,
        TrialLength = 16,
        Trials = 40,
        IsDeterministic = deterministic,
    };

    private static TrialSchedulerOptions SchedulerOptions(string name) => name switch
    {
        "asha" => new AshaOptions(),
        "asha, stopping" => new AshaOptions { Variant = AshaVariant.Stopping },
        "asha, 2 brackets" => new AshaOptions { ReductionFactor = 2, Brackets = 2 },
        "pbt" => new PbtOptions { PerturbationInterval = 4, Population = 6 },
        "pbt, synchronous" => new PbtOptions { PerturbationInterval = 4, Population = 6, Synchronous = true },
        "pb2" => new Pb2Options { PerturbationInterval = 4, Population = 6 },
        "pb2, synchronous" => new Pb2Options { PerturbationInterval = 4, Population = 6, Synchronous = true },
        _ => (TrialSchedulerOptions)Activator.CreateInstance(TrialSchedulerCatalog.Default.Entries.Single(e => e.Name == name).OptionsType)!,
    };

    private static object SamplerOptions(string name) => name switch
    {
        "tpe" => new TpeOptions { StartupTrials = 5 },
        "gp" => new GpOptions { StartupTrials = 4 },
        "nsga2" => new Nsga2Options { Population = 6 },
        "nsga3" => new Nsga3Options { Population = 6 },
        "cma-es" => new CmaEsOptions { Population = 4 },
        _ => Activator.CreateInstance(SamplerCatalog.Default.Entries.Single(e => e.Name == name).OptionsType)!,
    };

    private static object PrunerOptionsOf(string name) => name switch
    {
        "threshold" => new ThresholdOptions { Upper = 1.2, WarmupSteps = 2 },
        "median" => new MedianOptions { StartupTrials = 3 },
        "percentile" => new PercentileOptions { StartupTrials = 3 },
        _ => Activator.CreateInstance(PrunerCatalog.Default.Entries.Single(e => e.Name == name).OptionsType)!,
    };
}
