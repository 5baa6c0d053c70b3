using DistOpt.Core.Specs;

namespace DistOpt.Core.Optimizers;

/// <summary>The built-in optimizers. Adding one is one file and one line here.</summary>
public static class OptimizerCatalog
{
    /// <summary>The built-in optimizers alone; not to be added to.</summary>
    public static Catalog<Func<object, IOptimizer>> Default { get; } = Create();

    /// <summary>A new catalogue with the built-in optimizers, for an application to add its own to.</summary>
    public static Catalog<Func<object, IOptimizer>> Create() => new Catalog<Func<object, IOptimizer>>("optimizer")
        .Add(new("sgd", typeof(SgdOptions), o => new Sgd((SgdOptions)o),
            "stochastic gradient descent with momentum, Nesterov momentum, weight decay", "torch.optim.SGD; Sutskever et al. 2013"))
        .Add(new("adam", typeof(AdamOptions), o => new Adam((AdamOptions)o),
            "adaptive moments; weight decay as an L2 penalty", "torch.optim.Adam; Kingma and Ba 2015"))
        .Add(new("adamw", typeof(AdamWOptions), o => new Adam((AdamWOptions)o),
            "Adam with decoupled weight decay", "torch.optim.AdamW; Loshchilov and Hutter 2019"));
}
