using DistOpt.Core.Datasets;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using static TorchSharp.torch;

namespace DistOpt.Torch.Metrics;

/// <summary>The metrics that a spec names, made from the catalogue.</summary>
internal sealed class MetricSet
{
    private const string Path = "evaluate.metrics";

    private readonly Catalog<Func<object, IMetric>> _catalog;
    private readonly (string Name, IMetric Metric)[] _metrics;
    private readonly ILoss _loss;
    private readonly DataInfo _data;
    private readonly long _samples;
    private IMetric[]? _adding;

    /// <param name="samples">Samples in the largest part of the data that is evaluated.</param>
    /// <exception cref="SpecException">An unknown name, or one twice with the same fields.</exception>
    public MetricSet(IReadOnlyList<PluginSpec> metrics, Catalog<Func<object, IMetric>> catalog, ILoss loss, DataInfo data, long samples)
    {
        (_catalog, _loss, _data, _samples) = (catalog, loss, data, samples);
        var violations = new List<SpecViolation>();
        var made = new List<(string, IMetric)>();
        for (int i = 0; i < metrics.Count; i++)
        {
            var metric = metrics[i];
            if (!catalog.TryGet(metric.Kind, out _)) violations.Add(new(Path, catalog.UnknownName(metric.Kind)));
            else if (metrics.Take(i).Contains(metric)) violations.Add(new(Path, $"names '{metric.Kind}' twice with the same fields; leave one away"));
            else made.Add((metric.Kind, catalog.Get(metric.Kind)(metric.OptionsAs<object>())));
        }
        if (violations.Count > 0) throw new SpecException(violations);
        _metrics = [.. made];
    }

    /// <exception cref="SpecException">A metric does not fit; thrown by the first batch, before training begins.</exception>
    public void Measure(Tensor output, Tensor target, StepContext context)
    {
        var batch = new MetricBatch(output, target, _loss, _data, _samples);
        List<SpecViolation>? violations = null;
        foreach (var (name, metric) in _metrics)
        {
            string? refusal = metric.Fits(batch.Reading) ? metric.Refusal(batch) : Unfit(name, batch.Reading);
            if (refusal is not null) (violations ??= []).Add(new SpecViolation(Path, $"'{name}' {refusal}"));
        }
        if (violations is not null) throw new SpecException(violations);
        foreach (var (_, metric) in _metrics) metric.Measure(batch, context);
    }

    /// <summary>Of the metrics those alone that log one of the names as a sum. Which ones the first batch tells, before training begins.</summary>
    /// <param name="names">The same at every call.</param>
    public void Measure(Tensor output, Tensor target, StepContext context, IReadOnlyList<string> names)
    {
        if (_adding is null)
        {
            Measure(output, target, context);
            _adding = [.. _metrics.Select(m => m.Metric).Where(m => LogsOneOf(m, names))];
            return;
        }
        var batch = new MetricBatch(output, target, _loss, _data, _samples);
        foreach (var metric in _adding) metric.Measure(batch, context);

        bool LogsOneOf(IMetric metric, IReadOnlyList<string> wanted)
        {
            var alone = new StepContext(new MetricSums());
            metric.Measure(new MetricBatch(output, target, _loss, _data, _samples), alone);
            return wanted.Any(name => alone.Metrics.TryGet(name, out _));
        }
    }

    private string Unfit(string name, OutputReading reading)
    {
        string what = reading switch
        {
            OutputReading.Classes => "classes",
            OutputReading.Binary => "two classes by a single score",
            _ => "values",
        };
        var fitting = _catalog.Entries.Where(e => e.Name != name && e.Factory(Activator.CreateInstance(e.OptionsType)!).Fits(reading)).Select(e => e.Name);
        return $"does not fit: this data and loss have {what}. Fitting: {string.Join(", ", fitting)}";
    }
}
