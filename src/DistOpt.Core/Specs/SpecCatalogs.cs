using System.Collections.Immutable;
using DistOpt.Core.Averaging;
using DistOpt.Core.Batching;
using DistOpt.Core.Consistency;
using DistOpt.Core.Datasets.Augmentations;
using DistOpt.Core.Pruners;
using DistOpt.Core.Samplers;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Specs;

/// <summary>The catalogues that plug-in fields of a spec refer to.</summary>
public sealed record SpecCatalogs
{
    public ICatalog Models { get; init; } = new Catalog<object>("model");

    public ICatalog Datasets { get; init; } = new Catalog<object>("data set");

    public ICatalog Augmentations { get; init; } = AugmentationCatalog.Default;

    public ICatalog Losses { get; init; } = new Catalog<object>("loss");

    public ICatalog Metrics { get; init; } = new Catalog<object>("metric");

    public ICatalog Optimizers { get; init; } = new Catalog<object>("optimizer");

    public ICatalog Averagings { get; init; } = AveragingCatalog.Default;

    public ICatalog Schedules { get; init; } = new Catalog<object>("schedule");

    public ICatalog Batches { get; init; } = BatchCatalog.Default;

    public ICatalog Consistencies { get; init; } = ConsistencyCatalog.Default;

    public Catalog<Func<object, ISampler>> Samplers { get; init; } = SamplerCatalog.Default;

    public Catalog<TrialSchedulerFactory> TrialSchedulers { get; init; } = TrialSchedulerCatalog.Default;

    public Catalog<PrunerFactory> Pruners { get; init; } = PrunerCatalog.Default;

    /// <summary>Every catalogue under the name by which <see cref="PluginAttribute"/> and <c>distopt list</c> refer to it.</summary>
    public ImmutableArray<(string Name, ICatalog Catalog)> All =>
    [
        ("models", Models), ("datasets", Datasets), ("augmentations", Augmentations), ("losses", Losses), ("metrics", Metrics),
        ("optimizers", Optimizers), ("averagings", Averagings), ("schedules", Schedules), ("batches", Batches), ("consistencies", Consistencies),
        ("samplers", Samplers), ("trial-schedulers", TrialSchedulers), ("pruners", Pruners),
    ];

    /// <exception cref="ArgumentException">No catalogue has the name.</exception>
    public ICatalog Get(string name)
    {
        foreach (var (known, catalog) in All)
        {
            if (known == name)
                return catalog;
        }

        throw new ArgumentException($"'{name}' is no catalogue; there are {string.Join(", ", All.Select(c => c.Name))}", nameof(name));
    }
}
