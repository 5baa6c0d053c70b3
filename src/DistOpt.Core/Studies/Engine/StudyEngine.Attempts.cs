using System.Collections.Immutable;
using DistOpt.Core.Specs;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Studies.Engine;

/// <summary>What attempts tell. Of an attempt that is no longer the trial's latest, nothing counts.</summary>
public sealed partial class StudyEngine
{
    /// <summary>
    /// An attempt has got so far. Reports that come twice, and those that a repeated attempt sends of steps that were there before, change nothing and get
    /// the same answer.
    /// </summary>
    /// <param name="id">The attempt.</param>
    /// <param name="step">Resource so far: at least 0.</param>
    /// <param name="values">One for each objective; may be NaN.</param>
    /// <param name="seconds">That the attempt has computed.</param>
    public TrialDirective Report(AttemptId id, long step, ReadOnlySpan<double> values, double seconds = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        Demand(values);
        if (Current(id) is not { } trial) return TrialDirective.Stop;
        if (IsTooLong(trial, seconds))
        {
            EndTrial(trial, TrialState.Failed, TrialEndCause.TimedOut, TimeoutError, seconds);
            return TrialDirective.Stop;
        }
        if (trial.IsOutdated) return TrialDirective.Pause;
        // told to pause or to end it does so, here or wherever it stands
        if (step > trial.Step && trial.Told is not (ReportAction.Pause or ReportAction.Complete))
        {
            ImmutableArray<double> reported = [.. values];
            var action = _advisors.Judge(trial, step, reported);
            Commit(new StudyEvent.Reported(trial.Number, step, reported, action, seconds));
            if (action == ReportAction.Prune)
            {
                EndPruned(trial, seconds);
                return TrialDirective.Stop;
            }
        }
        return Answer(trial, step);
    }

    /// <summary>An attempt has written a checkpoint, and goes on.</summary>
    /// <param name="id">The attempt.</param>
    /// <param name="resource">What the trial had had.</param>
    /// <returns>Whether it counts.</returns>
    public bool Checkpointed(AttemptId id, long resource)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(resource);
        if (Current(id) is not { } trial) return false;
        var checkpoint = new TrialCheckpoint(id.Trial, resource, trial.Repeat);
        if (trial.Checkpoint != checkpoint || !_ledger.Has(checkpoint)) Commit(new StudyEvent.CheckpointWritten(checkpoint));
        return true;
    }

    /// <summary>An attempt has written a checkpoint and given up its slot.</summary>
    /// <param name="id">The attempt.</param>
    /// <param name="resource">What the trial had had.</param>
    /// <param name="seconds">That the attempt has computed.</param>
    /// <returns>Whether it counts.</returns>
    public bool Release(AttemptId id, long resource, double seconds = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(resource);
        if (Current(id) is not { } trial) return false;
        Commit(new StudyEvent.Released(trial.Number, resource, seconds));
        return true;
    }

    /// <summary>An attempt has come to the end of its run.</summary>
    /// <param name="id">The attempt.</param>
    /// <param name="values">One for each objective; a trial with a NaN has failed.</param>
    /// <param name="constraints">By how much it misses each constraint, at most 0 = it does not; empty = there are none.</param>
    /// <param name="seconds">That the attempt has computed.</param>
    /// <returns>Whether it counts.</returns>
    public bool Complete(AttemptId id, ReadOnlySpan<double> values, ReadOnlySpan<double> constraints = default, double seconds = 0)
    {
        Demand(values);
        if (Current(id) is not { } trial) return false;
        if (GoesOnElsewhere(trial, seconds)) return true;
        foreach (double value in values)
        {
            if (!double.IsNaN(value)) continue;
            EndTrial(trial, TrialState.Failed, TrialEndCause.Diverged, "a value of the trial is NaN", seconds);
            return true;
        }
        if (trial.RunConstraints is { Length: var before } && before != constraints.Length)
        {
            EndTrial(trial, TrialState.Failed, TrialEndCause.Threw, $"a run has {constraints.Length} constraints, those before it had {before}", seconds);
            return true;
        }
        if (trial.Repeat + 1 < _setup.Repeats)
        {
            if (_advisors.EndsAfterRun(trial, values))
            {
                EndPruned(trial, seconds);
                return true;
            }
            Commit(new StudyEvent.RunCompleted(trial.Number, [.. values], [.. constraints], seconds));
            return true;
        }
        Finish(new StudyEvent.Ended(trial.Number, TrialState.Complete, TrialEndCause.Done, Mean(trial.RunValues, values, trial.Repeat + 1),
            Mean(trial.RunConstraints, constraints, trial.Repeat + 1), null, seconds));
        return true;
    }

    /// <summary>A trial diverged or threw: it has failed, and the study goes on.</summary>
    /// <param name="id">The attempt.</param>
    /// <param name="hasDiverged">Whether it is its numbers that went wrong.</param>
    /// <param name="error">What is known: type, message, stack.</param>
    /// <param name="seconds">That the attempt has computed.</param>
    /// <returns>Whether it counts.</returns>
    public bool Fail(AttemptId id, bool hasDiverged, string error, double seconds = 0)
    {
        if (Current(id) is not { } trial) return false;
        if (GoesOnElsewhere(trial, seconds)) return true;
        EndTrial(trial, TrialState.Failed, hasDiverged ? TrialEndCause.Diverged : TrialEndCause.Threw, error, seconds);
        return true;
    }

    /// <summary>A trial does not go on by its own wish, since others are better.</summary>
    /// <param name="id">The attempt.</param>
    /// <param name="seconds">That the attempt has computed.</param>
    /// <returns>Whether it counts.</returns>
    public bool Prune(AttemptId id, double seconds = 0)
    {
        if (Current(id) is not { } trial) return false;
        if (GoesOnElsewhere(trial, seconds)) return true;
        EndPruned(trial, seconds);
        return true;
    }

    /// <summary>An attempt was given up by whoever runs the study: there is another one, and the trial has lost none of <c>max_attempts</c>.</summary>
    /// <param name="id">The attempt.</param>
    /// <param name="reason">Why.</param>
    /// <returns>Whether it counts.</returns>
    public bool GiveUp(AttemptId id, string reason)
    {
        if (Current(id) is not { } trial) return false;
        Commit(new StudyEvent.AttemptLost(trial.Number, reason, false, 0, trial.AttemptSeconds));
        return true;
    }

    /// <summary>
    /// An attempt was taken back before it had begun, since a user has paused its trial or the study: there is another one, and nothing is lost.
    /// </summary>
    /// <param name="id">The attempt.</param>
    /// <returns>Whether it counts.</returns>
    public bool TakeBack(AttemptId id) => GiveUp(id, TakenBack);

    /// <summary>The node or process of an attempt is lost: there is another one, or the trial has failed.</summary>
    /// <param name="id">The attempt.</param>
    /// <param name="reason">What is known of it.</param>
    /// <param name="seconds">That the attempt has computed.</param>
    /// <returns>Whether it counts.</returns>
    public bool Lose(AttemptId id, string reason, double seconds = 0)
    {
        if (Current(id) is not { } trial) return false;
        int losses = trial.Losses + 1;
        if (IsTooLong(trial, seconds)) EndTrial(trial, TrialState.Failed, TrialEndCause.TimedOut, TimeoutError, seconds);
        else if (GoesOnElsewhere(trial, seconds)) return true;
        else if (losses >= _setup.MaxAttempts)
            EndTrial(trial, TrialState.Failed, TrialEndCause.Lost, $"attempt {losses} of at most {_setup.MaxAttempts} was lost: {reason}", seconds);
        else Commit(new StudyEvent.AttemptLost(trial.Number, reason, true, _setup.Backoff.Seconds(losses), seconds));
        return true;
    }

    /// <summary>An attempt was ended since its trial has computed for longer than it may.</summary>
    /// <param name="id">The attempt.</param>
    /// <param name="seconds">That the attempt has computed.</param>
    /// <returns>Whether it counts.</returns>
    public bool TimeOut(AttemptId id, double seconds)
    {
        if (Current(id) is not { } trial) return false;
        EndTrial(trial, TrialState.Failed, TrialEndCause.TimedOut, TimeoutError, seconds);
        return true;
    }

    /// <summary>Whether an attempt is its trial's latest and the trial goes on: what is no more so is to be stopped.</summary>
    public bool IsUnderWay(AttemptId id) => Current(id) is not null;

    /// <summary>Whether an attempt's trial was told that it is complete: the trial scheduler gives it no more.</summary>
    public bool HasHadAll(AttemptId id) => Current(id) is { Told: ReportAction.Complete };

    /// <summary>Resource at which an attempt that goes on may next be told something else; null = it is not known, or there is none before its end.</summary>
    public long? UntilOf(AttemptId id) => Current(id) is { } trial ? _advisors.UntilOf(trial.Number) : null;

    /// <summary>Whether an attempt that has not begun to compute is to wait until a user lets its trial go on.</summary>
    public bool IsSuspended(AttemptId id) => Current(id) is { } trial && (_ledger.IsSuspended || trial.IsSuspended);

    private string TimeoutError => FormattableString.Invariant($"computed for longer than study.trial_timeout, {_setup.TrialTimeout} s");

    private LiveTrial? Current(AttemptId id) =>
        _ledger.Find(id.Trial) is { Phase: TrialPhase.Running } trial && trial.Attempt == id ? trial : null;

    private bool IsTooLong(LiveTrial trial, double seconds) => trial.SecondsBefore + Math.Max(trial.AttemptSeconds, seconds) >= _setup.TrialTimeout;

    /// <summary>
    /// An attempt has ended whose trial was sent on from another one's state before: what it came to is not what the parameters in force bring, and the trial
    /// goes on as it was decided.
    /// </summary>
    /// <returns>Whether that is so.</returns>
    private bool GoesOnElsewhere(LiveTrial trial, double seconds)
    {
        if (!trial.IsOutdated) return false;
        Commit(new StudyEvent.AttemptLost(trial.Number, $"had ended when the trial was sent on from trial {trial.Source!.Value.Trial}", false, 0, seconds));
        return true;
    }

    private void EndTrial(LiveTrial trial, TrialState state, TrialEndCause cause, string? error, double seconds) =>
        Finish(new StudyEvent.Ended(trial.Number, state, cause, [], [], error, seconds));

    private void EndPruned(LiveTrial trial, double seconds) => EndTrial(trial, TrialState.Pruned, TrialEndCause.Pruned, null, seconds);

    /// <summary>What an attempt is told that has reported a step.</summary>
    private TrialDirective Answer(LiveTrial trial, long step)
    {
        // one that does again what was there before goes on until it comes to what is new
        if (step >= trial.Step && trial.Told is ReportAction.Pause) return TrialDirective.Pause;
        if (step >= trial.Step && trial.Told is ReportAction.Complete) return TrialDirective.Complete;
        if (_ledger.IsSuspended || trial.IsSuspended) return TrialDirective.Pause;
        // one that was lost before it had written it does when it comes there again; where it has gone on from beyond, whoever waits for it hears so
        return step == trial.Owed || (step > trial.Owed && trial.Attempt != trial.OwedBy) ? TrialDirective.Checkpoint : TrialDirective.Continue;
    }

    private void Demand(ReadOnlySpan<double> values)
    {
        int objectives = _setup.Context.Directions.Length;
        if (values.Length != objectives) throw new ArgumentException($"there are {values.Length} values for {objectives} objectives", nameof(values));
    }

    private static ImmutableArray<double> Mean(double[]? sums, ReadOnlySpan<double> last, int runs)
    {
        double[] mean = [.. last];
        for (int i = 0; i < mean.Length && sums is not null; i++) mean[i] = (sums[i] + mean[i]) / runs;
        return [.. mean];
    }
}
