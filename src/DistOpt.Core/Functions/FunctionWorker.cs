using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;
using DistOpt.Core.Training;

namespace DistOpt.Core.Functions;

/// <summary>Value and gradient of a function where its variables stand. One thread only.</summary>
internal sealed class FunctionWorker : IGradientWorker
{
    private readonly Expression _expression;
    private readonly int[] _trained;
    private readonly FlatBuffer _weights;
    private readonly double[] _at;
    private readonly double[] _gradient;

    /// <param name="start">A value for each variable; those that are not trained keep it.</param>
    /// <param name="trained">Place of each trained variable among all of them.</param>
    /// <param name="weights">The trained ones, written by others between steps.</param>
    public FunctionWorker(Expression expression, ReadOnlySpan<float> start, int[] trained, FlatBuffer weights)
    {
        (_expression, _trained, _weights) = (expression, trained, weights);
        _at = new double[start.Length];
        _gradient = new double[start.Length];
        for (int i = 0; i < _at.Length; i++) _at[i] = start[i];
    }

    public LeafResult ComputeLeaf(StepPlan plan, PositionRange shard, int shardIndex, FlatBuffer gradient,
        ReadOnlySpan<float> buffersIn, Span<float> buffersOut)
    {
        gradient.Span.Clear();
        if (shard.Length == 0) return new LeafResult(0, new MetricSums { { MetricSums.Loss, 0, 0 } });
        ReadVariables();
        double value = _expression.Gradient(_at, _gradient);
        for (int i = 0; i < _trained.Length; i++) gradient.Span[i] = (float)(_gradient[_trained[i]] * shard.Length);
        return new LeafResult(shard.Length, Metrics(value, shard.Length));
    }

    public MetricSums Evaluate(DataSplit split, PositionRange slice, ReadOnlySpan<float> buffers)
    {
        if (slice.Length == 0) return new MetricSums { { MetricSums.Loss, 0, 0 } };
        ReadVariables();
        return Metrics(_expression.Evaluate(_at), slice.Length);
    }

    public void Prefetch(StepPlan plan, PositionRange shard, int shardIndex) { }

    public void Dispose() { }

    private void ReadVariables()
    {
        for (int i = 0; i < _trained.Length; i++) _at[_trained[i]] = _weights.Span[i];
    }

    private MetricSums Metrics(double value, long weight)
    {
        var metrics = new MetricSums { { MetricSums.Loss, value * weight, weight } };
        for (int i = 0; i < _at.Length; i++) metrics.Add(_expression.Variables[i], _at[i] * weight, weight);
        return metrics;
    }
}
