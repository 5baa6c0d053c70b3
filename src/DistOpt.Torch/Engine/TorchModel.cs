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
        IsBf16 = spec.Training.Precision == TrainingSection.Bf16;
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
        Step = (module, batch, context) =>
        {
            var (input, target) = (SupervisedBatch)batch;
            return new StepResult(loss.Sum(context.IsBf16 ? CallBf16(module, input) : Call(module, input), target), loss.Weight(target));
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

    /// <summary>Whether training steps compute in bfloat16; evaluation is in float32, as inference is.</summary>
    public bool IsBf16 { get; }

    /// <summary>Whether training steps draw from libtorch's generator: they are then seeded one by one.</summary>
    public bool TrainingDraws { get; set; }

    public bool EvaluationDraws { get; set; }

    /// <summary>A new module with its initial weights, the same bits each time. Modules are made one at a time in a process.</summary>
    public FlatModule Create() => Make(static (module, inventory) => new FlatModule(module, inventory));

    /// <summary>What a worker computes training steps with under <c>precision: bf16</c>; else null.</summary>
    /// <param name="initial">The job's first module, for constants.</param>
    public Bf16Replica? CreateBf16(FlatModule initial) =>
        IsBf16 ? Make((module, inventory) => new Bf16Replica(module, inventory, initial)) : null;

    private T Make<T>(Func<nn.Module, ModuleInventory, T> make)
    {
        using var turn = TorchGenerator.Enter(RandomKey.Of(Seed, RandomPurpose.InitialWeights));
        using var threads = ThreadCount.One();
        var module = _create() ?? throw new InvalidOperationException($"the factory of model '{Name}' returned null");
        try
        {
            return make(module, ModuleInventory.Read(module, _freeze));
        }
        catch
        {
            module.Dispose();
            throw;
        }
    }

    /// <summary>Whole numbers (tokens) stay what they are; the loss gets float32.</summary>
    private static Tensor CallBf16(nn.Module module, Tensor input) =>
        Call(module, input.is_floating_point() ? input.to(ScalarType.BFloat16) : input).to(ScalarType.Float32);

    private static Tensor Call(nn.Module module, Tensor input) => ((nn.Module<Tensor, Tensor>)module).call(input);
}
