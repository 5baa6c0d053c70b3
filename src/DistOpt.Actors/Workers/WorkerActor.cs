using Akka.Actor;
using DistOpt.Actors.Nodes;
using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Workers;

/// <summary>Replica to worker: compute these gradient shards. Answered by <see cref="ShardsComputed"/> or <see cref="WorkFailed"/>.</summary>
internal sealed record ComputeShards(StepPlan Plan, int Begin, int End) : INoSerializationVerificationNeeded;

/// <param name="Nodes">In shard order; gradients stay valid until the worker's next step.</param>
/// <param name="Buffers">The buffer section after the step, where shard 0 is among them.</param>
internal sealed record ShardsComputed(int Worker, ComputeShards Work, IReadOnlyList<ComputedNode> Nodes, FlatBuffer Buffers)
    : INoSerializationVerificationNeeded;

/// <summary>Replica to worker: evaluate these slices. Answered by <see cref="SlicesEvaluated"/> or <see cref="WorkFailed"/>.</summary>
/// <param name="OnAverage">Whether with the running average in place of the weights.</param>
/// <param name="UpdatesBatchNorm">Whether batch-norm statistics are measured anew before.</param>
internal sealed record EvaluateSlices(long Step, DataSplit Split, IReadOnlyList<int> Slices, bool OnAverage, bool UpdatesBatchNorm)
    : INoSerializationVerificationNeeded;

internal sealed record SlicesEvaluated(int Worker, EvaluateSlices Work, IReadOnlyList<(int Slice, MetricSums Metrics)> Results)
    : INoSerializationVerificationNeeded;

/// <summary>User code threw.</summary>
/// <param name="Work">The message that led to it.</param>
internal sealed record WorkFailed(int Worker, object Work, Exception Error) : INoSerializationVerificationNeeded;

/// <summary>What a worker shares with the other workers of its replica: the weights and the buffer section, both written between steps only.</summary>
/// <param name="Average">The running average of both, written before a barrier; null where none is kept.</param>
internal sealed record WorkerContext(
    IJobRuntime Runtime,
    ReductionTree Tree,
    FlatBuffer Weights,
    FlatBuffer Buffers,
    FlatBuffer BuffersOut,
    NodeAverage? Average,
    int EvaluationBatch,
    BatchPlanner Batches,
    int PrefetchSteps,
    JobId Job,
    NodeServices Services);

/// <summary>
/// Computes gradient shards and evaluation slices on a thread of its own (pinned dispatcher): the model replica is made, used and disposed
/// there. Keeps nothing between steps but buffers.
/// </summary>
internal sealed class WorkerActor : ReceiveActor
{
    private readonly WorkerContext _context;
    private readonly int _index;
    private IGradientWorker? _worker;
    private IGradientWorker? _averaged;
    private ShardComputation? _computation;
    private Exception? _notBuilt;
    private FlatBuffer? _updated;
    private (long Step, bool OnAverage) _updatedFor = (-1, false);
    private long _announced = -1;
    private int _latestSize = 1;

    public WorkerActor(WorkerContext context, int index)
    {
        (_context, _index) = (context, index);
        Receive<ComputeShards>(work => Guard(work, () => Compute(work)));
        Receive<EvaluateSlices>(work => Guard(work, () => Evaluate(work)));
    }

    public static Props Props(WorkerContext context, int index, string dispatcher) =>
        Akka.Actor.Props.Create(() => new WorkerActor(context, index)).WithDispatcher(dispatcher);

    protected override void PreStart()
    {
        try
        {
            Build();
        }
        catch (Exception e)
        {
            // user code too: whoever gives it work hears of it
            _notBuilt = e;
        }
    }

    protected override void PostStop()
    {
        _worker?.Dispose();
        _averaged?.Dispose();
    }

    private void Build()
    {
        _worker = _context.Runtime.CreateWorker(_context.Weights);
        _computation = new ShardComputation(_worker, _context.Tree, _context.Runtime.Layout);
    }

    private void Compute(ComputeShards work)
    {
        var (job, time, meter) = (_context.Job, _context.Services.Time, _context.Services.Meter);
        long begun = time.GetTimestamp();
        var nodes = _computation!.Compute(work.Plan, work.Begin, work.End, _context.Buffers.Memory, _context.BuffersOut.Memory);
        double seconds = time.GetElapsedTime(begun).TotalSeconds, data = Math.Min(seconds, _worker!.TakeDataSeconds());
        meter.Phase(job, StepPhase.Data, data);
        meter.Phase(job, StepPhase.Compute, seconds - data);
        Context.Parent.Tell(new ShardsComputed(_index, work, nodes, _context.BuffersOut));
        Announce(work);
    }

    private void Evaluate(EvaluateSlices work)
    {
        var results = new List<(int, MetricSums)>(work.Slices.Count);
        long count = _context.Runtime.Data.Of(work.Split);
        // a model of its own, whose weights are the average: neither is copied
        var model = work.OnAverage ? _averaged ??= _context.Runtime.CreateWorker(_context.Average!.Weights) : _worker!;
        var buffers = work.OnAverage ? _context.Average!.Buffers : _context.Buffers;
        if (work.UpdatesBatchNorm) buffers = Updated(work, model, buffers);
        foreach (int slice in work.Slices)
        {
            var range = EvaluationLedger.Slice(count, _context.EvaluationBatch, slice);
            results.Add((slice, model.Evaluate(work.Split, range, buffers.Span)));
        }
        Context.Parent.Tell(new SlicesEvaluated(_index, work, results));
    }

    /// <summary>The buffer section with batch-norm statistics of these weights; once for each version, whatever is asked of it.</summary>
    private FlatBuffer Updated(EvaluateSlices work, IGradientWorker model, FlatBuffer buffers)
    {
        _updated ??= new FlatBuffer(buffers.Length);
        if (_updatedFor == (work.Step, work.OnAverage)) return _updated;
        model.UpdateBatchNorm(buffers.Span, _updated.Span);
        _updatedFor = (work.Step, work.OnAverage);
        return _updated;
    }

    /// <summary>Tells the model replica what it will compute next, as far ahead as batches are prepared.</summary>
    private void Announce(ComputeShards work)
    {
        var plan = work.Plan;
        long train = _context.Runtime.Data.Train;
        // what was left of an epoch tells nothing of the size that was chosen
        if (plan.BatchStart + plan.BatchSize < train || plan.BatchSize > _latestSize) _latestSize = plan.BatchSize;
        for (int ahead = 0; ahead < _context.PrefetchSteps; ahead++)
        {
            long samples = plan.Epoch * train + plan.BatchStart + plan.BatchSize;
            plan = plan with
            {
                Step = plan.Step + 1,
                Epoch = (int)(samples / train),
                BatchStart = samples % train,
                BatchSize = _context.Batches.Foresee(plan.Step + 1, samples, _latestSize),
            };
            if (plan.Step <= _announced) continue;
            _announced = plan.Step;
            for (int shard = work.Begin; shard < work.End; shard++)
                _worker!.Prefetch(plan, GradientShards.Part(plan.BatchSize, _context.Tree.GradientShards, shard), shard);
        }
    }

    private void Guard(object work, Action act)
    {
        if (_notBuilt is { } error)
        {
            // the next work finds it built, or fails by itself
            _notBuilt = null;
            Context.Parent.Tell(new WorkFailed(_index, work, error));
            return;
        }
        try
        {
            if (_worker is null) Build();
            act();
        }
        catch (Exception e)
        {
            // user code threw: the job decides (one try elsewhere, then it fails with this stack); this actor stays as it is
            Context.Parent.Tell(new WorkFailed(_index, work, e));
        }
    }
}
