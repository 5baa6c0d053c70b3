using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Pruners;

/// <summary>Makes a pruner for a study.</summary>
/// <param name="options">The entry's options record, a <see cref="PrunerOptions"/>.</param>
/// <param name="context">The study.</param>
/// <exception cref="SpecException">It cannot be used for the study: what its options' check says.</exception>
public delegate IPruner PrunerFactory(object options, StudyContext context);

/// <summary>The plug-ins under <c>study.pruner</c>. Adding one is one file and one line here.</summary>
public static class PrunerCatalog
{
    /// <summary>The built-in pruners alone; not to be added to.</summary>
    public static Catalog<PrunerFactory> Default { get; } = Create();

    /// <summary>A new catalogue with the built-in pruners, for an application to add its own to.</summary>
    public static Catalog<PrunerFactory> Create()
    {
        var catalog = new Catalog<PrunerFactory>("pruner");
        return catalog
            .Add(new("none", typeof(NoPrunerOptions), (_, _) => new NoPruner(), "every trial goes to its end", "optuna.pruners.NopPruner"))
            .Add(new("median", typeof(MedianOptions), (o, c) => new PercentilePruner((MedianOptions)o, c),
                "ends trials whose best value is worse than the median at the same step", "Optuna MedianPruner; Golovin et al. 2017"))
            .Add(new("percentile", typeof(PercentileOptions), (o, c) => new PercentilePruner((PercentileOptions)o, c),
                "ends trials whose best value is worse than a percentile at the same step", "Optuna PercentilePruner"))
            .Add(new("patient", typeof(PatientOptions), (o, c) => new PatientPruner((PatientOptions)o, Wrapped(catalog, (PatientOptions)o, c), c),
                "asks another pruner only once a trial has not got better for a while", "Optuna PatientPruner"))
            .Add(new("threshold", typeof(ThresholdOptions), (o, c) => new ThresholdPruner((ThresholdOptions)o, c),
                "ends trials whose value is out of bounds", "Optuna ThresholdPruner"))
            .Add(new("wilcoxon", typeof(WilcoxonOptions), (o, c) => new WilcoxonPruner((WilcoxonOptions)o, c),
                "ends trials that are worse than the best one by the signed-rank test over folds, instances, or the runs of study.repeats", "Optuna WilcoxonPruner"))
            .Add(new("successive-halving", typeof(SuccessiveHalvingOptions), (o, c) => new SuccessiveHalvingPruner((SuccessiveHalvingOptions)o, c),
                "ends trials that are not among the best of their rung", "Optuna SuccessiveHalvingPruner; Li et al. 2020"));
    }

    /// <summary>none: patience itself ends the trial.</summary>
    private static IPruner? Wrapped(Catalog<PrunerFactory> catalog, PatientOptions options, StudyContext context)
    {
        if (options.Wrapped.Kind == "none") return null;
        var factory = catalog.Get(options.Wrapped.Kind);
        // in code the plug-in may have no options record yet
        return factory(options.Wrapped.Options ?? Activator.CreateInstance(catalog.Entries.First(e => e.Name == options.Wrapped.Kind).OptionsType)!, context);
    }
}
