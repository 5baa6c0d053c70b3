using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.TrialSchedulers;

/// <summary>Makes a trial scheduler for a study.</summary>
/// <param name="options">The entry's options record, a <see cref="TrialSchedulerOptions"/>.</param>
/// <param name="context">The study.</param>
/// <exception cref="SpecException">It cannot be used for the study: what its options' check says.</exception>
public delegate ITrialScheduler TrialSchedulerFactory(object options, StudyContext context);

/// <summary>The plug-ins under <c>study.trial_scheduler</c>. Adding one is one file and one line here.</summary>
public static class TrialSchedulerCatalog
{
    /// <summary>The built-in trial schedulers alone; not to be added to.</summary>
    public static Catalog<TrialSchedulerFactory> Default { get; } = Create();

    /// <summary>A new catalogue with the built-in trial schedulers, for an application to add its own to.</summary>
    public static Catalog<TrialSchedulerFactory> Create() => new Catalog<TrialSchedulerFactory>("trial scheduler")
        .Add(new("fifo", typeof(FifoOptions), (_, _) => new Fifo(), "one trial after the other, each to its own end", "ray.tune FIFOScheduler"))
        .Add(new("asha", typeof(AshaOptions), (o, c) => ((AshaOptions)o).Create(c),
            "asynchronous successive halving: the best of each rung are sent on", "Li et al. 2020, algorithm 2; ray.tune AsyncHyperBandScheduler"))
        .Add(new("hyperband", typeof(HyperbandOptions), (o, c) => new Hyperband((HyperbandOptions)o, c),
            "asha in brackets that begin with more or less for each trial", "Li et al. 2018; Optuna HyperbandPruner"))
        .Add(new("pbt", typeof(PbtOptions), (o, c) => new Pbt((PbtOptions)o, c),
            "a population whose worst go on from the best with perturbed parameters", "Jaderberg et al. 2017; ray.tune PopulationBasedTraining"))
        .Add(new("pb2", typeof(Pb2Options), (o, c) => new Pb2((Pb2Options)o, c),
            "a population whose worst go on from the best where a Gaussian process sees the greatest gain", "Parker-Holder et al. 2020; ray.tune PB2"));
}
