using Akka.Actor;
using DistOpt.Actors.Nodes;
using DistOpt.Core.Averaging;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Workers;

/// <summary>Evaluation at a barrier, and of the selected weights at the end.</summary>
internal sealed partial class ReplicaActor
{
    private readonly HashSet<int> _slicesDone = [];
    private readonly List<SlicesEvaluated> _evaluated = [];

    // what the server of key 0 was told at this barrier
    private readonly List<EvaluationSlices> _reported = [];
    private int _slicesToCome;
    private Final? _final;
    private EvaluateSplits? _pendingFinal;

    private sealed record Final(EvaluateSplits Request, Queue<DataSplit> Splits)
    {
        public DataSplit Current { get; set; }
    }

    /// <summary>Evaluates this node's slices of a split that are not done or under way.</summary>
    private void Evaluate(long step, DataSplit split, bool onAverage = false)
    {
        if (!_gate.TryClose()) return; // the others are beyond this step
        int count = EvaluationLedger.SliceCount(_setup.Runtime.Data.Of(split), _setup.Spec.Evaluate.BatchSize);
        int workers = _placement.Replicas.Sum(r => r.Workers.Length);
        int first = _placement.Replicas.TakeWhile(r => r.Index != _setup.Index).Sum(r => r.Workers.Length);
        for (int i = 0; i < OwnWorkers(_placement).Length; i++)
        {
            var slices = EvaluationLedger.SlicesOf(count, first + i, workers).Where(_slicesDone.Add).ToList();
            if (slices.Count == 0) continue;
            _slicesToCome += slices.Count;
            _workers[i].Tell(new EvaluateSlices(step, split, slices, onAverage, UpdatesBatchNorm(step, onAverage)));
        }
        if (_slicesToCome > 0) return;
        OpenGate();
        NextFinalSplit();
    }

    private bool UpdatesBatchNorm(long step, bool onAverage) => onAverage
        ? AveragingCatalog.UpdatesBatchNorm(_setup.Spec) : _final is { Request: { UpdatesBatchNorm: true } request } && request.Step == step;

    private void OnSlices(SlicesEvaluated done)
    {
        _evaluated.Add(done);
        TellOnceEvaluated(done.Work);
    }

    private void TellOnceEvaluated(EvaluateSlices done)
    {
        if ((_slicesToCome -= done.Slices.Count) > 0) return;
        // what others did as well may still run when the next evaluation begins: each goes to whoever asked for it
        foreach (var work in _evaluated.GroupBy(e => (e.Work.Step, e.Work.Split)))
        {
            var (step, split) = work.Key;
            bool isFinal = _final is { Request: var request } && request.Step == step && request.Splits.Contains((int)split);
            foreach (var report in EvaluationSlices.Of(step, (int)split, [.. work.SelectMany(e => e.Results)]))
            {
                if (isFinal)
                {
                    ToTraining(report);
                    continue;
                }
                if (step == _gate.Version) _reported.Add(report);
                ToFirstServer(report);
            }
        }
        _evaluated.Clear();
        OpenGate();
        NextFinalSplit();
    }

    private void ToFirstServer(IWireMessage body)
    {
        var first = _placement.Servers[0];
        _services.Router.Send(first.Peer.Node, _setup.Job, NodeActors.Server(first.Index), body);
    }

    private void StartFinal(EvaluateSplits request)
    {
        if (request.Step > _gate.Version) return;
        _pendingFinal = null;
        _slicesDone.Clear();
        _final = new Final(request, new Queue<DataSplit>(request.Splits.Select(s => (DataSplit)s)));
        NextFinalSplit();
    }

    private void NextFinalSplit()
    {
        if (_final is not { } final || !final.Splits.TryDequeue(out var split)) return;
        _slicesDone.Clear();
        final.Current = split;
        Evaluate(final.Request.Step, split);
    }
}
