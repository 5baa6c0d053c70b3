using System.Diagnostics;
using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;
using DistOpt.Core.Randomness;
using DistOpt.Core.Training;

using static TorchSharp.torch;

namespace DistOpt.Torch.Engine;

/// <summary>Gradients and metrics of one replica of the model. One thread only, with one libtorch thread.</summary>
internal sealed class TorchGradientWorker : IGradientWorker
{
    private readonly TorchModel _model;
    private readonly FlatModule _flat;
    private readonly Bf16Replica? _bf16;
    private readonly BatchLoader _loader;
    private readonly BatchPrefetcher? _prefetcher;
    private readonly LayerRandom _random = new();
    private readonly StepContext _context;
    private int _thread = -1;
    private double _dataSeconds;
    private bool _disposed;

    /// <param name="flat">Bound to the weights that it computes with; the worker's own from now on.</param>
    /// <param name="bf16">What computes training steps, where they are in bfloat16; the worker's own from now on.</param>
    /// <param name="prefetch">Batches to prepare ahead; 0 = none.</param>
    public TorchGradientWorker(TorchModel model, FlatModule flat, Bf16Replica? bf16, BatchLoader loader, int prefetch)
    {
        _bf16 = bf16;
        _context = new StepContext(new MetricSums()) { IsBf16 = bf16 is not null };
        _model = model;
        _flat = flat;
        _loader = loader;
        _prefetcher = prefetch > 0 ? new BatchPrefetcher(loader, prefetch) : null;
    }

    public LeafResult ComputeLeaf(StepPlan plan, PositionRange shard, int shardIndex, FlatBuffer gradient,
        ReadOnlySpan<float> buffersIn, Span<float> buffersOut)
    {
        EnterThread();
        gradient.Span.Clear();
        var metrics = new MetricSums { { MetricSums.Loss, 0, 0 } };
        _prefetcher?.DropBefore(plan.Step);
        if (shard.Length == 0)
        {
            if (!buffersOut.IsEmpty) buffersIn.CopyTo(buffersOut);
            return new LeafResult(0, metrics);
        }
        if (_bf16 is not null) _bf16.Load(_flat.Weights!, buffersIn);
        else BindFloat32(gradient, buffersIn);
        if (shard.Length > _model.MicroBatch) Prefetch(plan, shard, shardIndex);
        double weight = 0;
        int part = 0;
        foreach (var positions in MicroBatches(plan, shard))
        {
            long asked = Stopwatch.GetTimestamp();
            using var batch = _prefetcher?.Take(plan.Epoch, positions) ?? _loader.LoadTraining(plan.Epoch, positions);
            _dataSeconds += Stopwatch.GetElapsedTime(asked).TotalSeconds;
            if (_model.TrainingDraws)
            {
                using var turn = TorchGenerator.Enter(RandomKey.Of(_model.Seed, RandomPurpose.Engine, plan.Step, shardIndex, part));
                weight += Backward(plan, batch, metrics);
            }
            else weight += Backward(plan, batch, metrics);
            _bf16?.AddGradients(_flat.GradientViews(gradient));
            part++;
        }
        if (_bf16 is null) _flat.CheckViews(all: false);
        if (!buffersOut.IsEmpty && _bf16 is not null) _bf16.ReadBuffers(buffersOut);
        else if (!buffersOut.IsEmpty) _flat.ReadBuffers(buffersOut);
        return new LeafResult(weight, metrics);
    }

    public MetricSums Evaluate(DataSplit split, PositionRange slice, ReadOnlySpan<float> buffers)
    {
        EnterThread();
        var metrics = new MetricSums { { MetricSums.Loss, 0, 0 } };
        if (slice.Length == 0) return metrics;
        _flat.SetTraining(false);
        if (!buffers.IsEmpty) _flat.WriteBuffers(buffers);
        using var batch = _loader.LoadEvaluation(split, slice);
        if (_model.EvaluationDraws)
        {
            using var turn = TorchGenerator.Enter(RandomKey.Of(_model.Seed, RandomPurpose.Engine, -2, (long)split, slice.Begin));
            Measure(split, batch, metrics);
        }
        else Measure(split, batch, metrics);
        return metrics;
    }

    public void UpdateBatchNorm(ReadOnlySpan<float> buffersIn, Span<float> buffersOut)
    {
        EnterThread();
        _flat.SetTraining(true);
        _flat.WriteBuffers(buffersIn);
        _flat.Statistics.Reset();
        var metrics = new MetricSums();
        long batch = 0;
        foreach (var positions in StatisticsBatches())
        {
            // the mean of all batches, however many there are: torch's momentum None
            _flat.Statistics.SetMomentum(1.0 / ++batch);
            using var loaded = _loader.LoadTraining(0, positions);
            if (_model.TrainingDraws)
            {
                using var turn = TorchGenerator.Enter(RandomKey.Of(_model.Seed, RandomPurpose.Engine, -3, positions.Begin));
                Forward(loaded, metrics);
            }
            else Forward(loaded, metrics);
        }
        _flat.Statistics.RestoreMomentum();
        _flat.ReadBuffers(buffersOut);
    }

    public double TakeDataSeconds()
    {
        double seconds = _dataSeconds;
        _dataSeconds = 0;
        return seconds;
    }

    public void Prefetch(StepPlan plan, PositionRange shard, int shardIndex)
    {
        if (_prefetcher is null || shard.Length == 0) return;
        foreach (var positions in MicroBatches(plan, shard)) _prefetcher.Request(plan.Step, plan.Epoch, positions);
    }

    /// <summary>Throws unless every parameter and gradient is a view of its flat buffer.</summary>
    internal void CheckViews() => _flat.CheckViews();

    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        _prefetcher?.Dispose();
        _bf16?.Dispose();
        _flat.Dispose();
    }

    private void BindFloat32(FlatBuffer gradient, ReadOnlySpan<float> buffers)
    {
        _flat.BindGradient(gradient);
        _flat.SetTraining(true);
        if (!buffers.IsEmpty) _flat.WriteBuffers(buffers);
    }

    /// <summary>The training part in batches of an evaluation's size; a last sample alone, which has no variance, goes with those before it.</summary>
    private IEnumerable<PositionRange> StatisticsBatches()
    {
        long count = _loader.TrainCount;
        for (long begin = 0, end; begin < count; begin = end)
        {
            end = Math.Min(begin + _model.StatisticsBatch, count);
            if (count - end == 1) end = count;
            yield return new PositionRange(begin, end);
        }
    }

    private IEnumerable<PositionRange> MicroBatches(StepPlan plan, PositionRange shard)
    {
        long end = plan.BatchStart + shard.End;
        for (long at = plan.BatchStart + shard.Begin; at < end; at += _model.MicroBatch)
            yield return new PositionRange(at, Math.Min(at + _model.MicroBatch, end));
    }

    private double Backward(StepPlan plan, LoadedBatch batch, MetricSums metrics)
    {
        using var scope = NewDisposeScope();
        EnterContext(plan.Step, plan.Epoch, true, DataSplit.Train, batch, metrics);
        using var random = _random.Enter(_model.Seed, plan.Epoch, plan.Step, true, DataSplit.Train, batch.FirstPosition, batch.Rows);
        var result = _model.Step(_bf16?.Module ?? _flat.Module, batch.Batch, _context);
        double loss = CheckedLoss(result);
        if (result.LossSum.requires_grad) result.LossSum.backward();
        else if (result.Weight > 0)
            throw new InvalidOperationException($"the loss of model '{_model.Name}' does not depend on any trainable parameter");
        metrics.Add(MetricSums.Loss, loss, result.Weight);
        return result.Weight;
    }

    private void Forward(LoadedBatch batch, MetricSums metrics)
    {
        using var scope = NewDisposeScope();
        using var none = no_grad();
        EnterContext(0, 0, true, DataSplit.Train, batch, metrics);
        using var random = _random.Enter(_model.Seed, 0, 0, true, DataSplit.Train, batch.FirstPosition, batch.Rows);
        _model.Step(_flat.Module, batch.Batch, _context);
    }

    private void Measure(DataSplit split, LoadedBatch batch, MetricSums metrics)
    {
        using var scope = NewDisposeScope();
        using var none = no_grad();
        EnterContext(0, 0, false, split, batch, metrics);
        using var random = _random.Enter(_model.Seed, 0, 0, false, split, batch.FirstPosition, batch.Rows);
        var result = _model.Evaluate(_flat.Module, batch.Batch, _context);
        metrics.Add(MetricSums.Loss, CheckedLoss(result), result.Weight);
    }

    private double CheckedLoss(StepResult result)
    {
        if (!(result.Weight >= 0 && double.IsFinite(result.Weight)))
        {
            throw new InvalidOperationException($"the step of model '{_model.Name}' returned weight {result.Weight}, "
                + "but a weight is finite and at least 0");
        }
        if (result.LossSum is null || result.LossSum.numel() != 1)
        {
            string loss = result.LossSum is null ? "no loss" : $"a loss of shape [{string.Join(", ", result.LossSum.shape)}]";
            throw new InvalidOperationException($"the step of model '{_model.Name}' returned {loss}, but the loss sum is one number");
        }
        return StepContext.ReadScalar(result.LossSum);
    }

    private void EnterContext(long step, int epoch, bool training, DataSplit split, LoadedBatch batch, MetricSums metrics)
    {
        _context.Step = step;
        _context.Epoch = epoch;
        _context.Training = training;
        _context.Split = split;
        _context.FirstPosition = batch.FirstPosition;
        _context.Rows = batch.Rows;
        _context.Metrics = metrics;
    }

    /// <summary>The thread count is a property of the thread.</summary>
    private void EnterThread()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        int thread = Environment.CurrentManagedThreadId;
        if (thread == _thread) return;
        ThreadCount.SetOne();
        _thread = thread;
    }
}
