using static TorchSharp.torch;

namespace DistOpt.Torch;

/// <summary>The task metrics that evaluation logs where loss and model say nothing else.</summary>
public static class TaskMetrics
{
    /// <summary>
    /// "accuracy" for int64 targets (class indices along dimension 1 of the output), "mse" and "mae" for floating-point ones.
    /// </summary>
    public static void Log(Tensor output, Tensor target, StepContext context)
    {
        if (target.dtype == ScalarType.Int64) LogAccuracy(output, target, context);
        else LogErrors(output, target, context);
    }

    /// <summary>Logs "accuracy": share of targets that are the arg max of the output over dimension 1.</summary>
    /// <param name="output">Scores [N, C] or [N, C, ...].</param>
    /// <param name="target">Class indices [N] or [N, ...].</param>
    /// <param name="ignored">Targets of this value do not count; null = all do.</param>
    public static void LogAccuracy(Tensor output, Tensor target, StepContext context, long? ignored = null)
    {
        using var scope = NewDisposeScope();
        long count = target.numel();
        if (ignored is { } none) count -= target.eq(none).sum().item<long>();
        var right = output.argmax(1).eq(target);
        if (ignored is >= 0) right = right.logical_and(target.ne(ignored.Value));
        context.Log("accuracy", right.sum().item<long>(), count);
    }

    /// <summary>Logs "accuracy": share of scores that are above 0 where the target is above 1/2, and only there.</summary>
    /// <param name="output">Scores.</param>
    /// <param name="target">As many targets, in the same shape.</param>
    public static void LogBinaryAccuracy(Tensor output, Tensor target, StepContext context)
    {
        using var scope = NewDisposeScope();
        var right = output.gt(0).eq(target.gt(0.5));
        context.Log("accuracy", right.sum().item<long>(), right.numel());
    }

    /// <summary>Logs "mse" and "mae": mean squared and absolute error over all elements.</summary>
    /// <param name="output">As many elements as <paramref name="target"/>, which is brought to its shape.</param>
    public static void LogErrors(Tensor output, Tensor target, StepContext context)
    {
        using var scope = NewDisposeScope();
        var error = output.to(ScalarType.Float64) - target.to(ScalarType.Float64).reshape(output.shape);
        long count = error.numel();
        context.Log("mse", error.square().sum().item<double>(), count);
        context.Log("mae", error.abs().sum().item<double>(), count);
    }
}
