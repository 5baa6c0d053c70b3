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
