using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using Akka.Actor;
using Akka.Event;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Tensors;
using DistOpt.Core.Averaging;
using DistOpt.Core.Batching;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Parameters;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>Rows, waits, and the ways a job ends.</summary>
internal sealed partial class TrainingCoordinatorActor
{
    private static readonly TimeSpan CheckInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(2);

    /// <summary>Seconds of silence after which the job asks whom it waits for, to show it.</summary>
    private const double AskAfter = 5;

    private readonly List<string> _late = [];
    private readonly HashSet<string> _lateNodes = new(StringComparer.Ordinal);
    private readonly HashSet<NodeId> _answered = [];
    private readonly Dictionary<DataSplit, long> _lastRows = [];
    private int _begunEpoch;
    private readonly Dictionary<DataSplit, EvaluationLedger> _final = [];
    private IReadOnlyDictionary<string, double> _train = new Dictionary<string, double>();
    private IReadOnlyDictionary<string, double> _validation = new Dictionary<string, double>();
    private IReadOnlyDictionary<string, double> _test = new Dictionary<string, double>();
    private (long Samples, double Seconds) _rowMark;
    private TrainingEnded? _training;
    private StopReason? _pendingStop;
    private bool _timeIsUp;
    private int _collecting = CheckpointPart.Weights;
    private string? _weightsHash;
    private string? _divergence;

    private sealed record CheckProgress : INoSerializationVerificationNeeded;

    private sealed record GiveUp : INoSerializationVerificationNeeded;

    /// <summary>Whether the row is a new one: after a loss some steps are done again and tell again what they told.</summary>
    private bool IsNew(DataSplit split, long step)
    {
        if (_lastRows.TryGetValue(split, out long last) && step <= last) return false;
        _lastRows[split] = step;
        return true;
    }

    private void OnTrainRow(TrainRow row)
    {
        var metrics = Values(row.Metrics);
        // also of a step that is done again: the coordinator before may have known it, and the run may end before it gets farther than it was
        _train = Lookup(metrics);
        if (!IsNew(DataSplit.Train, row.Step)) return;
        double now = _progress.WallSeconds;
        double seconds = now - _rowMark.Seconds;
        double? speed = seconds > 0 ? (row.Samples - _rowMark.Samples) / seconds : null;
        _rowMark = (row.Samples, now);
        _progress.Step(row.Step, row.Samples, null);
        _sink!.Row(new MetricRow(row.Step, row.Epoch, DataSplit.Train, metrics, row.LearningRate, row.BatchSize, speed, now)
        {
            BatchReason = row.BatchReason is { } reason ? JsonNamingPolicy.SnakeCaseLower.ConvertName(((BatchReason)reason).ToString()) : null,
            NoiseScale = row.NoiseScale,
            AdascaleGain = row.Gain,
        });
    }

    private void OnValidationRow(ValidationRow row)
    {
        var metrics = Values(row.Metrics);
        if (row.Selected || _validation.Count == 0) _validation = Lookup(metrics);
        if (!IsNew(DataSplit.Validation, row.Step)) return;
        _sink!.Row(new MetricRow(row.Step, row.Epoch, DataSplit.Validation, metrics, null, null, null, _progress.WallSeconds));
        // samples a second count training time alone
        _rowMark = (_rowMark.Samples, _progress.WallSeconds);
    }

    private static List<KeyValuePair<string, double>> Values(WireMetrics metrics) =>
        [.. metrics.ToMetrics().Select(m => new KeyValuePair<string, double>(m.Key, m.Value.Value))];

    private static Dictionary<string, double> Lookup(IEnumerable<KeyValuePair<string, double>> metrics) =>
        metrics.ToDictionary(m => m.Key, m => m.Value, StringComparer.Ordinal);

    private void CheckTime()
    {
        if (_timeIsUp || Spec.Stop.MaxSeconds is not { } limit || _progress.WallSeconds < limit) return;
        _timeIsUp = true;
        Stop(StopReason.MaxSeconds);
    }

    /// <summary>Ends training at the next step; before it has begun, at once.</summary>
    private void Stop(StopReason reason)
    {
        if (_ended) return;
        _pendingStop ??= reason;
        if (reason.LeavesOff()) _leaveOff ??= reason;
        if (_state == "training" && _begunEpoch == _epoch) Send(FirstServer.Peer.Node, NodeActors.Server(0), new RequestStop((int)reason));
        else if (!_sinkStarted && _state is not ("adopting" or "training")) End(reason == StopReason.Cancelled ? RunStatus.Cancelled : RunStatus.Interrupted, reason, null, null);
        LeaveOffIfIdle();
    }

    private void OnTrainingEnded(TrainingEnded ended)
    {
        if (_training is not null || ended.JobEpoch != _epoch) return;
        _training = ended;
        Timers.Cancel(WorkersTimer);
        _progress.Step(ended.Step, ended.Samples, null);
        if (!SaveAtEnd(ended)) CollectLast();
    }

    private void CollectLast()
    {
        Enter("collecting");
        Collect(CheckpointPart.Weights, CheckpointPart.Buffers);
    }

    private void Collect(int weights, int buffers)
    {
        _collecting = weights;
        _collector!.Expect(_epoch, weights, buffers);
        foreach (var server in _wirePlacement!.Servers)
        {
            int[] parts = server.Index == 0 ? [weights, buffers] : [weights];
            Send(server.Peer.Node, NodeActors.Server(server.Index), new CollectParts(parts));
        }
    }

    private void OnPart(PartArrived part)
    {
        if (_ended || _collector is not { Complete: false } collector || _training is not { } training) return;
        _progress.Moved();
        collector.Count(part);
        if (!collector.Complete) return;
        if (_collecting == CheckpointPart.Weights)
        {
            _weightsHash = Hash(collector.Parameters);
            _sink!.Weights(new RunWeights(false, training.Step, collector.Parameters, collector.Buffers));
            training = _training = Judged(training, collector.Parameters.Span);
            if (training.UsesAverage)
            {
                Collect(CheckpointPart.AveragedWeights, CheckpointPart.AveragedBuffers);
                return;
            }
        }
        bool isAverage = _collecting == CheckpointPart.SelectedWeights ? training.SelectsAverage : _collecting == CheckpointPart.AveragedWeights;
        var buffers = isAverage && AveragingCatalog.UpdatesBatchNorm(Spec) ? Updated(collector) : collector.Buffers;
        if (_collecting == CheckpointPart.AveragedWeights)
            _sink!.Weights(new RunWeights(false, training.Step, collector.Parameters, buffers) { IsAverage = true });
        if (_collecting != CheckpointPart.SelectedWeights && !training.KeepLast)
        {
            Collect(CheckpointPart.SelectedWeights, CheckpointPart.SelectedBuffers);
            return;
        }
        // weights of a run that diverged before any were selected are kept as the last ones alone
        if (!IsDiverged(training) || HasSelected(training))
            _sink!.Weights(new RunWeights(true, training.SelectedStep, collector.Parameters, buffers));
        EvaluateSelected(training);
    }

    /// <summary>Looks at the last weights: what the last update has done no step has seen.</summary>
    private TrainingEnded Judged(TrainingEnded training, ReadOnlySpan<float> weights)
    {
        if (((StopReason)training.Reason).LeavesOff()) return training;
        if (!IsDiverged(training) && FiniteScan.FirstNonFinite(weights) >= 0)
        {
            training = training with { Reason = (int)StopReason.Diverged, DivergedAtEnd = true };
            // by a metric of the weights before
            if (training.KeepLast) training = training with { SelectedStep = training.Step, SelectedValue = double.NaN };
        }
        if (!IsDiverged(training)) return training;
        var diverged = new DivergedStep(training.Loss, training.NonFinite) { IsAtEnd = training.DivergedAtEnd };
        _divergence = Divergence.Text(_handle!.Runtime.Layout, training.Step, diverged, weights, Spec.Stop.DivergenceFactor);
        return training;
    }

    /// <summary>The buffers with batch-norm statistics of the averaged weights that were collected: what workers evaluate these with.</summary>
    private ReadOnlyMemory<float> Updated(WeightCollector collector)
    {
        var updated = new FlatBuffer(collector.Buffers.Length);
        using (var worker = _handle!.Runtime.CreateWorker(collector.Weights)) worker.UpdateBatchNorm(collector.Buffers.Span, updated.Span);
        _progress.Moved();
        return updated.Memory;
    }

    /// <summary>
    /// Measures the selected weights on the test part, once, at the end of a run that was not interrupted. A confusion matrix is taken there;
    /// where there is no test part the validation part is measured again for it.
    /// </summary>
    private void EvaluateSelected(TrainingEnded training)
    {
        var reason = (StopReason)training.Reason;
        var data = _handle!.Runtime.Data;
        bool wantsMatrix = Spec.Evaluate.Metrics.Any(m => m.Kind == EvaluateSection.ConfusionMatrix);
        var split = data.Test == 0 && wantsMatrix ? DataSplit.Validation : DataSplit.Test;
        if (reason.LeavesOff() || reason == StopReason.Diverged || _submission.Trial is not null || data.Of(split) == 0)
        {
            EndTrained(training);
            return;
        }
        Enter("testing");
        _final[split] = new EvaluationLedger(training.Step, split, data.Of(split), Spec.Evaluate.BatchSize);
        long version = training.Step;
        if (!training.KeepLast || training.UsesAverage)
        {
            version++;
            foreach (var server in _wirePlacement!.Servers)
                Send(server.Peer.Node, NodeActors.Server(server.Index), new PublishSelected(version) { UsesAverage = training.KeepLast });
        }
        foreach (var replica in _wirePlacement!.Replicas)
            Send(replica.Peer.Node, NodeActors.Replica, new EvaluateSplits(version, [(int)split])
            {
                UpdatesBatchNorm = training.SelectsAverage && AveragingCatalog.UpdatesBatchNorm(Spec),
            });
    }

    private void OnFinalSlices(EvaluationSlices slices)
    {
        if (!_final.TryGetValue((DataSplit)slices.Split, out var ledger)) return;
        foreach (var slice in slices.Slices) ledger.Add(slice.Slice, slice.Metrics.ToMetrics(), slice.Part, slice.Parts);
        if (!ledger.Complete) return;
        _final.Clear();
        if (ledger.Split == DataSplit.Test)
        {
            var metrics = Values(WireMetrics.From(ledger.Total()));
            _test = Lookup(metrics);
            _sink!.Row(new MetricRow(_training!.SelectedStep, _training.Epoch, DataSplit.Test, metrics, null, null, null, _progress.WallSeconds));
        }
        if (ledger.Confusion() is { } matrix) _sink!.Confusion(new RunConfusion(ledger.Split, matrix, _handle!.Runtime.Classes));
        EndTrained(_training!);
    }

    private void EndTrained(TrainingEnded training)
    {
        var reason = (StopReason)training.Reason;
        if (!training.UsesAverage && !reason.LeavesOff() && reason != StopReason.Diverged && AveragingCatalog.Of(Spec) is not null)
            Note("warning", $"averaging '{Spec.Averaging.Kind}' had not begun when training ended after {training.Step} steps: no average was made");
        var status = reason switch
        {
            StopReason.Interrupted or StopReason.Paused => RunStatus.Interrupted,
            StopReason.Cancelled => RunStatus.Cancelled,
            StopReason.Diverged => RunStatus.Failed,
            _ => RunStatus.Completed,
        };
        End(status, reason, _divergence is { } text ? $"{text}; {KeptAfterDivergence(training)}" : null, null);
    }

    private static bool IsDiverged(TrainingEnded training) => (StopReason)training.Reason == StopReason.Diverged;

    private static bool HasSelected(TrainingEnded training) => !double.IsNaN(training.SelectedValue);

    private static string KeptAfterDivergence(TrainingEnded training) => !HasSelected(training)
        ? "no weights had been selected before, the last ones are kept" : $"the selected weights are those of step {training.SelectedStep}";

    private void WatchProgress() => Timers.StartPeriodicTimer("check", new CheckProgress(), CheckInterval);

    /// <summary>Nothing heard for <c>training.worker_timeout</c>: find out from whom.</summary>
    private void CheckWhetherItMoves()
    {
        LeaveOffIfIdle();
        if (_ended || Timers.IsTimerActive("give-up") || _wirePlacement is null || _topology is null) return;
        CheckTime();
        TellStored();
        if (Timers.IsTimerActive(WorkersTimer))
        {
            // what came late from before has cleared it
            WaitForWorkers();
            TellStatus();
            return;
        }
        double silence = _progress.Silence.TotalSeconds;
        if (silence < Math.Min(AskAfter, Spec.Training.WorkerTimeout)) return;
        _late.Clear();
        _lateNodes.Clear();
        _answered.Clear();
        foreach (var server in _wirePlacement.Servers) Send(server.Peer.Node, NodeActors.Server(server.Index), new AskWaiting());
        foreach (var replica in _wirePlacement.Replicas) Send(replica.Peer.Node, NodeActors.Replica, new AskWaiting());
        AskWhatIsNotSaved();
        Timers.StartSingleTimer("give-up", new GiveUp(), AnswerTime);
    }

    private void OnWaiting(NodeId from, Waiting waiting)
    {
        _answered.Add(from);
        _late.AddRange(waiting.Whom);
        _lateNodes.UnionWith(waiting.Nodes);
    }

    /// <summary>Shows whom the job waits for; after the limit goes on without them, or fails with their names where it cannot.</summary>
    private void OnGiveUp()
    {
        if (_ended || Timers.IsTimerActive(WorkersTimer)) return;
        if (_topology is null && _epoch == 0)
        {
            if (WaitsForItsTurn) return;
            string room = _wait?.Whom ?? "room behind jobs that were submitted before it";
            Fail($"the job has not begun within {Spec.Training.StartTimeout:0.#} s (training.start_timeout): it waits for {room}");
            return;
        }
        if (_topology is null)
        {
            FailForNodes($"no nodes to go on with for {Spec.Training.NodeTimeout:0.#} s (training.node_timeout): the job waits for {_wait?.Whom}");
            return;
        }
        var silent = Silent(_topology);
        // at the end nobody computes: what servers and workers say is of a step that never comes
        bool isSaving = _state is "saving" or "collecting";
        // nor do they know better than this actor whom it waits for before and after training
        var said = isSaving ? NotSaved() : _isStoreAwaited || (silent.Count > 0 && _state != "training") ? [] : _late;
        string whom = string.Join(", ", silent.Select(s => s.Whom).Concat(said).Distinct(StringComparer.Ordinal));
        if (whom.Length == 0) whom = "its servers";
        double silence = _progress.Silence.TotalSeconds;
        WaitFor(whom, silence);
        TellStatus();
        if (silence < Spec.Training.WorkerTimeout) return;
        if (_state == "saving" && silent.All(s => s.Node is null))
        {
            GiveUpSaving(whom);
            return;
        }
        var late = new HashSet<string>(silent.Count > 0 ? silent.Select(s => s.Node).OfType<string>() : isSaving ? [] : _lateNodes, StringComparer.Ordinal);
        // others can do it, unless it is everyone
        bool othersCompute = late.Count > 0 && _topology.Replicas.Any(r => !late.Contains(r.Node)) && !_topology.IsFixed;
        if (!othersCompute)
        {
            FailForNodes($"no progress for {Spec.Training.WorkerTimeout:0.#} s (training.worker_timeout) while {_state}: the job waits for {whom}");
            return;
        }
        foreach (string node in late)
        {
            _refused[new NodeId(node)] = "it made no progress";
            Send(new NodeId(node), NodeActors.Agent, new EndJob("it made no progress", _epoch));
        }
        _progress.Moved();
        WaitFor(null);
        Lose(late, $"no progress for {Spec.Training.WorkerTimeout:0.#} s");
    }

    /// <summary>Whom the job waits for, as far as this actor knows by itself, with the node that it can go on without, if there is one.</summary>
    private List<(string Whom, string? Node)> Silent(JobTopology topology)
    {
        // nobody has been told of the placement
        if (_isStoreAwaited) return [("the journal (to store the placement)", null)];
        return _state switch
        {
            "preparing" => Nodes(topology.Nodes.Where(n => !_prepared.ContainsKey(new NodeId(n))), " (opening model and data)"),
            "starting" when topology.Nodes.Any(n => !_acknowledged.Contains(new NodeId(n))) =>
                Nodes(topology.Nodes.Where(n => !_acknowledged.Contains(new NodeId(n))), " (starting its actors)"),
            "starting" => NotRestored(topology),
            "testing" => [.. Unanswering(topology), .. NotTested(topology)],
            _ => Unanswering(topology),
        };
    }

    private List<(string Whom, string? Node)> Nodes(IEnumerable<string> nodes, string doing) =>
        [.. nodes.Select(n => ($"node {NameOf(n)}{doing}", (string?)n))];

    private List<(string Whom, string? Node)> Unanswering(JobTopology topology) =>
        Nodes(topology.Servers.Select(s => s.Node).Distinct().Where(n => !_answered.Contains(new NodeId(n))), ", which does not answer");

    /// <summary>Workers whose slices of the last evaluation are missing.</summary>
    private IEnumerable<(string Whom, string? Node)> NotTested(JobTopology topology)
    {
        var workers = topology.Replicas.SelectMany(r => r.Workers.Select(w => (r.Node, w.Index))).ToList();
        foreach (var (split, ledger) in _final)
        {
            var late = ledger.Missing.Select(slice => slice % workers.Count).ToHashSet();
            foreach (int position in late.Order())
            {
                var (node, worker) = workers[position];
                yield return ($"worker {worker} on {NameOf(node)} (evaluation of the {RunJson.Name(split)} part)", node);
            }
        }
    }

    private void EndBadInput(SpecException error) => End(RunStatus.Failed, null, error.Message, error);

    private void Fail(string error) => End(RunStatus.Failed, StopReason.Failed, error, null);

    private void End(RunStatus status, StopReason? reason, string? error, SpecException? badInput, string? lost = null,
        IReadOnlyDictionary<NodeId, string>? unfit = null)
    {
        if (_ended) return;
        _ended = true;
        Timers.CancelAll();
        foreach (var node in _asked) Send(node, NodeActors.Agent, new EndJob(status.ToString(), _epoch));
        var summary = Summary(status, reason, error);
        if (_sinkStarted)
        {
            try
            {
                _sink!.Ended(summary);
            }
            catch (Exception e)
            {
                // the sink is how failures are told; when it fails itself, the answer to the submitter still tells
                _log.Error(e, "Job [{0}]: its results could not be written", _submission.Job);
                _noRoom ??= DiskFull.Find(e);
                summary = summary with { Status = RunStatus.Failed, Error = summary.Error ?? $"{e.GetType().FullName}: {e.Message}" };
            }
        }
        _state = summary.Status.ToString().ToLowerInvariant();
        var ended = new JobEnded(_submission.Job, summary, badInput) { Lost = lost, NoRoom = _noRoom };
        Context.Parent.Tell(unfit is null ? ended : ended with { Unfit = unfit });
    }

    private RunSummary Summary(RunStatus status, StopReason? reason, string? error)
    {
        double seconds = _progress.WallSeconds;
        long steps = _training?.Step ?? _leftAt?.Step ?? _progress.CurrentStep;
        long samples = _training?.Samples ?? _leftAt?.Samples ?? _progress.Samples;
        return new RunSummary
        {
            Job = _submission.Job.Value,
            Status = status,
            StopReason = reason,
            Error = error,
            Steps = steps,
            Epochs = _handle is null ? 0 : (int)(samples / Math.Max(1, _handle.Runtime.Data.Train)),
            Samples = samples,
            Selected = _training is null || (IsDiverged(_training) && !HasSelected(_training)) ? null
                : new SelectedWeights(_training.SelectedStep, Spec.Select.Metric, _training.SelectedValue),
            Train = _train,
            Validation = _validation,
            Test = _test,
            WallSeconds = seconds,
            SamplesPerSecond = seconds > 0 ? samples / seconds : 0,
            Workers = Spec.Training.Workers,
            Servers = Spec.Training.Servers,
            Processes = Math.Max(1, _topology?.Nodes.Count() ?? 0),
            GradientShards = Spec.Training.GradientShards ?? 0,
            WorkerFailures = _workerFailures,
            ServerFailures = _serverFailures,
            CoordinatorRestarts = _submission.Recovery?.Restarts ?? 0,
            Rollbacks = _rollbacks,
            StepsComputed = StepsComputed(steps),
            Failures = _failures.All,
            WeightsSha256 = _weightsHash,
        };
    }

    private static string Hash(ReadOnlyMemory<float> weights) =>
        Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(weights.Span)));
}
