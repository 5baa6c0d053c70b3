using System.Text.Json;

namespace DistOpt.Core.Studies.Engine;

/// <summary>What is to be seen and to be kept.</summary>
public sealed partial class StudyEngine
{
    /// <summary>The trials that samplers know, with what they know of them.</summary>
    public StudyHistory History => _advisors.History;

    /// <summary>Resource at which every trial is complete, whatever it reports; <see cref="long.MaxValue"/> = the trial scheduler has no such bound.</summary>
    public long TrialEnd => _advisors.TrialEnd;

    /// <summary>What has become of a trial of the study so far. By the number that it has here, not in <see cref="History"/>.</summary>
    public StudyTrial Trial(int number) => _advisors[number];

    /// <summary>What users want to be known of a trial, or (null) of the study.</summary>
    public IReadOnlyDictionary<string, JsonElement> Attributes(int? trial) => _ledger.Attributes.Of(trial);

    /// <summary>Trials that have begun.</summary>
    public int Started => _ledger.Next;

    /// <summary>Whether the trial scheduler pauses trials, or copies them.</summary>
    public bool Pauses => _advisors.Pauses;

    /// <summary>Checkpoints that are known to exist.</summary>
    public IReadOnlyCollection<TrialCheckpoint> Checkpoints => _ledger.Checkpoints;

    /// <summary>Where the study stands. O(trials that have not ended).</summary>
    public StudyStatus Status()
    {
        var results = _ledger.Results;
        int waiting = 0, running = 0, paused = 0, suspended = 0;
        foreach (var trial in _ledger.Live)
        {
            if (trial.Phase == TrialPhase.Paused) paused++;
            else if (trial.IsSuspended) suspended++;
            else if (trial.Phase == TrialPhase.Ready) waiting++;
            else running++;
        }
        return new StudyStatus
        {
            Counts = new(waiting, running, paused, results[TrialState.Complete], results[TrialState.Pruned], results[TrialState.Failed],
                results[TrialState.Cancelled])
            {
                Suspended = suspended,
            },
            Started = _ledger.Next,
            Trials = _ledger.Trials,
            TrialLength = Math.Min(_setup.Context.TrialLength ?? long.MaxValue, TrialEnd) is < long.MaxValue and var length ? length : null,
            Parallel = _ledger.Parallel,
            SpaceVersion = _ledger.SpaceVersion,
            SpaceFrom = _ledger.SpaceFrom,
            NextSpaceFrom = _ledger.ComingSpace?.FromTrial,
            Spec = _setup.Spec,
            Imported = _ledger.Imported,
            Enqueued = _ledger.Points,
            Refused = _ledger.Refused.Count,
            RefusedLast = _ledger.Refused.Last,
            Best = results.Best,
            Front = results.Front,
            Worst = results.Worst,
            LastFailure = results.LastFailure,
            Improvement = results.Foreseen is { Improvement: var expected } && double.IsFinite(expected) ? expected : null,
            Live = [.. _ledger.Live.Where(t => t.Phase != TrialPhase.Paused).Select(StatusOf)],
            Rungs = _advisors.Rungs,
            Wait = _ledger.End is null ? _waits?.Wait : null,
            WaitsFor = _ledger.End is null ? _waits?.For : null,
            CodeChange = CodeChange,
            IsSuspended = _ledger.IsSuspended,
            Seconds = _ledger.Seconds + _passed,
            Sessions = _ledger.Session,
            End = _ledger.End,
        };
    }

    /// <summary>
    /// Checkpoints that nobody can go on from any more: neither their trial, nor one that has copied it, nor any that the trial scheduler may still send
    /// on. To be deleted, and told with <see cref="Deleted"/>. O(checkpoints that there are).
    /// </summary>
    public IReadOnlyList<TrialCheckpoint> Superfluous()
    {
        var needed = new HashSet<TrialCheckpoint>();
        foreach (var trial in _ledger.Live)
        {
            if (trial.Checkpoint is { } own) needed.Add(own);
            if (trial.Source is { } source) needed.Add(source);
        }
        return [.. _ledger.Checkpoints.Where(c => !needed.Contains(c) && (_ledger.End is not null || !_advisors.MayNeed(c)))];
    }

    /// <summary>
    /// The checkpoint that is worth the least where there is no room for all: of the paused trials the one that has had the least, the worst of those. It may
    /// be deleted, and that told with <see cref="Deleted"/>: if its trial is sent on after all it begins anew, and comes to the same. Null = each is needed,
    /// as those of trials that others copy are. O(trials that have not ended).
    /// </summary>
    public TrialCheckpoint? LeastNeeded()
    {
        if (_advisors.Copies) return null;
        var paused = _ledger.Live.Where(t => t is { Phase: TrialPhase.Paused, Checkpoint: not null } && _ledger.Has(t.Checkpoint.Value));
        return paused.OrderBy(t => t.Checkpoint!.Value.Resource).ThenByDescending(Loss).ThenByDescending(t => t.Number).FirstOrDefault()?.Checkpoint;
    }

    /// <summary>Whether no attempt at a trial goes on from what its runs have left in their own folder: it has ended, or goes on from a kept state.</summary>
    /// <param name="trial">Its number.</param>
    /// <param name="repeat">Which run of its configuration, from 0.</param>
    public bool IsDoneWith(int trial, int repeat) =>
        _ledger.Find(trial) is not { } live || live.Repeat > repeat || live.Phase is TrialPhase.Paused or TrialPhase.Finished;

    /// <summary>A checkpoint is gone from the disk.</summary>
    public void Deleted(TrialCheckpoint checkpoint)
    {
        if (_ledger.Has(checkpoint)) Commit(new StudyEvent.CheckpointDeleted(checkpoint));
    }

    private double Loss(LiveTrial trial) => trial.Last is { Value: var value } && !double.IsNaN(value) ? _setup.Context.Loss(value) : double.PositiveInfinity;

    private static LiveTrialStatus StatusOf(LiveTrial trial) => new(trial.Number,
        trial.Phase switch { TrialPhase.Ready => TrialState.Waiting, TrialPhase.Paused => TrialState.Paused, _ => TrialState.Running },
        trial.Attempt.Attempt, trial.Losses, trial.Parameters, trial.Bracket, trial.Repeat, trial.Last, trial.Until, trial.Seconds, trial.IsSuspended);
}
