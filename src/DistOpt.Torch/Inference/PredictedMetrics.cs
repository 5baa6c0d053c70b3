using DistOpt.Core.Metrics;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch.Metrics;
using TorchSharp;

namespace DistOpt.Torch;

/// <summary>The metrics of a run's spec on inputs that were no part of its data. One thread only.</summary>
public sealed class PredictedMetrics
{
    private readonly Predictor _predictor;
    private readonly MetricSet _set;
    private readonly MetricSums _sums = new();

    /// <param name="spec">The run's resolved spec, with at least one of <c>evaluate.metrics</c>.</param>
    /// <param name="catalog">With the run's loss and metrics.</param>
    /// <param name="samples">Number of inputs that will be added.</param>
    /// <exception cref="SpecException">The loss or a metric is not known.</exception>
    public PredictedMetrics(Predictor predictor, TrainingSpec spec, TorchCatalog catalog, long samples)
    {
        ArgumentNullException.ThrowIfNull(predictor);
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(catalog);
        _predictor = predictor;
        var loss = Predictor.Loss(predictor.Document, catalog) ?? throw new SpecException("loss", catalog.Losses.UnknownName(predictor.Document.Loss.Kind));
        _set = new MetricSet(spec.Evaluate.Metrics, catalog.Metrics, loss, predictor.Document.ToDataInfo(), samples);
    }

    /// <summary>Adds raw inputs, row after row, with their class indices.</summary>
    public void AddClasses(ReadOnlySpan<float> inputs, long[] classes)
    {
        ArgumentNullException.ThrowIfNull(classes);
        _predictor.Measure(inputs, classes.Length, output => _set.Measure(output, torch.tensor(classes), new StepContext(_sums)));
    }

    /// <summary>Adds raw inputs, row after row, with their target values.</summary>
    /// <param name="targets">Row after row, in the shape of the run's targets.</param>
    /// <param name="rows">Number of inputs.</param>
    public void AddValues(ReadOnlySpan<float> inputs, float[] targets, int rows)
    {
        ArgumentNullException.ThrowIfNull(targets);
        _predictor.Measure(inputs, rows, output =>
            _set.Measure(output, torch.tensor(targets).reshape([rows, .. _predictor.Document.TargetShape]), new StepContext(_sums)));
    }

    /// <summary>What was measured over all that was added.</summary>
    public Evaluation Total() => new(HiddenMetrics.Finish(_sums), HiddenMetrics.Confusion(_sums), _predictor.Classes);
}
