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
            "tree-structured Parzen estimator: where good trials are denser than bad ones", "optuna.samplers.TPESampler; Bergstra et al. 2011"));
}
