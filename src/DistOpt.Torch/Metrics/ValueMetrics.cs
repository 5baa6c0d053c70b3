using DistOpt.Core.Metrics;
using static TorchSharp.torch;

namespace DistOpt.Torch.Metrics;

/// <summary>"mse", "rmse" or "mae": mean squared error, its root, or mean absolute error over all values, in float64.</summary>
public sealed class ErrorMetric(ErrorKind kind) : IMetric
{
    public bool Fits(OutputReading reading) => reading == OutputReading.Values;

    public void Measure(MetricBatch batch, StepContext context)
    {
        using var scope = NewDisposeScope();
        var (predicted, target) = batch.Values();
        var error = predicted - target;
        double sum = (kind == ErrorKind.Mae ? error.abs() : error.square()).sum().item<double>();
        long count = error.numel();
        if (kind == ErrorKind.Rmse) HiddenMetrics.AskRoot(context.Metrics, "rmse", sum, count);
        else context.Log(kind == ErrorKind.Mae ? "mae" : "mse", sum, count);
    }
}

public enum ErrorKind
{
    Mse,
    Rmse,
    Mae,
}

/// <summary>"r2": coefficient of determination, the mean over the values of a target, as sklearn's <c>r2_score</c>.</summary>
public sealed class R2Metric : IMetric
{
    /// <summary>Most values of a target, since each has sums of its own.</summary>
    private const long ColumnsMax = 1000;

    public bool Fits(OutputReading reading) => reading == OutputReading.Values;

    public string? Refusal(MetricBatch batch) => batch.TargetsPerSample <= ColumnsMax ? null
        : $"has targets of {batch.TargetsPerSample} values, but at most {ColumnsMax} are compared one by one: use rmse";

    public void Measure(MetricBatch batch, StepContext context)
    {
        using var scope = NewDisposeScope();
        var (predicted, target) = batch.Values();
        double[] sums = Sums(target), squares = Sums(target.square()), errors = Sums((predicted - target).square());
        HiddenMetrics.AskR2(context.Metrics, "r2", sums.Length);
        for (int column = 0; column < sums.Length; column++)
            HiddenMetrics.AddR2(context.Metrics, column, target.size(0), sums[column], squares[column], errors[column]);
    }

    private static double[] Sums(Tensor values) => values.sum([0L], false).data<double>().ToArray();
}
