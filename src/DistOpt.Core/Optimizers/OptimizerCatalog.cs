using DistOpt.Core.Specs;

namespace DistOpt.Core.Optimizers;

/// <summary>The built-in optimizers. Adding one is one file and one line here.</summary>
public static class OptimizerCatalog
{
    /// <summary>The built-in optimizers alone; not to be added to.</summary>
    public static Catalog<Func<object, IOptimizer>> Default { get; } = Create();

    /// <summary>A new catalogue with the built-in optimizers, for an application to add its own to.</summary>
    public static Catalog<Func<object, IOptimizer>> Create() => new Catalog<Func<object, IOptimizer>>("optimizer")
        .Add(new(GradientDescent.Name, typeof(GdOptions), o => new Sgd((GdOptions)o),
            "plain gradient descent on the whole training part: its batch is full", "Cauchy 1847"))
        .Add(new("sgd", typeof(SgdOptions), o => new Sgd((SgdOptions)o),
            "stochastic gradient descent with momentum, Nesterov momentum, weight decay", "torch.optim.SGD; Sutskever et al. 2013"))
        .Add(new("momentum", typeof(MomentumOptions), o => new Sgd((MomentumOptions)o, nesterov: false),
            "sgd with momentum 0.9", "torch.optim.SGD; Polyak 1964"))
        .Add(new("nesterov", typeof(MomentumOptions), o => new Sgd((MomentumOptions)o, nesterov: true),
            "sgd with Nesterov's momentum 0.9", "torch.optim.SGD; Sutskever et al. 2013"))
        .Add(new("adagrad", typeof(AdagradOptions), o => new Adagrad((AdagradOptions)o),
            "rates fall with the sum of squared gradients", "torch.optim.Adagrad; Duchi et al. 2011"))
        .Add(new("adadelta", typeof(AdadeltaOptions), o => new Adadelta((AdadeltaOptions)o),
            "steps as long as the ones before, by running mean squares", "torch.optim.Adadelta; Zeiler 2012"))
        .Add(new("rmsprop", typeof(RmsPropOptions), o => new RmsProp((RmsPropOptions)o),
            "gradients over their running root mean square; centered, with momentum", "torch.optim.RMSprop; Tieleman and Hinton 2012"))
        .Add(new("adam", typeof(AdamOptions), o => new Adam((AdamOptions)o),
            "adaptive moments; weight decay as an L2 penalty", "torch.optim.Adam; Kingma and Ba 2015"))
        .Add(new("adamw", typeof(AdamWOptions), o => new Adam((AdamWOptions)o),
            "Adam with decoupled weight decay", "torch.optim.AdamW; Loshchilov and Hutter 2019"))
        .Add(new("nadam", typeof(NAdamOptions), o => new NAdam((NAdamOptions)o),
            "Adam with Nesterov's momentum", "torch.optim.NAdam; Dozat 2016"))
        .Add(new("radam", typeof(RAdamOptions), o => new RAdam((RAdamOptions)o),
            "Adam that begins without adaptation while its variance is unknown", "torch.optim.RAdam; Liu et al. 2020"))
        .Add(new("lion", typeof(LionOptions), o => new Lion((LionOptions)o),
            "the sign of an interpolated momentum", "Chen et al. 2023, algorithm 2"))
        .Add(new("lamb", typeof(LambOptions), o => new Lamb((LambOptions)o),
            "Adam with steps in proportion to each tensor's norm, for large batches", "You et al. 2020, algorithm 2"))
        .Add(new("lars", typeof(LarsOptions), o => new Lars((LarsOptions)o),
            "momentum with steps in proportion to each tensor's norm, for large batches", "You et al. 2017, algorithm 1; optax.lars"))
        .Add(new("adafactor", typeof(AdafactorOptions), o => new Adafactor((AdafactorOptions)o),
            "Adam whose mean squares are factored into rows and columns; [1, n] and [n, 1] count as vectors, where torch factors them", "torch.optim.Adafactor; Shazeer and Stern 2018"))
        .Add(new("muon", typeof(MuonOptions), o => new Muon((MuonOptions)o),
            "orthogonalized momentum for matrices, adamw for the rest; rate and decay as Jordan's, where torch's defaults are 0.001 and 0.1", "torch.optim.Muon; Jordan et al. 2024"));
}
