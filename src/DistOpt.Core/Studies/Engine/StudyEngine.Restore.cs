using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Studies.Engine;

/// <summary>How a study goes on after an interruption.</summary>
public sealed partial class StudyEngine
{
    /// <summary>The study that these events give: all that another engine of the same setup has handed out, or the first of them.</summary>
    /// <param name="setup">As that engine's.</param>
    /// <param name="events">In order.</param>
    /// <param name="record">Takes the events that follow.</param>
    /// <exception cref="InvalidOperationException">A trial scheduler or pruner decides otherwise than the events say.</exception>
    public static StudyEngine Restore(StudySetup setup, IEnumerable<StudyEvent> events, Action<StudyEvent> record)
    {
        ArgumentNullException.ThrowIfNull(events);
        var engine = new StudyEngine(setup, record);
        foreach (var e in events)
        {
            engine._advisors.Repeat(e, engine._ledger);
            engine.Apply(e);
        }
        return engine;
    }

    /// <summary>Attempts that are under way as far as the study knows, by their trials' numbers.</summary>
    public IEnumerable<AttemptId> Attempts => _ledger.Live.Where(t => t.Phase == TrialPhase.Running).Select(t => t.Attempt);

    /// <summary>
    /// After <see cref="Restore"/>, before anything else: those attempts go on that somebody still holds, the others are lost, which costs their trials none of
    /// <c>max_attempts</c>. Where trials share the study's process, one that is under way <see cref="DeathsMost"/> times in a row when that dies, each time
    /// without anything new, the last time beside no other trial, is taken for what ends it, and has failed. What it hands out is to be on disk before any
    /// attempt begins.
    /// </summary>
    /// <param name="isHeld">Whether an attempt is still under way.</param>
    /// <param name="left">Steps of the newest checkpoint that a run of a trial has left, by the trial's number and the run's; null = none are known.</param>
    /// <param name="hasDied">Whether the process that had the study died over it; one that left off otherwise has no trial to blame.</param>
    public void Reopen(Func<AttemptId, bool> isHeld, Func<int, int, long>? left = null, bool hasDied = true)
    {
        ArgumentNullException.ThrowIfNull(isHeld);
        if (_ledger.End is not null) return;
        Commit(new StudyEvent.Reopened(_ledger.Session + 1));
        foreach (var trial in _ledger.Live.ToList())
        {
            // the end that follows from its last event was not written any more
            if (trial.IsCancelled && trial.Phase != TrialPhase.Finished) CancelTrial(trial.Number);
            else if (trial.Phase != TrialPhase.Running) continue;
            else if (trial.Told == ReportAction.Prune) EndPruned(trial, trial.AttemptSeconds);
            else if (!isHeld(trial.Attempt)) LoseWithProcess(trial, left, hasDied);
        }
    }

    private void LoseWithProcess(LiveTrial trial, Func<int, int, long>? left, bool hasDied)
    {
        long? steps = !_setup.SharesProcess || !hasDied ? null : left?.Invoke(trial.Number, trial.Repeat) ?? 0;
        if (steps is { } found && trial.DeathsWith(found) is >= DeathsMost and var deaths)
        {
            EndTrial(trial, TrialState.Failed, TrialEndCause.Lost, $"was under way when the study's process died, {deaths} times in a row without a report or "
                + "checkpoint in between, the last time beside no other trial: it is taken for what ended the process, and is not tried again", trial.AttemptSeconds);
        }
        else Commit(new StudyEvent.AttemptLost(trial.Number, hasDied ? "the coordinator was gone" : "the study had left off", false, 0, trial.AttemptSeconds) { Left = steps });
    }
}
