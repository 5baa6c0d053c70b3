using DistOpt.Core.Optimizers;

namespace DistOpt.Core.Tests.Optimizers;

/// <summary>Every optimizer of the catalogue by a name, with its default options and with others that give it further state or another way.</summary>
internal static class OptimizerVariants
{
    /// <summary>Options by a name whose first word is the optimizer's.</summary>
    public static IReadOnlyDictionary<string, object> Options { get; } = new Dictionary<string, object>
    {
        ["sgd momentum"] = new SgdOptions { Momentum = 0.9, WeightDecay = 0.01 },
        ["sgd dampening"] = new SgdOptions { Momentum = 0.9, Dampening = 0.5 },
        ["sgd nesterov"] = new SgdOptions { Momentum = 0.9, Nesterov = true },
        ["adam weight_decay"] = new AdamOptions { WeightDecay = 0.01 },
        ["adamw no weight_decay"] = new AdamWOptions { WeightDecay = 0 },
        ["adam amsgrad"] = new AdamOptions { Amsgrad = true },
        ["adagrad initial"] = new AdagradOptions { InitialAccumulator = 0.1, LearningRateDecay = 0.01 },
        ["rmsprop momentum"] = new RmsPropOptions { Momentum = 0.9 },
        ["rmsprop centered"] = new RmsPropOptions { Centered = true },
        ["rmsprop both"] = new RmsPropOptions { Centered = true, Momentum = 0.9, WeightDecay = 0.01 },
        ["nadam decoupled"] = new NAdamOptions { WeightDecay = 0.1, DecoupledWeightDecay = true },
        ["radam decoupled"] = new RAdamOptions { WeightDecay = 0.1, DecoupledWeightDecay = true },
        ["lion weight_decay"] = new LionOptions { WeightDecay = 0.1 },
        ["lamb weight_decay"] = new LambOptions { WeightDecay = 0.01 },
        ["lamb no trust"] = new LambOptions { WeightDecay = 0.01, TrustBiases = false },
        ["lars weight_decay"] = new LarsOptions { WeightDecay = 0.01 },
        ["lars nesterov"] = new LarsOptions { Nesterov = true, Epsilon = 1e-6, TrustBiases = false },
        ["muon match-adamw"] = new MuonOptions { Scale = MuonScale.MatchAdamw, WeightDecay = 0.1, Nesterov = false, AdamwFor = ["2.*"] },
    };

    /// <summary>The catalogue's names, and then those of <see cref="Options"/>.</summary>
    public static IEnumerable<string> Names => OptimizerCatalog.Default.Entries.Select(e => e.Name).Concat(Options.Keys);

    public static object OptionsOf(string name) =>
        Options.GetValueOrDefault(name) ?? Activator.CreateInstance(OptimizerCatalog.Default.Entries.Single(e => e.Name == name).OptionsType)!;

    public static IOptimizer Make(string name) =>
        OptimizerCatalog.Default.Entries.Single(e => e.Name == name.Split(' ')[0]).Factory(OptionsOf(name));
}
