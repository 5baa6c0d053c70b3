using DistOpt.Actors.Nodes;
using DistOpt.Core.Training;
using DistOpt.Protocol;
using DistOpt.Protocol.Journal;

namespace DistOpt.Actors.Training;

/// <summary>Exceptions of user code, the last words of nodes that are lost, and the lines that nodes send.</summary>
internal sealed partial class TrainingCoordinatorActor
{
    /// <summary>Lines that are kept until the run has begun; older ones are dropped for newer ones.</summary>
    private const int EarlyLinesMax = 1_000;

    private readonly UserFailures _userFailures = new();
    private readonly NodeFailures _failures = new();
    private readonly Standstill _standstill = new();
    private readonly Dictionary<string, LastLines> _lastLines = new(StringComparer.Ordinal);
    private readonly Dictionary<(NodeId Node, long Stream), long> _linesSeen = [];
    private readonly Queue<LogLine> _earlyLines = new();

    // nodes whose replicas run
    private readonly HashSet<string> _atWork = new(StringComparer.Ordinal);

    private void OnFailed(NodeId from, JobFailed failed)
    {
        string at = failed.Step >= 0 ? $"{failed.Who}, step {failed.Step}" : failed.Who;
        string error = $"{failed.Type}: {failed.Message}";
        if (failed.Work is not { } wire)
        {
            AddFailure(from.Value, failed.Step, $"{error} (at {failed.Who})", failed.Stack);
            Fail($"{error} (at {at}){Environment.NewLine}{failed.Stack}");
            return;
        }
        // in a new epoch the step is done anew
        if (_topology is not { } topology || wire.JobEpoch != _epoch) return;
        var work = wire.ToWork();
        AddFailure(from.Value, work.Step, $"{error} (at {failed.Who}, {work})", failed.Stack);
        var decision = _userFailures.Report(from.Value, work, $"{at}: {error}{Environment.NewLine}{failed.Stack}", AtWork(topology));
        if (decision.Fails)
        {
            Fail($"{error} (at {at}, the second try){Environment.NewLine}{failed.Stack}{Environment.NewLine}The first try was at {decision.First}");
            return;
        }
        if (decision.IsOut)
        {
            Note("warning", $"user code threw again on {NameOf(from.Value)}, which is given no more work of this job: {error} (at {at}, {work})");
            // its shards fall to the others, who try them with that
            if (topology.WithoutWorkersOn(from.Value) is not { } next) return;
            if (!next.Nodes.Contains(from.Value)) _leftBehind.Add(from.Value);
            Assign(next);
            return;
        }
        if (decision.Node is { } node)
        {
            Note("warning", $"user code threw, and {NameOf(node)} tries it once more: {error} (at {at}, {decision.Work})");
            Send(new NodeId(node), NodeActors.Replica, new TryWork(WireWork.From(decision.Work), failed.Worker ?? -1));
        }
        if (_onceStored is null) Store(() => { });
        TellStatus();
    }

    /// <summary>Nodes that can be asked to try something.</summary>
    private string[] AtWork(JobTopology topology) => [.. topology.Replicas.Select(r => r.Node).Where(_atWork.Contains)];

    /// <summary>Workers have moved: what was to be tried where there are none any more is tried elsewhere.</summary>
    private void TryElsewhere(JobTopology? before, JobTopology next)
    {
        _atWork.IntersectWith(next.Replicas.Select(r => r.Node));
        if (before is null || before.Epoch != next.Epoch) return;
        var gone = before.Replicas.Select(r => r.Node).Except(next.Replicas.Select(r => r.Node)).ToHashSet(StringComparer.Ordinal);
        foreach (var (work, node) in _userFailures.Without(gone, AtWork(next)))
            Send(new NodeId(node), NodeActors.Replica, new TryWork(WireWork.From(work), -1));
    }

    private void AddLoss(JobTopology topology, string node, string why) => AddFailure(topology, node, _progress.CurrentStep, why, null);

    private void AddFailure(string node, long step, string why, string stack) => AddFailure(_topology, node, Math.Max(0, step), why, stack);

    private void AddFailure(JobTopology? topology, string node, long step, string why, string? stack) => _failures.Add(node, new NodeFailure(NameOf(node),
        topology?.RolesOf(node) ?? "", step, _services.Time.GetUtcNow(), why, _lastLines.TryGetValue(node, out var lines) ? lines.Snapshot() : [], stack));

    /// <summary>Nodes that the job itself brings down are started again and lost again, for ever: it fails.</summary>
    /// <returns>Whether it has.</returns>
    private bool FailsForStandstill()
    {
        if (!_standstill.IsTooLong) return false;
        Fail($"{_standstill.Losses} nodes were lost at step {_standstill.Step} or the next, one after the other, and the job did not get any further: "
            + "its user code may end the processes that run it; the last lines of the nodes are among the failures of the job");
        return true;
    }

    /// <summary>Whoever saw the process end may come later than others who only saw that it is gone.</summary>
    private void Amend(NodeGone gone)
    {
        if (gone.LastLines is not { } lines || _ended || !_failures.Amend(gone.Node.Value, gone.Why, lines, gone.Stack)) return;
        if (_onceStored is null && _topology is not null) Store(() => { });
        TellStatus();
    }

    private void RestoreFailures(PlacementRecord record)
    {
        _failures.Restore((record.Failures ?? []).Select(f => f.ToFailure()));
        _userFailures.Restore(record.NodesOut ?? []);
        if (record.Standstill is { } kept) _standstill.Restore(kept.Step, kept.Losses, kept.Nodes);
    }

    /// <summary>Logs lines that have not come before, and says so.</summary>
    private void OnLines(NodeId from, LogLines lines)
    {
        long seen = lines.First > 0 ? _linesSeen.GetValueOrDefault((from, lines.Stream)) : 0, number = lines.First;
        if (!_lastLines.TryGetValue(from.Value, out var last)) _lastLines[from.Value] = last = new LastLines();
        foreach (var line in lines.Lines)
        {
            if (lines.First > 0 && number++ <= seen) continue;
            last.Add(line.Text);
            Log(new LogLine(line.Node, line.Source, line.Level, line.Text, _progress.WallSeconds));
        }
        if (lines.First == 0) return;
        _linesSeen[(from, lines.Stream)] = Math.Max(seen, number - 1);
        // before the run has begun they are only in memory
        if (_sinkStarted) Send(from, NodeActors.Agent, new LinesSeen(lines.Stream, number - 1));
    }

    private void ForgetLines(NodeId node)
    {
        _lastLines.Remove(node.Value);
        foreach (var key in _linesSeen.Keys.Where(k => k.Node == node).ToList()) _linesSeen.Remove(key);
    }

    private void KeepForLater(LogLine line)
    {
        if (_earlyLines.Count == EarlyLinesMax) _earlyLines.Dequeue();
        _earlyLines.Enqueue(line);
    }

    private void LogEarlyLines()
    {
        while (_earlyLines.TryDequeue(out var line)) _sink!.Log(line);
        foreach (var ((node, stream), last) in _linesSeen) Send(node, NodeActors.Agent, new LinesSeen(stream, last));
    }
}
