using DistOpt.Core.Specs;

namespace DistOpt.Core.Samplers;

/// <summary>The plug-ins under <c>study.sampler</c>. Adding one is one file and one line here.</summary>
public static class SamplerCatalog
{
    /// <summary>The built-in samplers alone; not to be added to.</summary>
    public static Catalog<Func<object, ISampler>> Default { get; } = Create();

    /// <summary>A new catalogue with the built-in samplers, for an application to add its own to.</summary>
    public static Catalog<Func<object, ISampler>> Create() => new Catalog<Func<object, ISampler>>("sampler")
        .Add(new("random", typeof(RandomOptions), _ => new RandomSampler(),
            "every value as likely as any other, independently of the trials before", "Bergstra and Bengio 2012"))
        .Add(new("tpe", typeof(TpeOptions), o => new TpeSampler((TpeOptions)o),
            "tree-structured Parzen estimator: where good trials are denser than bad ones", "optuna.samplers.TPESampler; Bergstra et al. 2011"))
        .Add(new("bohb", typeof(BohbOptions), o => new BohbSampler((BohbOptions)o),
            "with hyperband or asha: densities of good and of other trials at the highest rung that has enough", "Falkner et al. 2018; HpBandSter BOHB"))
        .Add(new("grid", typeof(GridOptions), _ => new GridSampler(),
            "every configuration of a space with steps and choices once, in shuffled order", "optuna.samplers.GridSampler"))
        .Add(new("sobol", typeof(SobolOptions), o => new SobolSampler((SobolOptions)o),
            "points that cover the space evenly, scrambled by the seed", "Joe and Kuo 2008; Owen 1995"))
        .Add(new("cma-es", typeof(CmaEsOptions), o => new CmaEsSampler((CmaEsOptions)o),
            "an evolution strategy that learns a covariance, with a margin for integers; of trials that have ended, so not with rungs", "Hansen 2016; Hamano et al. 2022"))
        .Add(new("gp", typeof(GpOptions), o => new GpSampler((GpOptions)o),
            "Gaussian process: the greatest expected improvement, of the hypervolume with up to four objectives; where trials pause at rungs, at the highest that "
                + "has enough",
            "optuna.samplers.GPSampler; Ament et al. 2023; Daulton et al. 2020"))
        .Add(new("nsga2", typeof(Nsga2Options), o => new Nsga2Sampler((Nsga2Options)o),
            "a genetic algorithm for several objectives", "Deb et al. 2002; optuna.samplers.NSGAIISampler"))
        .Add(new("nsga3", typeof(Nsga3Options), o => new Nsga3Sampler((Nsga3Options)o),
            "the same for four objectives and more, spread by reference points", "Deb and Jain 2014; optuna.samplers.NSGAIIISampler"))
        .Add(new("auto", typeof(AutoOptions), o => new AutoSampler((AutoOptions)o),
            "gp, then cma-es for numbers; tpe with conditions, choices or rungs; tpe, then nsga2 or (from four on) nsga3 for several objectives", "optunahub AutoSampler"));
}
