using System.Collections.Immutable;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Studies.Engine;

/// <summary>
/// Where a study stands: what its events add up to. The same events give the same ledger, and nothing else changes it. What it keeps of a trial that has
/// ended is in the samplers' history alone.
/// </summary>
internal sealed class StudyLedger
{
    private readonly StudySetup _setup;
    private readonly long _trialEnd;
    private readonly bool _copies;
    private readonly SortedDictionary<int, LiveTrial> _live = [];
    private readonly LinkedList<LiveTrial> _ready = new();
    private readonly List<(int FromTrial, ImmutableArray<double> Point)> _points;
    private readonly Queue<IReadOnlyDictionary<string, object?>> _namedPoints = new();
    private readonly List<(int FromTrial, int Parallel)> _parallel;
    private readonly SortedSet<TrialCheckpoint> _checkpoints = [];
    private readonly SortedSet<int> _suspects = [];

    /// <param name="trialEnd">Resource at which the trial scheduler completes a trial.</param>
    /// <param name="copies">Whether trials go on from others' checkpoints.</param>
    public StudyLedger(StudySetup setup, long trialEnd, bool copies)
    {
        (_setup, _trialEnd, _copies) = (setup, trialEnd, copies);
        _points = [.. setup.Enqueued.Select(p => (0, p))];
        _parallel = [(0, setup.Parallel)];
        Trials = setup.Context.Trials;
        Results = new StudyResults(setup.Context.Directions, setup.Stop);
        Keys = new CommandKeys(setup.CommandKeysKept);
        FollowParallel();
    }

    /// <summary>Trials that have not ended, by number.</summary>
    public IReadOnlyCollection<LiveTrial> Live => _live.Values;

    /// <summary>Those that wait for a slot, the first to get one first.</summary>
    public IEnumerable<LiveTrial> Ready => _ready;

    /// <summary>Trials that may be what ends the process in which they run.</summary>
    public IReadOnlyCollection<int> Suspects => _suspects;

    /// <summary>The point to try next; null = there is none, or none before a later trial.</summary>
    /// <param name="isLast">Whether points are all that is left to try: one for a later trial is taken then.</param>
    public ImmutableArray<double>? NextPoint(bool isLast)
    {
        int place = _points.FindIndex(p => p.FromTrial <= Next);
        return place >= 0 ? _points[place].Point : isLast && _points.Count > 0 ? _points[0].Point : null;
    }

    /// <summary>Whether there is a point to try, where trials define their parameters.</summary>
    public bool HasNamedPoint => _namedPoints.Count > 0;

    public int Points => _points.Count + _namedPoints.Count;

    /// <summary>Points that were left out, and why the last one.</summary>
    public (int Count, string? Last) Refused { get; private set; }

    public IReadOnlyCollection<TrialCheckpoint> Checkpoints => _checkpoints;

    public StudyResults Results { get; }

    public CommandKeys Keys { get; }

    /// <summary>What trials have defined; empty where the space was declared.</summary>
    public DefinedSpace Defined { get; } = new();

    public UserAttributes Attributes { get; } = new();

    public TrialTurns Turns { get; } = new();

    /// <summary>Trials of other studies that the sampler knows.</summary>
    public int Imported { get; private set; }

    /// <summary>The number of the next trial.</summary>
    public int Next { get; private set; }

    /// <summary>How many trials there are to be; null = no bound.</summary>
    public int? Trials { get; private set; }

    /// <summary>Attempts under way.</summary>
    public int Running { get; private set; }

    /// <summary>Slots that are taken or spoken for.</summary>
    public int Held => _ready.Count == 0 ? Running : Running + _ready.Count(t => !t.IsSuspended);

    /// <summary>Trials that may run at a time; a deterministic study takes the next value up at a trial number.</summary>
    public int Parallel { get; private set; }

    /// <summary>Counts the spaces, from 0.</summary>
    public int SpaceVersion { get; private set; }

    /// <summary>The number of the first trial that was drawn from the space in force.</summary>
    public int SpaceFrom { get; private set; }

    /// <summary>A wider space that waits for its trial.</summary>
    public StudyEvent.SpaceWidened? ComingSpace { get; private set; }

    /// <summary>Whether the next trial is drawn from the space that is coming.</summary>
    public bool IsSpaceDue => ComingSpace is { } space && space.FromTrial <= Next;

    public bool IsSuspended { get; private set; }

    public bool IsCancelled { get; private set; }

    /// <summary>Identity of the user code that the study was last gone on with; null = none was noted.</summary>
    public string? Code { get; private set; }

    public double Seconds { get; private set; }

    public int Session { get; private set; }

    public StudyStopReason? End { get; private set; }

    /// <summary>A trial that has not ended.</summary>
    public LiveTrial? Find(int trial) => _live.GetValueOrDefault(trial);

    /// <summary>Whether there is this checkpoint.</summary>
    public bool Has(TrialCheckpoint checkpoint) => _checkpoints.Contains(checkpoint);

    /// <exception cref="ArgumentException">An event that does not follow from those before it.</exception>
    public void Apply(StudyEvent e)
    {
        switch (e)
        {
            case StudyEvent.Started started:
                Start(started);
                break;
            case StudyEvent.AttemptBegun begun:
                Begin(Known(begun.Trial), begun.Attempt);
                break;
            case StudyEvent.Reported reported:
                Report(Known(reported.Trial), reported);
                break;
            case StudyEvent.CheckpointWritten { Checkpoint: var written }:
                Add(Known(written.Trial), written);
                break;
            case StudyEvent.CheckpointDeleted { Checkpoint: var deleted }:
                _checkpoints.Remove(deleted);
                // what it had is gone: it begins anew if it is sent on
                if (Find(deleted.Trial) is { Checkpoint: { } own } bereft && own == deleted) bereft.Checkpoint = null;
                break;
            case StudyEvent.Released released:
                Release(Known(released.Trial), released);
                break;
            case StudyEvent.Taken taken:
                Turns.Take(taken.Trial);
                Results.Pause();
                break;
            case StudyEvent.Promoted promoted:
                Promote(Known(promoted.Trial), promoted);
                break;
            case StudyEvent.AttemptLost lost:
                Lose(Known(lost.Trial), lost);
                break;
            case StudyEvent.RunCompleted completed:
                CompleteRun(Known(completed.Trial), completed);
                break;
            case StudyEvent.Finished { Outcome: var outcome }:
                Finish(Known(outcome.Trial), outcome);
                break;
            case StudyEvent.Ended ended:
                EndTrial(Known(ended.Trial), ended);
                break;
            case StudyEvent.Command command:
                Carry(command);
                break;
            case StudyEvent.Imported:
                if (Next > 0) throw new ArgumentException("a trial is imported after trials of the study have begun", nameof(e));
                Imported++;
                break;
            case StudyEvent.Defined defined:
                Defined.Set(defined.Name, defined.Domain);
                break;
            case StudyEvent.Suggested suggested:
                Known(suggested.Trial).Give(Defined.IndexOf(suggested.Name), suggested.Value);
                break;
            case StudyEvent.DrawnTogether drawn:
                for (int i = 0; i < drawn.Names.Length; i++) Known(drawn.Trial).Drawn[Defined.IndexOf(drawn.Names[i])] = drawn.Values[i];
                break;
            case StudyEvent.AttributeSet set:
                Attributes.Set(set.Trial, set.Name, set.Json);
                break;
            case StudyEvent.PointRefused refused:
                TakePoint();
                Refused = (Refused.Count + 1, refused.Error);
                break;
            case StudyEvent.ImprovementForeseen foreseen:
                Results.Foresee(foreseen);
                break;
            case StudyEvent.TimePassed passed:
                Seconds = Math.Max(Seconds, passed.Seconds);
                break;
            case StudyEvent.Reopened reopened:
                Session = reopened.Session;
                break;
            case StudyEvent.StudyEnded ended:
                End = StudyEnd.After(End, ended, Next);
                break;
            default:
                throw new ArgumentException($"{e.GetType()} is no event of a study", nameof(e));
        }
    }

    /// <summary>The space that was coming is there: all that is kept is in it from now on.</summary>
    public void Widen(SpaceWidening widening)
    {
        (SpaceVersion, SpaceFrom) = (ComingSpace!.Version, ComingSpace.FromTrial);
        ComingSpace = null;
        foreach (var trial in _live.Values) (trial.Own, trial.Parameters) = (trial.Own, widening.Map(trial.Parameters.AsSpan()));
        for (int i = 0; i < _points.Count; i++) _points[i] = _points[i] with { Point = widening.MapPoint(_points[i].Point.AsSpan()) };
        Results.Widen(widening);
    }

    private LiveTrial Known(int trial) => Find(trial) ?? throw new ArgumentException($"trial {trial} is not among those that have not ended", nameof(trial));

    private void Start(StudyEvent.Started started)
    {
        if (started.Trial != Next) throw new ArgumentException($"trial {started.Trial} is not the next one, {Next}", nameof(started));
        bool isNamed = started.IsEnqueued && _setup.Context.IsDefinedByRun;
        var trial = new LiveTrial(started.Trial, started.Parameters)
        {
            Until = started.Until,
            Goal = started.Until,
            Bracket = started.Bracket,
            SpaceVersion = SpaceVersion,
            Fixed = isNamed ? _namedPoints.Dequeue() : null,
        };
        _live.Add(trial.Number, trial);
        if (started.IsEnqueued && !isNamed) TakePoint();
        Next++;
        trial.Attempt = new AttemptId(trial.Number, 1, Session);
        Running++;
        if (_setup.Context.IsDeterministic) Turns.Begin(trial.Number, Length(0, started.Until));
        FollowParallel();
    }

    private void TakePoint() => _points.RemoveAt(Math.Max(0, _points.FindIndex(p => p.FromTrial <= Next)));

    private void Begin(LiveTrial trial, int attempt)
    {
        _ready.Remove(trial);
        (trial.Phase, trial.Attempt, trial.DelaySeconds) = (TrialPhase.Running, new AttemptId(trial.Number, attempt, Session), 0);
        trial.Retry();
        trial.IsFromSource = trial.Source is not null;
        Running++;
    }

    private void Report(LiveTrial trial, StudyEvent.Reported reported)
    {
        Advance(trial);
        (trial.Step, trial.Told, trial.AttemptSeconds) = (reported.Step, reported.Action, Math.Max(trial.AttemptSeconds, reported.Seconds));
        // one that pauses writes it as well, also where it is sent on before it has given up its slot
        if (reported.Action == ReportAction.Checkpoint || (_copies && reported.Action == ReportAction.Pause))
            (trial.Owed, trial.OwedBy) = (reported.Step, trial.Attempt);
        if (trial.Repeat == 0) trial.Tell(new Report(reported.Step, reported.Values[0]));
    }

    private void Add(LiveTrial trial, TrialCheckpoint checkpoint)
    {
        Advance(trial);
        _checkpoints.Add(checkpoint);
        trial.Checkpoint = checkpoint;
        if (checkpoint.Resource >= trial.Owed) trial.Owed = null;
        if (trial.IsFromSource) (trial.Source, trial.IsFromSource) = (null, false);
    }

    private void Release(LiveTrial trial, StudyEvent.Released released)
    {
        Add(trial, new TrialCheckpoint(trial.Number, released.Resource, trial.Repeat));
        StopAttempt(trial, released.Seconds);
        if (trial.Told != ReportAction.Pause)
        {
            MakeReady(trial);
            return;
        }
        trial.Phase = TrialPhase.Paused;
        if (!_setup.Context.IsDeterministic) Results.Pause();
    }

    private void Promote(LiveTrial trial, StudyEvent.Promoted promoted)
    {
        long from = trial.Step;
        if (promoted.Exploit is { } exploit)
        {
            trial.Exploit(exploit.Parameters);
            (trial.Step, from) = (exploit.Resource, exploit.Resource);
            (trial.Source, trial.IsFromSource, trial.Owed) = (new TrialCheckpoint(exploit.Donor, exploit.Resource), false, null);
            trial.Renew();
        }
        (trial.Until, trial.Goal, trial.Told) = (promoted.Until, promoted.Until, ReportAction.Continue);
        if (trial.Phase == TrialPhase.Paused) MakeReady(trial);
        if (_setup.Context.IsDeterministic) Turns.Begin(trial.Number, Length(from, promoted.Until));
    }

    private void Lose(LiveTrial trial, StudyEvent.AttemptLost lost)
    {
        StopAttempt(trial, lost.Seconds);
        trial.DelaySeconds = lost.DelaySeconds;
        if (lost.IsCounted) trial.Losses++;
        if (lost.Left is { } left) trial.Die(left);
        if (trial.IsSuspect) _suspects.Add(trial.Number);
        MakeReady(trial);
    }

    private void CompleteRun(LiveTrial trial, StudyEvent.RunCompleted completed)
    {
        StopAttempt(trial, completed.Seconds);
        trial.RunValues = Sum(trial.RunValues, completed.Values);
        trial.RunConstraints = Sum(trial.RunConstraints, completed.Constraints);
        (trial.Step, trial.Told, trial.Until, trial.Checkpoint, trial.Source) = (-1, ReportAction.Continue, _trialEnd, null, null);
        trial.Owed = null;
        Advance(trial);
        trial.Renew();
        trial.Repeat++;
        trial.Phase = TrialPhase.Ready;
        // it has a slot already
        _ready.AddFirst(trial);
    }

    private void Finish(LiveTrial trial, StudyEvent.Ended outcome)
    {
        _suspects.Remove(trial.Number);
        StopAttempt(trial, outcome.Seconds);
        _ready.Remove(trial);
        (trial.Phase, trial.Outcome) = (TrialPhase.Finished, outcome);
    }

    private void EndTrial(LiveTrial trial, StudyEvent.Ended ended)
    {
        _suspects.Remove(trial.Number);
        StopAttempt(trial, ended.Seconds);
        _ready.Remove(trial);
        Turns.Take(trial.Number);
        _live.Remove(trial.Number);
        if (_setup.Context.IsDefinedByRun && ended.State is TrialState.Complete or TrialState.Pruned) Defined.Learn(trial.Parameters);
        Results.Add(ended, trial);
    }

    private void Carry(StudyEvent.Command command)
    {
        Keys.Add(command);
        switch (command)
        {
            case StudyEvent.Enqueued enqueued:
                _points.Add((enqueued.FromTrial ?? 0, enqueued.Point));
                break;
            case StudyEvent.PointEnqueued enqueued:
                _namedPoints.Enqueue(new Dictionary<string, object?>(enqueued.Point, StringComparer.Ordinal));
                break;
            case StudyEvent.ParallelSet set:
                int place = _parallel.FindLastIndex(p => p.FromTrial <= set.FromTrial);
                _parallel.Insert(place + 1, (set.FromTrial, set.Parallel));
                FollowParallel();
                break;
            case StudyEvent.TrialsSet set:
                Trials = set.Trials;
                End = StudyEnd.After(End, set, Next);
                break;
            case StudyEvent.SpaceWidened widened:
                ComingSpace = widened;
                break;
            case StudyEvent.SuspensionSet { Trial: { } trial } set:
                Known(trial).IsSuspended = set.IsSuspended;
                break;
            case StudyEvent.SuspensionSet set:
                IsSuspended = set.IsSuspended;
                if (End is null || StudyEnd.After(End, set, Next) is not null) break;
                End = null;
                Results.Forgive();
                break;
            case StudyEvent.CodeAccepted accepted:
                Code = accepted.Code;
                break;
            case StudyEvent.CancelRequested { Trial: { } trial }:
                Known(trial).IsCancelled = true;
                break;
            case StudyEvent.CancelRequested:
                IsCancelled = true;
                break;
        }
    }

    private void Advance(LiveTrial trial)
    {
        trial.Advance();
        _suspects.Remove(trial.Number);
    }

    private void StopAttempt(LiveTrial trial, double seconds)
    {
        if (trial.Phase != TrialPhase.Running) return;
        Running--;
        trial.SecondsBefore += Math.Max(trial.AttemptSeconds, seconds);
        trial.AttemptSeconds = 0;
    }

    private void MakeReady(LiveTrial trial)
    {
        trial.Phase = TrialPhase.Ready;
        _ready.AddLast(trial);
    }

    /// <summary>The last value that holds for the next trial.</summary>
    private void FollowParallel()
    {
        while (_parallel.Count > 1 && _parallel[1].FromTrial <= Next) _parallel.RemoveAt(0);
        Parallel = _parallel[0].Parallel;
    }

    private static double Length(long from, long until) => until == long.MaxValue ? 1 : until - Math.Max(0, from);

    private static double[] Sum(double[]? sums, ImmutableArray<double> values)
    {
        sums ??= new double[values.Length];
        for (int i = 0; i < sums.Length; i++) sums[i] += values[i];
        return sums;
    }
}
