using DistOpt.Core.Metrics;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Torch.Engine;

/// <summary>Whether the metrics by which a spec selects, stops and lowers its rate are among those that are measured.</summary>
/// <param name="spec">The resolved spec.</param>
/// <param name="evaluated">What an evaluation at opening has measured, before <see cref="HiddenMetrics.Finish"/>.</param>
/// <param name="trained">What a training step at opening has measured.</param>
/// <param name="own">Whether a user's step measures, which may log other names on other data: then a miss is a warning.</param>
internal sealed class MeasuredMetrics(TrainingSpec spec, MetricSums evaluated, MetricSums trained, bool own)
{
    private const string Validation = "validation.", Train = "train.";

    private readonly MetricSums _finished = HiddenMetrics.Finish(evaluated);
    private readonly List<SpecViolation> _violations = [];

    /// <summary>Names behind <c>train.</c> beside the loss by which the spec decides something, in the order of its fields.</summary>
    public static IReadOnlyList<string> Trained(TrainingSpec spec) =>
    [
        .. Deciding(spec).Select(d => d.Metric).Where(m => m.StartsWith(Train, StringComparison.Ordinal)).Select(m => m[Train.Length..])
            .Where(name => name is not (MetricSums.Loss or TensorNormSums.Metric)).Distinct(),
    ];

    /// <returns>Warnings.</returns>
    /// <exception cref="SpecException">A metric is not measured.</exception>
    public IReadOnlyList<string> Check()
    {
        foreach (var (path, metric) in Deciding(spec)) Look(path, metric);
        if (spec.Schedule.Options is ReduceOnPlateauOptions { Metric: var followed }) Look("schedule.metric", followed);
        if (_violations.Count > 0 && !own) throw new SpecException(_violations);
        return [.. _violations.Select(v => v.ToString())];
    }

    private static IEnumerable<(string Path, string Metric)> Deciding(TrainingSpec spec)
    {
        yield return ("select.metric", spec.Select.Metric);
        if (spec.Stop.Target is { } target) yield return ("stop.target.metric", target.Metric);
        if (spec.Stop.Patience is { } patience) yield return ("stop.patience.metric", patience.Metric);
    }

    private void Look(string path, string metric)
    {
        if (metric.StartsWith(Validation, StringComparison.Ordinal)) LookAtEvaluation(path, metric, metric[Validation.Length..]);
        else if (metric.StartsWith(Train, StringComparison.Ordinal)) LookAtTraining(path, metric, metric[Train.Length..]);
    }

    private void LookAtEvaluation(string path, string metric, string name)
    {
        if (!_finished.TryGet(name, out _)) Miss(path, $"is '{metric}', but an evaluation measures {Names(Validation, _finished)}; ");
    }

    private void LookAtTraining(string path, string metric, string name)
    {
        // the gradient's norm is measured by servers, wherever something is decided by it
        if (trained.TryGet(name, out _) || name == TensorNormSums.Metric) return;
        // what an evaluation adds up by itself a training step can add up too, where it is asked for
        var additive = new MetricSums { trained };
        if (!own)
        {
            foreach (var (known, sum) in evaluated)
                if (!HiddenMetrics.IsHidden(known) && !additive.TryGet(known, out _)) additive.Add(known, sum);
        }
        if (!own && _finished.TryGet(name, out _))
        {
            _violations.Add(new(path, $"is '{metric}', but {name} is no mean over samples, so training steps do not add it up; "
                + $"use {Validation}{name}, or one of {Names(Train, additive)}"));
            return;
        }
        Miss(path, $"is '{metric}', but training steps measure {Names(Train, additive)}; ");
    }

    private void Miss(string path, string text) =>
        _violations.Add(new(path, text + (own ? "let the model's step log it" : "choose one of them, or add the metric to evaluate.metrics")));

    private static string Names(string split, MetricSums metrics) => string.Join(", ", metrics.Select(m => split + m.Key));
}
