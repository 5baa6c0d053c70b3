using DistOpt.Core.Specs;

namespace DistOpt.Torch.Losses;

/// <summary>The built-in losses. Adding one is one file and one line here.</summary>
public static class LossCatalog
{
    /// <summary>Name of binary cross-entropy on scores.</summary>
    public const string BceWithLogits = "bce-with-logits";

    /// <summary>A new catalogue, for an application to add its own to. A factory takes the entry's options record.</summary>
    public static Catalog<Func<object, ILoss>> Create() => new Catalog<Func<object, ILoss>>("loss")
        .Add(new("cross-entropy", typeof(CrossEntropyOptions), o => new CrossEntropyLoss((CrossEntropyOptions)o),
            "classes: softmax cross-entropy on scores", "torch.nn.functional.cross_entropy"))
        .Add(new("mse", typeof(NoLossOptions), _ => new MseLoss(),
            "values: mean squared error", "torch.nn.functional.mse_loss"))
        .Add(new("mae", typeof(NoLossOptions), _ => new MaeLoss(),
            "values: mean absolute error", "torch.nn.functional.l1_loss"))
        .Add(new("huber", typeof(HuberOptions), o => new HuberLoss((HuberOptions)o),
            "values: squared error up to delta, absolute error above", "Huber 1964; torch.nn.functional.huber_loss"))
        .Add(new(BceWithLogits, typeof(BceWithLogitsOptions), o => new BceWithLogitsLoss((BceWithLogitsOptions)o),
            "two classes by one score, or targets between 0 and 1: binary cross-entropy on scores", "torch.nn.functional.binary_cross_entropy_with_logits"))
        .Add(new("nll", typeof(NllOptions), o => new NllLoss((NllOptions)o),
            "classes: negative log-likelihood on log-probabilities", "torch.nn.functional.nll_loss"))
        .Add(new("hinge", typeof(HingeOptions), o => new HingeLoss((HingeOptions)o),
            "classes, or with single_score two sides of 0: margin between the target's score and the others", "Weston & Watkins 1999; torch.nn.functional.multi_margin_loss"))
        .Add(new("kl", typeof(KlOptions), o => new KlLoss((KlOptions)o),
            "distributions: Kullback-Leibler divergence from log-probabilities", "torch.nn.functional.kl_div"));
}
