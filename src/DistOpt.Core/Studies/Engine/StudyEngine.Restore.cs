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
    /// <c>max_attempts</c>. What it hands out is to be on disk before any attempt begins.
    /// </summary>
    /// <param name="isHeld">Whether an attempt is still under way.</param>
    public void Reopen(Func<AttemptId, bool> isHeld)
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
            else if (!isHeld(trial.Attempt))
                Commit(new StudyEvent.AttemptLost(trial.Number, "the coordinator was gone", false, 0, trial.AttemptSeconds));
        }
    }
}
