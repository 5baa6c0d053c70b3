using System.Collections.Immutable;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Studies.Engine;

/// <summary>
/// Decides everything about a study: which trial a free slot is for, what becomes of a trial after a report, what a lost attempt leads to, when the study
/// is over. It has no clock and starts nothing: whoever drives it asks <see cref="Decide"/> for each free slot, tells it what happens, and gives it the
/// seconds that have passed. Every change is a <see cref="StudyEvent"/>; <see cref="Restore"/> makes of them, up to any of them, a study that goes on as
/// this one would. One thread at a time. After an exception from a sampler, trial scheduler or pruner it has to be made anew from its events.
/// <para>
/// Events are handed out as soon as they are decided. What they decided may begin before they are on disk, as long as nothing is shown or counted:
/// those that are lost with the journal's end leave attempts whose reports change nothing (<see cref="AttemptId.Session"/>).
/// </para>
/// <para>
/// Deterministic (<c>deterministic: true</c>, K = parallel): decisions are those of a study on K equal slots where a unit of resource takes a unit of time
/// (<see cref="TrialTurns"/>); a suggestion for trial n uses exactly what has become by then of the trials 0..n-K. So neither timing nor lost attempts
/// change anything but seconds, as long as no trial loses <c>max_attempts</c> attempts, which then has failed: what is lost with a node and what a trial has
/// brought upon its own process are not told apart. Where trials share the study's process, one that ends it again and again has failed too
/// (<see cref="DeathsMost"/>). The cost: a slot is idle while the trial whose turn it is runs on, K - 1 parts of trials after it having
/// been decided.
/// Simulated with 8 slots and 300 trials: 7 % of slot time is idle (2 % in no order) where all trials take the same time for a unit of resource but for a
/// tenth, 21 % (fifo) and 26 % (asha, which has 7 % in no order) where some take three times as long as others. A limit in seconds and a command take
/// effect when they come.
/// </para>
/// </summary>
public sealed partial class StudyEngine
{
    /// <summary>
    /// Attempts in a row that may end with the process in which study and trials run (<see cref="StudySetup.SharesProcess"/>) and have brought nothing new,
    /// before their trial has failed; the last of them runs alone.
    /// </summary>
    public const int DeathsMost = 3;

    /// <summary>Why an attempt was given up that a user has taken back: see <see cref="TakeBack"/>.</summary>
    internal const string TakenBack = "it was paused before it had begun";

    private StudySetup _setup;
    /// <summary>Seconds to which it is known when an attempt began.</summary>
    private const double BeginsWithin = 0.01;

    private readonly StudyLedger _ledger;
    private readonly StudyAdvisors _advisors;
    private readonly Action<StudyEvent> _record;

    // by the versions of the space
    private readonly List<StudySpec?> _specs;
    private (StudyWait Wait, int? For)? _waits;
    private double _passed;
    private DateTime? _passedAt;
    private bool _standsStill;
    private bool _onlyLooks;

    /// <param name="setup">What to search and how.</param>
    /// <param name="record">Takes every event, in order, after it has taken effect.</param>
    /// <exception cref="SpecException">Sampler, trial scheduler or pruner cannot be used for the study.</exception>
    public StudyEngine(StudySetup setup, Action<StudyEvent> record)
    {
        ArgumentNullException.ThrowIfNull(setup);
        ArgumentNullException.ThrowIfNull(record);
        (_setup, _record, _specs) = (setup, record, [setup.Spec]);
        _advisors = new StudyAdvisors(setup);
        _ledger = new StudyLedger(setup, _advisors.TrialEnd, _advisors.Copies);
    }

    /// <summary>Why the study has ended; null = it has not.</summary>
    public StudyStopReason? End => _ledger.End;

    /// <summary>Whether it waits for a user: paused, or with code that is to be accepted.</summary>
    public bool IsPaused => _ledger.End is null && (_ledger.IsSuspended || CodeChange is not null);

    /// <summary>The study over the space in force; null = it is of no study spec.</summary>
    public StudySpec? Spec => _setup.Spec;

    private bool IsDeterministic => _setup.Context.IsDeterministic;

    /// <summary>What a free slot is for. What it begins is under way from then on.</summary>
    /// <param name="mayStart">Whether that may be a new trial; if not, the study does not end for want of them.</param>
    public StudyDecision Decide(bool mayStart = true)
    {
        var decision = Decided(mayStart);
        _waits = decision.Wait is { } wait ? (wait, decision.WaitsFor) : null;
        return decision;
    }

    private StudyDecision Decided(bool mayStart)
    {
        while (true)
        {
            if (_ledger.End is null && !_ledger.IsCancelled && _ledger.Results.IsToBeForeseen) Foresee();
            if (_ledger.End is null && DueStop() is { } due) EndStudy(due);
            if (_ledger.End is { } end) return new(null, End: end);
            if (CodeChange is not null) return new(null, StudyWait.Code);
            if (_ledger.IsSuspended) return new(null, StudyWait.Suspended);
            if (_ledger.Suspects.Count > 0 && Alone() is { } alone) return alone;
            if (_ledger.Running >= _ledger.Parallel) return new(null, StudyWait.Slots);
            if (FirstReady() is { } ready) return Begin(ready);
            bool mayAsk = (IsDeterministic ? _ledger.Turns.Count : _ledger.Held) < _ledger.Parallel;
            if (mayAsk && mayStart && !(_ledger.Next >= _ledger.Trials)) RefuseLast();
            if (mayAsk && _advisors.Next(_ledger, mayStart) is { Action: not SlotAction.Wait } next)
            {
                if (next.Action == SlotAction.Start) return Start(next);
                Commit(new StudyEvent.Promoted(next.Trial, next.Until, next.Exploit));
            }
            else if (_ledger.Turns.TryPeek(out int turn) && _ledger.Find(turn) is { HasOutcome: true } trial) Take(trial);
            else if (WhatFor() is { } wait) return new(null, wait.Wait, wait.For);
            else if (!mayStart) return new(null, StudyWait.Starts);
            // nothing is under way, and nothing more is begun
            else EndStudy(_ledger.Next >= _ledger.Trials ? StudyStopReason.Trials : StudyStopReason.Exhausted);
        }
    }

    /// <summary>A trial that may be what ends the process runs beside no other, so that no other one is taken for it; null = there is none to run.</summary>
    private StudyDecision? Alone()
    {
        foreach (int suspect in _ledger.Suspects)
            if (_ledger.Find(suspect)!.Phase == TrialPhase.Running) return new(null, StudyWait.Alone, suspect);
        foreach (int suspect in _ledger.Suspects)
        {
            var trial = _ledger.Find(suspect)!;
            if (trial.Phase != TrialPhase.Ready || trial.IsSuspended || !HasSource(trial)) continue;
            return _ledger.Running > 0 ? new(null, StudyWait.Alone, suspect) : Begin(trial);
        }
        return null;
    }

    /// <summary>The first trial that waits for a slot and has the checkpoint that it is to go on from.</summary>
    private LiveTrial? FirstReady()
    {
        foreach (var trial in _ledger.Ready)
            if (!trial.IsSuspended && HasSource(trial)) return trial;
        return null;
    }

    /// <summary>Whether what a trial goes on from is there, or does not come any more: a donor that lives may still be writing it.</summary>
    private bool HasSource(LiveTrial trial) => trial.Source is not { } source || _ledger.Has(source) || _ledger.Find(source.Trial) is not { } donor
        || !(donor.Owed == source.Resource || donor is { Phase: TrialPhase.Running, Told: ReportAction.Pause });

    /// <summary>Why there is nothing to do; null = since nothing is under way.</summary>
    private (StudyWait Wait, int? For)? WhatFor()
    {
        if (_ledger.Turns.TryPeek(out int turn))
            return (_ledger.Find(turn)!.IsSuspended ? StudyWait.Suspended : StudyWait.Turn, turn);
        foreach (var trial in _ledger.Ready)
            if (!trial.IsSuspended) return (StudyWait.Checkpoint, trial.Number);
        if (_ledger.Running > 0) return (StudyWait.Trials, null);
        return _ledger.Ready.Any() ? (StudyWait.Suspended, null) : null;
    }

    /// <summary>
    /// Where points are all that is left to try, those that cannot be tried are left out before a trial is decided on: none would be left for it.
    /// </summary>
    private void RefuseLast()
    {
        while (!_advisors.HasMore && _ledger.NextPoint(isLast: true) is { } point
            && _advisors.Complete(new(SlotAction.Start, _ledger.Next), point.AsSpan()) is null)
            RefusePoint();
    }

    private void RefusePoint() => Commit(new StudyEvent.PointRefused("with nothing that was drawn for what it leaves out it keeps to the constraints"));

    private StudyDecision Start(SlotDecision next)
    {
        _advisors.Admit(_ledger);
        ImmutableArray<double>? parameters = null;
        while (parameters is null && _ledger.NextPoint(isLast: !_advisors.HasMore) is { } point)
        {
            parameters = _advisors.Complete(next, point.AsSpan());
            if (parameters is null) RefusePoint();
        }
        bool isEnqueued = parameters is not null || _ledger.HasNamedPoint;
        parameters ??= _advisors.Suggest(next);
        NoteBeginning();
        Commit(new StudyEvent.Started(next.Trial, parameters.Value, next.Until, next.Bracket, isEnqueued));
        return new(OrderOf(_ledger.Find(next.Trial)!, 0));
    }

    private StudyDecision Begin(LiveTrial trial)
    {
        double delay = trial.DelaySeconds;
        NoteBeginning();
        Commit(new StudyEvent.AttemptBegun(trial.Number, trial.Attempt.Attempt + 1));
        return new(OrderOf(trial, delay));
    }

    private TrialOrder OrderOf(LiveTrial trial, double delay)
    {
        // a donor that ended before it had written it leaves the trial with what it has itself
        var from = trial.Source is { } source && _ledger.Has(source) ? source : trial.Checkpoint;
        return new TrialOrder(trial.Attempt, trial.Own, trial.Repeat, from, trial.Until, TimeSpan.FromSeconds(delay),
            _setup.TrialTimeout is { } most ? Math.Max(0, most - trial.Seconds) : null)
        {
            SpaceVersion = trial.SpaceVersion,
            Study = _specs[trial.SpaceVersion],
            MayBeginAnew = !_advisors.Copies,
        };
    }

    /// <summary>It is the turn of a trial of a deterministic study.</summary>
    private void Take(LiveTrial trial)
    {
        if (trial.Outcome is { } outcome) Commit(outcome);
        else Commit(new StudyEvent.Taken(trial.Number));
    }

    private void Foresee() =>
        Commit(new StudyEvent.ImprovementForeseen(_ledger.Results[TrialState.Complete], _advisors.Improvement() ?? double.PositiveInfinity));

    private StudyStopReason? DueStop() => _ledger.IsCancelled ? StudyStopReason.Cancelled
        : _ledger.Results.Stop ?? (_ledger.Seconds >= _setup.Stop.MaxSeconds ? StudyStopReason.MaxSeconds : null);

    /// <summary>Ends all trials, in the order of their numbers, and then the study.</summary>
    private void EndStudy(StudyStopReason reason)
    {
        foreach (var trial in _ledger.Live.ToList())
        {
            bool isLoser = trial.Phase == TrialPhase.Paused && !_ledger.Turns.Contains(trial.Number);
            // what ends a study from outside leaves it what it has; what its results say is not to depend on what is done but had no turn
            bool counts = trial.Outcome is not null && reason is (StudyStopReason.Cancelled or StudyStopReason.MaxSeconds);
            Commit(counts ? trial.Outcome! : isLoser ? new StudyEvent.Ended(trial.Number, TrialState.Pruned, TrialEndCause.NotPromoted, [], [], null, 0)
                : new StudyEvent.Ended(trial.Number, TrialState.Cancelled, TrialEndCause.StudyEnded, [], [], null, trial.AttemptSeconds));
        }
        if (_passed > 0) CountTime();
        Commit(new StudyEvent.StudyEnded(reason));
    }

    /// <summary>A trial is over: at once, or in a deterministic study when it is its turn.</summary>
    private void Finish(StudyEvent.Ended outcome) =>
        Commit(_ledger.Turns.Contains(outcome.Trial) ? new StudyEvent.Finished(outcome) : outcome);

    private void Commit(StudyEvent e)
    {
        if (_onlyLooks) return;
        Apply(e);
        _record(e);
    }

    private void Apply(StudyEvent e)
    {
        _advisors.Follow(e, _ledger);
        _ledger.Apply(e);
        if (_ledger is not { IsSpaceDue: true, ComingSpace: { } coming }) return;
        var widening = new SpaceWidening(_setup.Context.Space, coming.Space, coming.Defaults);
        _setup = _setup.Widened(coming);
        _specs.Add(_setup.Spec);
        _advisors.Widen(widening, _setup);
        _ledger.Widen(widening);
    }
}
