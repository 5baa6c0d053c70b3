using DistOpt.Core.Batching;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Optimizers;

/// <summary>
/// The optimizer <c>gd</c> goes with the batch <c>full</c>, which a spec need not mention. With other batches it would be <c>sgd</c>, and is refused.
/// </summary>
public static class GradientDescent
{
    /// <summary>Name of the optimizer in specs.</summary>
    public const string Name = "gd";

    /// <summary>What is wrong with optimizer and batch together.</summary>
    internal static IEnumerable<SpecViolation> Violations(TrainingSpec spec)
    {
        if (spec.Optimizer is { Kind: Name, Options: GdOptions } && spec.Batch.Kind != FullBatch.Name)
            yield return new("batch.kind", $"is '{spec.Batch.Kind}', but optimizer '{Name}' takes the whole training part in every step; "
                + $"leave 'batch' away or set it to {FullBatch.Name}, or use optimizer sgd");
    }

    /// <summary>The spec with <c>batch.kind: full</c> where the optimizer is <c>gd</c> and no strategy is named.</summary>
    internal static MappingNode FillBatch(MappingNode spec, SpecCatalogs catalogs)
    {
        var optimizer = spec.Get("optimizer") is MappingNode fields ? fields.Get("kind") : spec.Get("optimizer");
        if (optimizer is not ScalarNode { Text: Name } || !catalogs.Optimizers.TryGet(Name, out var entry) || entry.OptionsType != typeof(GdOptions))
            return spec;
        return spec.Get("batch") switch
        {
            null or ScalarNode { IsNull: true } => spec.With("batch", new ScalarNode(FullBatch.Name, plain: true)),
            MappingNode batch when batch.Get("kind") is null => spec.With("batch", batch.With("kind", new ScalarNode(FullBatch.Name, plain: true))),
            _ => spec,
        };
    }
}
