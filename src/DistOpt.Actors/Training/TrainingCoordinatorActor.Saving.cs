using Akka.Actor;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>The last checkpoint of a run that was stopped, and its last weights: whom they wait for, and that the one does not cost the other.</summary>
internal sealed partial class TrainingCoordinatorActor
{
    // servers whose slices of the last checkpoint are missing; null = its writer has not said
    private IReadOnlyList<int>? _checkpointLacks;

    /// <summary>An interrupted run ends with a checkpoint of its last step, from which it can be resumed without any loss.</summary>
    private bool SaveAtEnd(TrainingEnded ended)
    {
        if (_store is null || !((StopReason)ended.Reason).LeavesOff()) return false;
        if (_latestCheckpoint == ended.Step) return false; // it has one
        Enter("saving");
        foreach (var server in _wirePlacement!.Servers) Send(server.Peer.Node, NodeActors.Server(server.Index), new SaveState(ended.Step));
        return true;
    }

    /// <summary>While steps go on, slices of a checkpoint are no progress of theirs.</summary>
    private void OnMoved(CheckpointMoved moved)
    {
        if (_state == "saving" && _training?.Step == moved.Step) _progress.Moved();
    }

    private void AskWhatIsNotSaved()
    {
        _checkpointLacks = null;
        if (_state == "saving") _writer!.Tell(new AskCheckpointLacks(_training!.Step, [.. _topology!.Servers.Select(s => s.Range)]));
    }

    private void OnLacks(CheckpointLacks lacks)
    {
        if (_training?.Step == lacks.Step) _checkpointLacks = lacks.Servers;
    }

    /// <summary>Whom the last checkpoint or the last weights wait for, in words; nodes that do not answer apart.</summary>
    private IEnumerable<string> NotSaved()
    {
        var servers = _topology!.Servers.Where(s => _answered.Contains(new NodeId(s.Node)));
        if (_state == "collecting")
        {
            return servers.Where(s => _collector!.Lacks(s.Range, s.Index == 0))
                .Select(s => $"server {s.Index} on {NameOf(s.Node)} (its {Collected} weights)");
        }
        long step = _training!.Step;
        return _checkpointLacks switch
        {
            null => [$"{_services.Name} (to write the checkpoint of step {step})"],
            [] => [$"{_services.Name} (to {(_latestCheckpoint == step ? "note" : "complete")} the checkpoint of step {step})"],
            var lacking => servers.Where(s => lacking.Contains(s.Index))
                .Select(s => $"server {s.Index} on {NameOf(s.Node)} (its part of the checkpoint of step {step})"),
        };
    }

    private string Collected => _collecting switch
    {
        CheckpointPart.SelectedWeights => "selected",
        CheckpointPart.AveragedWeights => "averaged",
        _ => "last",
    };

    /// <summary>The checkpoints before it are as they were, and the last weights may come all the same.</summary>
    private void GiveUpSaving(string whom)
    {
        long step = _training!.Step;
        Note("error", $"the checkpoint of step {step} could not be written: no progress for {Spec.Training.WorkerTimeout:0.#} s "
            + $"(training.worker_timeout) while it waited for {whom}");
        _progress.Moved();
        WaitFor(null);
        (_awaitCheckpoint, _askedSince) = (null, null);
        CheckpointIsOver(step);
    }
}
