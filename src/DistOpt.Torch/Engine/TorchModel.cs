using DistOpt.Core.Datasets;
using DistOpt.Core.Randomness;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch.Metrics;

using static TorchSharp.torch;

namespace DistOpt.Torch.Engine;

/// <summary>How a job's model is built and stepped; shared by the workers of a process. Nothing in it changes after opening.</summary>
internal sealed class TorchModel
{
    private readonly Func<nn.Module> _create;
    private readonly IReadOnlyList<string> _freeze;

    /// <param name="loss">The spec's loss; null where the model has a step of its own.</param>
    /// <param name="metrics">Metrics that the spec names; null where it names none.</param>
    public TorchModel(TrainingSpec spec, ModelDefinition definition, DataInfo data, ILoss? loss, MetricSet? metrics)
    {
        (Name, Data) = (spec.Model.Kind, data);
        Seed = spec.Seed;
        IsBf16 = spec.Training.Precision == TrainingSection.Bf16;
        MicroBatch = spec.Training.MicroBatch ?? int.MaxValue;
        StatisticsBatch = Math.Max(2, spec.Evaluate.BatchSize);
        _freeze = spec.Model.Freeze;
        object options = spec.Model.OptionsAs<object>();
        _create = () => definition.Create(options, data);
        if (definition.Step is { } own)
        {
            Step = own;
            MeasuresItself = true;
            // without one of its own, evaluation is the training step in eval mode
            Evaluate = definition.Evaluate ?? own.Invoke;
            return;
        }
        ArgumentNullException.ThrowIfNull(loss);
        // measured only where something is decided by them
        var trained = MeasuredMetrics.Trained(spec);
        Step = (module, batch, context) =>
        {
            var (input, target) = (SupervisedBatch)batch;
            var output = context.IsBf16 ? CallBf16(module, input) : Call(module, input);
            CheckClasses(output, target, data);
            if (trained.Count > 0) MeasureTraining(output, target, context);
            return new StepResult(loss.Sum(output, target), loss.Weight(target));
        };
        Evaluate = (module, batch, context) =>
        {
            var (input, target) = (SupervisedBatch)batch;
            var output = Call(module, input);
            if (metrics is null) loss.Measure(output, target, context);
            else metrics.Measure(output, target, context);
            return new StepResult(loss.Sum(output, target), loss.Weight(target));
        };

        // of the outputs from which the step's gradient comes, as the loss is; names that are no sums are refused at opening
        void MeasureTraining(Tensor output, Tensor target, StepContext context)
        {
            using var none = no_grad();
            var (own, all) = (context.Metrics, new MetricSums());
            context.Metrics = all;
            if (metrics is null) loss.Measure(output.detach(), target, context);
            else metrics.Measure(output.detach(), target, context, trained);
            context.Metrics = own;
            foreach (string name in trained)
                if (all.TryGet(name, out var sum)) own.Add(name, sum);
        }
    }

    /// <summary>Name in the catalogue.</summary>
    public string Name { get; }

    /// <summary>What the model was made for.</summary>
    public DataInfo Data { get; }

    public long Seed { get; }

    /// <summary>Samples in a batch of which batch-norm statistics are measured anew.</summary>
    public int StatisticsBatch { get; }

    /// <summary>Largest number of samples in one forward and backward pass.</summary>
    public int MicroBatch { get; }

    public TrainingStep<nn.Module, object> Step { get; }

    public EvaluationStep<nn.Module, object> Evaluate { get; }

    /// <summary>Whether training steps compute in bfloat16; evaluation is in float32, as inference is.</summary>
    public bool IsBf16 { get; }

    /// <summary>Whether training steps draw from libtorch's generator: they are then seeded one by one.</summary>
    public bool TrainingDraws { get; set; }

    public bool EvaluationDraws { get; set; }

    /// <summary>Whether the user's own step says what is measured.</summary>
    public bool MeasuresItself { get; }

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

    /// <summary>A class without a score may come late in training; so it is looked for with every batch, the first of which is at opening.</summary>
    private void CheckClasses(Tensor output, Tensor target, DataInfo data)
    {
        if (data.Task != TaskKind.Classification || target.dtype != ScalarType.Int64 || output.dim() < 2 || output.numel() == target.numel()) return;
        if (output.size(1) >= data.Classes.Length) return;
        throw new SpecException("model.kind", $"model '{Name}' gives {output.size(1)} scores, but data set '{data.Name}' has {data.Classes.Length} classes: "
            + "the model must give one for each");
    }

    private static Tensor Call(nn.Module module, Tensor input) => ((nn.Module<Tensor, Tensor>)module).call(input);
}
