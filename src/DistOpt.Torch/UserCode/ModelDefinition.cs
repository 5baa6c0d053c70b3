using System.Collections.Immutable;
using System.Reflection;
using DistOpt.Core.Datasets;

using static TorchSharp.torch;

namespace DistOpt.Torch;

/// <summary>A registered model: how to build it, and how it trains if it does so in its own way.</summary>
public sealed class ModelDefinition
{
    internal ModelDefinition(Func<object, DataInfo, nn.Module> create, Type? batchType, TrainingStep<nn.Module, object>? step,
        EvaluationStep<nn.Module, object>? evaluate, params ReadOnlySpan<Assembly> code)
    {
        Create = create;
        BatchType = batchType;
        Step = step;
        Evaluate = evaluate;
        Code = [.. code];
    }

    /// <summary>
    /// Builds the module from its options record and the data's description. Initial weights may be drawn from torch's generator.
    /// </summary>
    public Func<object, DataInfo, nn.Module> Create { get; }

    /// <summary>
    /// The batch type of the model's own training step; null where the spec's loss on a <see cref="SupervisedBatch"/> is used.
    /// </summary>
    public Type? BatchType { get; }

    /// <summary>The model's own training step, or null.</summary>
    public TrainingStep<nn.Module, object>? Step { get; }

    /// <summary>The model's own evaluation step, or null: then the training step is run in eval mode.</summary>
    public EvaluationStep<nn.Module, object>? Evaluate { get; }

    /// <summary>Assemblies of the user's code, part of a job's fingerprint.</summary>
    internal ImmutableArray<Assembly> Code { get; }

    /// <summary>A model that is trained by the spec's loss on (input, target).</summary>
    internal static ModelDefinition Supervised(Func<object, DataInfo, nn.Module> create) =>
        new(create, null, null, null, create.Method.Module.Assembly);
}
