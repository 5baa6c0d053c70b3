using System.Collections.Immutable;
using DistOpt.Core.Pruners;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Studies.Functions;

/// <summary>The usual things to say of a study over a function; what is left away is as in a study spec, but for the sampler.</summary>
public sealed record FunctionStudyOptions
{
    /// <summary>What is searched; null = trials define their parameters while they run (<see cref="FunctionTrial.SuggestFloat"/> and the like).</summary>
    public SearchSpace? Space { get; init; }

    /// <summary>One for each objective.</summary>
    public ImmutableArray<Direction> Directions { get; init; } = [Direction.Minimize];

    /// <summary>Of the sampler.</summary>
    public long Seed { get; init; }

    /// <summary>Trials in all; null = no bound.</summary>
    public int? Trials { get; init; }

    /// <summary>Trials that run at a time.</summary>
    public int Parallel { get; init; } = 1;

    /// <summary>Who chooses parameters, by its name in the catalogue; where trials define them, random or tpe.</summary>
    public PluginSpec Sampler { get; init; } = new("tpe");

    /// <summary>Who pauses and stops trials at rungs, by its name in the catalogue.</summary>
    public PluginSpec TrialScheduler { get; init; } = new("fifo");

    /// <summary>Who ends trials early, by its name in the catalogue.</summary>
    public PluginSpec Pruner { get; init; } = new("none");

    /// <summary>The last step that a trial reports, where all have the same: for trial schedulers and pruners that need it.</summary>
    public long? TrialLength { get; init; }

    /// <summary>What ends the study before its trials are done.</summary>
    public StudyStopSection Stop { get; init; } = new();

    /// <summary>The setup that says the same.</summary>
    /// <exception cref="SpecException">A plug-in is not known.</exception>
    public StudySetup ToSetup()
    {
        var (sampler, samplerOptions) = Find(SamplerCatalog.Default, Sampler);
        var (scheduler, schedulerOptions) = Find(TrialSchedulerCatalog.Default, TrialScheduler);
        var (pruner, prunerOptions) = Find(PrunerCatalog.Default, Pruner);
        return new StudySetup
        {
            Context = new StudyContext
            {
                Space = Space ?? new SearchSpace([]),
                IsDefinedByRun = Space is null,
                Directions = Directions,
                Seed = Seed,
                Trials = Trials,
                TrialLength = TrialLength,
            },
            Sampler = () => sampler(samplerOptions),
            TrialScheduler = context => scheduler(schedulerOptions, context),
            Pruners = context => new ObjectivePruners(pruner, prunerOptions, context),
            Parallel = Parallel,
            Stop = Stop,
        };
    }

    private static (T Factory, object Options) Find<T>(Catalog<T> catalog, PluginSpec plugin) =>
        (catalog.Get(plugin.Kind), plugin.Options ?? Activator.CreateInstance(catalog.Entries.First(e => e.Name == plugin.Kind).OptionsType)!);
}
