using DistOpt.Core.Specs;

namespace DistOpt.Core.Averaging;

/// <summary>Options of <c>averaging: none</c>: there are none.</summary>
public sealed record NoAveragingOptions;

/// <summary>Makes an averaging from its options; null: weights are not averaged.</summary>
public delegate IWeightAveraging? AveragingFactory(object options);

/// <summary>The plug-ins under <c>averaging:</c>. Adding one is one file and one line here.</summary>
public static class AveragingCatalog
{
    public static Catalog<AveragingFactory> Default { get; } = new Catalog<AveragingFactory>("averaging")
        .Add(new("none", typeof(NoAveragingOptions), _ => null, "the weights themselves", "Robbins and Monro 1951"))
        .Add(new("ema", typeof(ExponentialAverageOptions), o => new ExponentialAverage((ExponentialAverageOptions)o),
            "exponential moving average of the weights", "torch.optim.swa_utils.get_ema_multi_avg_fn; Polyak and Juditsky 1992"))
        .Add(new("swa", typeof(StochasticAverageOptions), o => new StochasticAverage((StochasticAverageOptions)o),
            "stochastic weight averaging: the mean over late epochs", "torch.optim.swa_utils.AveragedModel, SWALR; Izmailov et al. 2018"));

    /// <summary>Whether batch-norm statistics are measured anew where the average stands for the weights.</summary>
    public static bool UpdatesBatchNorm(TrainingSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return spec.Averaging.Options is AveragingOptions { UpdateBatchNorm: true };
    }

    /// <summary>The averaging of a spec; null where there is none.</summary>
    public static IWeightAveraging? Of(TrainingSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        // in code the section may have no options record yet
        return Default.Get(spec.Averaging.Kind)(spec.Averaging.Options ?? new NoAveragingOptions());
    }
}
