using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Torch.Engine;

/// <summary>Whether the metrics by which a spec selects, stops and lowers its rate are among those that an evaluation measured.</summary>
internal static class MeasuredMetrics
{
    private const string Validation = "validation.";

    /// <param name="measured">What an evaluation at opening reports.</param>
    /// <param name="own">Whether a user's step measures, which may log other names on other data: then a miss is a warning.</param>
    /// <returns>Warnings.</returns>
    /// <exception cref="SpecException">A metric is not measured.</exception>
    public static IReadOnlyList<string> Check(TrainingSpec spec, MetricSums measured, bool own)
    {
        var violations = new List<SpecViolation>();
        Look("select.metric", spec.Select.Metric);
        if (spec.Stop.Target is { } target) Look("stop.target.metric", target.Metric);
        if (spec.Stop.Patience is { } patience) Look("stop.patience.metric", patience.Metric);
        if (spec.Schedule.Options is ReduceOnPlateauOptions { Metric: var followed }) Look("schedule.metric", followed);
        if (violations.Count > 0 && !own) throw new SpecException(violations);
        return [.. violations.Select(v => v.ToString())];

        void Look(string path, string metric)
        {
            if (!metric.StartsWith(Validation, StringComparison.Ordinal) || measured.TryGet(metric[Validation.Length..], out _)) return;
            string names = string.Join(", ", measured.Select(m => Validation + m.Key));
            violations.Add(new(path, $"is '{metric}', but an evaluation measures {names}; "
                + (own ? "let the model's step log it" : "choose one of them, or add the metric to evaluate.metrics")));
        }
    }
}
