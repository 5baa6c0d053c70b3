using Akka.Actor;
using Akka.Event;
using DistOpt.Actors.Nodes;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Workers;

/// <summary>Exceptions of user code: the job is told what was not done, and says who tries it once more.</summary>
internal sealed partial class ReplicaActor
{
    // work that failed elsewhere and is not for the weights that are here now
    private readonly List<TryWork> _orders = [];

    /// <summary>User code threw: what else there is goes on, and this node stays in the job until the coordinator decides otherwise.</summary>
    private void OnFailed(WorkFailed failed)
    {
        _services.Meter.Failure(FailureKind.UserCode);
        Context.GetLogger(_setup.Job).OfWorker(WorkerIndex(failed.Worker)).Error(failed.Error, "user code threw");
        switch (failed.Work)
        {
            case ComputeShards work when failed.Worker == RecoveryWorker:
                Recovered(work);
                Tell(failed, work.Plan.Step, null, [.. Enumerable.Range(work.Begin, work.End - work.Begin)]);
                break;
            case ComputeShards work when _computing.Remove(work):
                Tell(failed, work.Plan.Step, null, [.. Enumerable.Range(work.Begin, work.End - work.Begin)]);
                PushOnceComputed(work.Plan);
                break;
            case EvaluateSlices work:
                Tell(failed, work.Step, work.Split, work.Slices);
                TellOnceEvaluated(work);
                break;
        }
    }

    private void Tell(WorkFailed failed, long step, DataSplit? split, IReadOnlyList<int> parts)
    {
        var (error, worker) = (failed.Error, WorkerIndex(failed.Worker));
        string who = failed.Worker == RecoveryWorker ? Who : $"worker {worker} on {_services.Name}";
        ToTraining(new JobFailed(who, step, error.GetType().FullName ?? error.GetType().Name, error.Message, error.StackTrace ?? "")
        {
            Work = WireWork.From(new FailedWork(_placement.JobEpoch, step, split, parts)),
            Worker = failed.Worker == RecoveryWorker ? null : worker,
        });
    }

    /// <summary>
    /// Tries what failed elsewhere, as soon as the weights are those of its step. Where they are beyond it, somebody has done it meanwhile.
    /// </summary>
    private void DoOrders()
    {
        foreach (var order in _orders.ToList())
        {
            var work = order.Work.ToWork();
            bool isGone = work.Step < _gate.Version || (work.Step == _gate.Version && work.Split == DataSplit.Validation && _plan is { Evaluate: false });
            if (!isGone && !IsDue(work)) continue;
            _orders.Remove(order);
            if (isGone) continue;
            if (work.Split is { } split) TrySlices(order, split);
            else TryShards(order);
        }
    }

    private bool IsDue(FailedWork work) => work.Split switch
    {
        null => (work.Step == _gate.Version && _plan is { Evaluate: false, Stop: null } plan && plan.Step == work.Step)
            || work.Step == _gate.Straggling(Slices),
        DataSplit.Validation => work.Step == _gate.Version && _plan is { Evaluate: true } plan && plan.Step == work.Step
            && (!plan.UsesAverage || HasAverage(work.Step)),
        _ => work.Step == _gate.Version && _final is not null,
    };

    private void TryShards(TryWork order)
    {
        long step = order.Work.Step;
        var recovering = _recovering.Where(r => r.Step == step).Select(r => (r.Range.Begin, r.Range.End));
        var underWay = _computing.Select(w => (w.Begin, w.End)).Concat(recovering).ToList();
        int[] shards = [.. order.Work.Parts.Where(s => !underWay.Any(w => w.Begin <= s && s < w.End))];
        if (shards.Length == 0) return;
        var ranges = ShardWork.Of(Other(order.Avoid), shards);
        _done.UnionWith(shards);
        if (step != _gate.Version) Recover(step, null, ranges);
        else if (_gate.TryClose()) Compute(_plan!, ranges);
        else Recover(step, _plan, ranges);
    }

    private void TrySlices(TryWork order, DataSplit split)
    {
        if (!_gate.TryClose()) return; // the others are beyond this step
        int[] slices = [.. order.Work.Parts.Order()];
        _slicesDone.UnionWith(slices);
        _slicesToCome += slices.Length;
        _workers[Other(order.Avoid)].Tell(new EvaluateSlices(order.Work.Step, split, slices, OnAverageNow,
            UpdatesBatchNorm(order.Work.Step, OnAverageNow)));
    }

    /// <summary>Position of a worker other than that one, where there is another.</summary>
    private int Other(int worker) => (Array.FindIndex(OwnWorkers(_placement), w => w.Index == worker) + 1) % _workers.Count;
}
