using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>
/// Attempts at trials that run whole in a child process of a worker node: the end of the process is the end of the attempt, and of nothing else.
/// </summary>
internal sealed partial class TrainingCoordinatorActor
{
    private string? _missing;
    private bool _isHopeless;

    private bool IsIsolated => _submission.Trial is { IsIsolated: true };

    /// <summary>
    /// Whether the attempt only waits for others to end, which may take as long as those take: then it waits on. Where no node could take it ever, it gives up
    /// as any job does.
    /// </summary>
    private bool WaitsForItsTurn
    {
        get
        {
            if (!IsIsolated || _isHopeless) return false;
            Timers.StartSingleTimer(NodesTimer, new GiveUp(), TimeSpan.FromSeconds(Spec.Training.StartTimeout));
            return true;
        }
    }

    private void LoseProcess(NodeGone gone)
    {
        string node = gone.Node.Value;
        if (_ended) return;
        if (_topology is not { } topology || !topology.Nodes.Contains(node))
        {
            _offered.Remove(node);
            return;
        }
        CountLost(topology, new HashSet<string>(StringComparer.Ordinal) { node }, gone.Why, _progress.CurrentStep);
        Amend(gone);
        var failure = _failures.All.LastOrDefault(f => f.Node == NameOf(node));
        List<string> words = failure is null ? [] : [.. failure.LastLines, .. failure.Stack is { } stack ? [stack] : Array.Empty<string>()];
        string lines = words.Count == 0 ? "" : $"; its last lines:{Environment.NewLine}{string.Join(Environment.NewLine, words)}";
        EndLost($"child process {NameOf(node)} was lost at step {_progress.CurrentStep}: {gone.Why}{lines}");
    }

    /// <summary>Nodes that were refused for what they are, each with why.</summary>
    private Dictionary<NodeId, string> Differing() => _prepared.Where(p => _topology!.Nodes.Contains(p.Key.Value))
        .Select(p => (Node: p.Key, Found: FingerprintCheck.Compare(_services.Name, _handle!.Runtime.Fingerprint, [p.Value], Spec.Training.BitExact)))
        .Where(p => p.Found.Count > 0).ToDictionary(p => p.Node, p => string.Join("; ", p.Found.Select(d => d.Message)));

    /// <summary>
    /// An attempt at a trial that has not begun is given back where other nodes than the coordinator's own are not fit for it, which has opened the same: its
    /// trial is to be tried on others.
    /// </summary>
    private bool EndsUnfit(Dictionary<NodeId, string> unfit)
    {
        if (_submission.Trial is null || unfit.Count == 0 || unfit.ContainsKey(_services.Router.Self)) return false;
        End(RunStatus.Failed, StopReason.Failed, string.Join("; ", unfit.Values), null, unfit: unfit);
        return true;
    }

    /// <summary>Nodes are to blame, and not the job: an attempt at a trial is lost, and its trial goes on in another one; others have failed.</summary>
    private void FailForNodes(string why)
    {
        if (_submission.Trial is not null) EndLost(why);
        else Fail(why);
    }

    /// <summary>The attempt has failed, and its trial may go on in another one.</summary>
    private void EndLost(string why)
    {
        if (_sinkStarted) Note("warning", why);
        End(RunStatus.Failed, StopReason.Failed, why, null, lost: why);
    }
}
