using DistOpt.Core.Metrics;
using DistOpt.Core.Parameters;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Torch;

/// <summary>What was measured on a part of a run's data.</summary>
/// <param name="Metrics">"loss" and the spec's, the task's or the user's metrics; <c>Value</c> of each is what the run's summary holds.</param>
/// <param name="Confusion">Where <c>evaluate.metrics</c> has confusion-matrix; otherwise null.</param>
/// <param name="Classes">Class names by index; empty where there are none.</param>
public sealed record Evaluation(MetricSums Metrics, ConfusionMatrix? Confusion, IReadOnlyList<string> Classes);

/// <summary>
/// Measures saved weights the way a run measures its own: the same slices, added in the same order, so the same figures to the bit.
/// </summary>
public static class Evaluator
{
    /// <summary>Metrics of a run's selected weights on one part of its data. Blocking; loads model and data anew.</summary>
    /// <param name="factory">Opens model and data, with the catalogue that the run was trained with.</param>
    /// <param name="spec">The run's resolved spec (<c>spec.yaml</c>).</param>
    /// <param name="run">The run's directory.</param>
    /// <param name="split">Part of the data; must not be empty.</param>
    /// <param name="cancellationToken">Looked at between slices.</param>
    /// <returns>"loss" and the task's or the user's metrics; <c>Value</c> of each is what the run's summary holds.</returns>
    /// <exception cref="SpecException">Model, data or weights cannot be opened, or the part is empty.</exception>
    public static MetricSums Evaluate(IJobRuntimeFactory factory, TrainingSpec spec, RunDirectory run, DataSplit split,
        CancellationToken cancellationToken = default) => Evaluate(factory, spec, run.ModelFile, split, cancellationToken);

    /// <summary>Metrics of the weights in a safetensors file.</summary>
    /// <param name="modelFile">Weights and buffers under state_dict names.</param>
    /// <inheritdoc cref="Evaluate(IJobRuntimeFactory, TrainingSpec, RunDirectory, DataSplit, CancellationToken)"/>
    public static MetricSums Evaluate(IJobRuntimeFactory factory, TrainingSpec spec, string modelFile, DataSplit split,
        CancellationToken cancellationToken = default) => Measure(factory, spec, modelFile, split, cancellationToken).Metrics;

    /// <summary>Metrics of the weights in a safetensors file, and the confusion matrix where the spec asks for it.</summary>
    /// <param name="modelFile">Weights and buffers under state_dict names.</param>
    /// <inheritdoc cref="Evaluate(IJobRuntimeFactory, TrainingSpec, RunDirectory, DataSplit, CancellationToken)"/>
    public static Evaluation Measure(IJobRuntimeFactory factory, TrainingSpec spec, string modelFile, DataSplit split,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(factory);
        ArgumentNullException.ThrowIfNull(spec);
        // the weights stand in for the initial ones, so frozen parameters come from the file too
        // evaluation is in float32 whatever training was in, so any CPU will do
        using var runtime = factory.Open(spec with
        {
            Model = spec.Model with { Weights = Path.GetFullPath(modelFile) },
            Training = spec.Training with { Precision = TrainingSection.Float32 },
        });
        long count = runtime.Data.Of(split);
        if (count == 0)
        {
            throw new SpecException("", $"the {split.ToString().ToLowerInvariant()} part of data set '{spec.Data.Kind}' is empty: "
                + "there is nothing to measure");
        }
        var parameters = new FlatBuffer(runtime.Layout.ParameterCount);
        float[] buffers = new float[runtime.Layout.BufferCount];
        runtime.WriteInitialWeights(parameters.Span, buffers);
        using var worker = runtime.CreateWorker(parameters);
        int size = spec.Evaluate.BatchSize;
        var ledger = new EvaluationLedger(step: 0, split, count, size);
        for (int slice = 0; slice < EvaluationLedger.SliceCount(count, size); slice++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ledger.Add(slice, worker.Evaluate(split, EvaluationLedger.Slice(count, size, slice), buffers));
        }
        return new Evaluation(ledger.Total(), ledger.Confusion(), runtime.Classes);
    }
}
