using DistOpt.Core.Datasets;
using DistOpt.Core.Randomness;
using DistOpt.Core.Specs;

using static TorchSharp.torch;

namespace DistOpt.Torch.Engine;

/// <summary>How a job's model is built and stepped; shared by the workers of a process. Nothing in it changes after opening.</summary>
internal sealed class TorchModel
{
    private readonly Func<nn.Module> _create;
    private readonly IReadOnlyList<string> _freeze;

    /// <param name="loss">The spec's loss; null where the model has a step of its own.</param>
    public TorchModel(TrainingSpec spec, ModelDefinition definition, DataInfo data, ILoss? loss)
    {
        Name = spec.Model.Kind;
        Seed = spec.Seed;
        MicroBatch = spec.Training.MicroBatch ?? int.MaxValue;
        _freeze = spec.Model.Freeze;
        object options = spec.Model.OptionsAs<object>();
        _create = () => definition.Create(options, data);
        if (definition.Step is { } own)
        {
            Step = own;
            // without one of its own, evaluation is the training step in eval mode
            Evaluate = definition.Evaluate ?? own.Invoke;
            return;
        }
        ArgumentNullException.ThrowIfNull(loss);
        Step = (module, batch, _) =>
        {
            var (input, target) = (SupervisedBatch)batch;
            return new StepResult(loss.Sum(Call(module, input), target), loss.Weight(target));
        };
        Evaluate = (module, batch, context) =>
        {
            var (input, target) = (SupervisedBatch)batch;
            var output = Call(module, input);
            loss.Measure(output, target, context);
            return new StepResult(loss.Sum(output, target), loss.Weight(target));
        };
    }

    /// <summary>Name in the catalogue.</summary>
    public string Name { get; }

    public long Seed { get; }

    /// <summary>Largest number of samples in one forward and backward pass.</summary>
    public int MicroBatch { get; }

    public TrainingStep<nn.Module, object> Step { get; }

    public EvaluationStep<nn.Module, object> Evaluate { get; }

    /// <summary>Whether training steps draw from libtorch's generator: they are then seeded one by one.</summary>
    public bool TrainingDraws { get; set; }

    public bool EvaluationDraws { get; set; }

    /// <summary>A new module with its initial weights, the same bits each time. Modules are made one at a time in a process.</summary>
    public FlatModule Create()
    {
        using var turn = TorchGenerator.Enter(RandomKey.Of(Seed, RandomPurpose.InitialWeights));
        using var threads = ThreadCount.One();
        var module = _create() ?? throw new InvalidOperationException($"the factory of model '{Name}' returned null");
        try
        {
            return new FlatModule(module, ModuleInventory.Read(module, _freeze));
        }
        catch
        {
            module.Dispose();
            throw;
        }
    }

    private static Tensor Call(nn.Module module, Tensor input) => ((nn.Module<Tensor, Tensor>)module).call(input);
}
