using System.Collections.Immutable;
using System.Text.Json;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Exchange;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Studies.Functions;

/// <summary>
/// A study over any function, in one process: by itself (<see cref="RunAsync(TrialFunction, int?, CancellationToken)"/>), or with trials that its caller asks
/// for and tells of (<see cref="Ask"/>, <see cref="Tell(FunctionTrial, ReadOnlySpan{double})"/>). Thread-safe.
/// <para>
/// With a journal it survives its process, whenever that is killed: opened again with the same setup it goes on, its ended trials are there, once, and those
/// that ran begin anew with the parameters that they had. What is durable: what a method of this class returns or shows, and what
/// <see cref="TrialEnded"/> is told, is on the disk. Functions that <c>RunAsync</c> runs begin, and are answered to their reports, before that: their beginning
/// and reports are stored together with others, and where the process is killed first they are asked for once more.
/// </para>
/// </summary>
/// <remarks>
/// Trial schedulers that send a trial on from another one's state (pbt, pb2) cannot be used: a function has no state to copy. A trial that has computed for
/// longer than <see cref="StudySetup.TrialTimeout"/> has failed, and its slot is free; its function is told by its token and by its next report, and where it
/// heeds neither it computes beside the others until it returns.
/// </remarks>
public sealed partial class FunctionStudy
{
    private readonly Lock _lock = new();
    private readonly StudySetup _setup;
    private readonly StudyEngine _engine;
    private readonly IStudyJournal _journal;
    private readonly StudyDeclaration _declaration;
    private readonly Dictionary<int, FunctionTrial> _trials = [];
    private readonly bool _isOpen;

    /// <param name="setup">What to search and how.</param>
    /// <param name="journal">Where it is kept; a study that is there already goes on, over the widest space that it has been given, with as many trials at
    /// a time and in all as the setup says: also one that had ended since it had had all its trials, if there are to be more. Null = it ends with the
    /// process.</param>
    /// <exception cref="Specs.SpecException">
    /// The setup does not go together, or the journal is of another study: of another space than it has had that is no wider one, too; or more trials have
    /// begun than it is to have; or its code has changed (<see cref="StudySetup.Code"/>), and the setup does not accept that.
    /// </exception>
    /// <exception cref="InvalidOperationException">The trial scheduler or pruner decides otherwise than the journal says.</exception>
    public FunctionStudy(StudySetup setup, IStudyJournal? journal = null)
    {
        ArgumentNullException.ThrowIfNull(setup);
        _journal = journal ?? new NoStudyJournal();
        var declared = StudyDeclaration.Of(setup);
        var stored = _journal.Open(declared);
        _declaration = _journal.Declared ?? declared;
        _setup = AsBegun(setup, _declaration.Space);
        _spaces = [_setup.Context.Space];
        bool isNew = true;
        IEnumerable<StudyEvent> Before()
        {
            foreach (var e in stored)
            {
                isNew = false;
                yield return e is StudyEvent.SpaceWidened widened ? Own(widened, setup) : e;
            }
        }
        _engine = StudyEngine.Restore(_setup, Before(), Record);
        // first of all: each may be refused, and then nothing has happened
        if (GoesOnWith(setup.Context.Trials)) Demand(setup.Code);
        CheckWidening(setup);
        if (!isNew) GoOnTo(setup.Context.Trials);
        WidenTo(setup);
        if (isNew) _engine.NoteParallel();
        else Reopen(setup.Parallel);
        if (setup.Code is not null) NoteCode();
        _isOpen = true;
        // attempts have names of their own only once it is stored that it goes on
        Wait(_journal.StoredAsync());
    }

    /// <summary>Whether trials may begin: not in one that has ended and stays so.</summary>
    private bool GoesOnWith(int? trials) =>
        _engine.End is null or StudyStopReason.Failures || (_engine.End == StudyStopReason.Trials && trials > _engine.Started);

    /// <summary>How many trials a study that was there is to have; null = as many as it was to have.</summary>
    private void GoOnTo(int? trials)
    {
        int begun = _engine.Started;
        if (trials < begun) throw new Specs.SpecException("study.trials", $"is {trials}, but {begun} trials have begun; give at least {begun}");
        // whoever has mended what trials failed by
        if (_engine.End == StudyStopReason.Failures) _engine.Resume(null);
        if (trials is not { } most) return;
        bool goesOn = _engine.End is null ? most != _engine.Status().Trials : _engine.End == StudyStopReason.Trials && most > begun;
        if (goesOn && _engine.SetTrials(null, most).Refusal is { } refusal) throw new Specs.SpecException("study.trials", refusal);
    }

    private void Reopen(int parallel)
    {
        _engine.Reopen(_ => false);
        if (_engine.End is null && _engine.Status().Parallel != parallel) _engine.SetParallel(null, parallel);
    }

    /// <param name="options">What to search and how, shortly.</param>
    /// <param name="journal">As above.</param>
    /// <inheritdoc cref="FunctionStudy(StudySetup, IStudyJournal?)"/>
    public FunctionStudy(FunctionStudyOptions options, IStudyJournal? journal = null) : this(Demand(options).ToSetup(), journal) { }

    /// <summary>
    /// Told of each trial that has ended, in that order, once it is stored; by one thread at a time, which may call this study. An exception of it is one of
    /// the method that ended the trial. Trials whose end was stored but not told when the process was killed are not told again.
    /// </summary>
    public Action<FunctionStudy, TrialSnapshot>? TrialEnded { get; init; }

    /// <summary>
    /// The clock that counts the study's seconds, and those that trials compute, while it is run or asked; null = they are not counted.
    /// <c>stop.max_seconds</c> and <see cref="StudySetup.TrialTimeout"/> need one.
    /// </summary>
    public TimeProvider? Time { get; init; }

    /// <summary>All trials so far, by number. O(trials).</summary>
    public IReadOnlyList<TrialSnapshot> Trials => Shown(() => Enumerable.Range(0, _engine.Status().Started).Select(Snapshot).ToImmutableArray());

    /// <summary>The best trial so far; null while there is none, and with several objectives.</summary>
    public TrialSnapshot? BestTrial => Shown(() => _engine.Status().Best is { } best ? Snapshot(best.Number) : null);

    /// <summary>Complete trials that no other one dominates, by number; with one objective the best one.</summary>
    public IReadOnlyList<TrialSnapshot> BestTrials => Shown(() => _engine.Status().Front.Select(t => Snapshot(t.Number)).ToImmutableArray());

    /// <summary>What is to be known of the study: what <see cref="SetUserAttribute{T}"/> was given.</summary>
    public IReadOnlyDictionary<string, JsonElement> UserAttributes => UserAttributesOf(null);

    /// <summary>
    /// The study for other programs: files of Optuna, tables. By its journal it has all of it (<see cref="StudyExport"/>), O(events); without one it has what
    /// is in memory: the last report of trials that were pruned and no other one, and not when trials began and ended.
    /// </summary>
    /// <param name="name">What it is to be called.</param>
    public ExchangedStudy Export(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        Shown(() => true);
        if (_journal.Stored() is { } events) return StudyExport.Of(name, _declaration, events);
        return Shown(() => StudyExport.Of(name, _engine.History.Space, _setup.Context.Directions,
            Enumerable.Range(0, _engine.Status().Started).Select(n => (_engine.Trial(n) with { Number = n }, _engine.Attributes(n))),
            _engine.Attributes(null)));
    }

    /// <summary>Where the study stands.</summary>
    public StudyStatus Status() => Shown(_engine.Status);

    /// <summary>The next trial; null = there is none now, or the study is over (<see cref="StudyStatus.End"/>).</summary>
    public FunctionTrial? Ask() => Settled(() => Next(mayStart: true).Begun);

    /// <summary>The values of a trial.</summary>
    /// <param name="trial">That <see cref="Ask"/> has given.</param>
    /// <param name="values">One for each objective; a trial with a NaN has failed.</param>
    /// <returns>Whether they count: not where the trial has ended before.</returns>
    public bool Tell(FunctionTrial trial, params ReadOnlySpan<double> values)
    {
        ArgumentNullException.ThrowIfNull(trial);
        double[] told = values.ToArray();
        return Settled(() =>
        {
            // what comes too late does not count
            Pass();
            return Complete(trial, told);
        });
    }

    /// <summary>A trial has failed; the study goes on.</summary>
    /// <param name="trial">That <see cref="Ask"/> has given.</param>
    /// <param name="error">What is known.</param>
    /// <returns>Whether it counts.</returns>
    public bool Fail(FunctionTrial trial, string error)
    {
        ArgumentNullException.ThrowIfNull(trial);
        return Settled(() => _engine.Fail(trial.Order.Id, hasDiverged: false, error, Seconds(trial)));
    }

    /// <summary>A trial does not go on, since others are better; one to which the trial scheduler gives no more is complete with its last report.</summary>
    /// <param name="trial">That <see cref="Ask"/> has given.</param>
    /// <returns>Whether it counts.</returns>
    public bool Prune(FunctionTrial trial)
    {
        ArgumentNullException.ThrowIfNull(trial);
        return Settled(() => LeaveOff(trial));
    }

    /// <summary>Lets the sampler know trials of another study, before this one's own begin.</summary>
    /// <param name="trials">All of them; a study that goes on from its events takes those that it does not have.</param>
    /// <exception cref="ArgumentException">One is no trial of this space and these objectives; none of them is taken then.</exception>
    public void Import(IReadOnlyList<ImportedTrial> trials) => Settled(() =>
    {
        _engine.Import(trials);
        return true;
    });

    internal double Suggest(FunctionTrial trial, string name, Domain domain)
    {
        lock (_lock) return _engine.Suggest(trial.Order.Id, name, domain);
    }

    /// <exception cref="ArgumentException">There is no such trial, or no name.</exception>
    internal void SetAttribute<T>(int? trial, string name, T value)
    {
        var attribute = KeyValuePair.Create(name, StudyEngine.AttributeText(value));
        CommandAnswer answer;
        lock (_lock) answer = _engine.SetAttributes(trial, [attribute]);
        if (answer.Refusal is { } why) throw new ArgumentException(why, trial is null ? nameof(name) : nameof(trial));
    }

    internal IReadOnlyDictionary<string, JsonElement> UserAttributesOf(int? trial)
    {
        lock (_lock) return _engine.Attributes(trial);
    }

    /// <summary>Under the lock: what the next slot is for. Trials whose functions wait go on; one that is to begin is given back.</summary>
    private (FunctionTrial? Begun, StudyDecision Decision) Next(bool mayStart)
    {
        Pass();
        while (true)
        {
            var decision = _engine.Decide(mayStart);
            if (decision.Order is not { } order) return (null, decision);
            if (GoesOn(order)) continue;
            return (_trials[order.Id.Trial] = new FunctionTrial(this, _spaces[order.SpaceVersion], order) { BegunAt = _passedAt }, decision);
        }
    }

    /// <summary>Whether it is for a trial whose function waits, which goes on.</summary>
    private bool GoesOn(TrialOrder order)
    {
        if (order.From is { } from && from.Trial != order.Id.Trial)
        {
            throw new NotSupportedException(
                $"trial {order.Id.Trial} is to go on from the state of trial {from.Trial}, which a function does not have; use asha");
        }
        if (!_trials.TryGetValue(order.Id.Trial, out var trial) || trial.Waiting is not { } waiting) return false;
        (trial.Order, trial.Waiting, trial.BegunAt) = (order, null, _passedAt);
        return waiting.TrySetResult(true);
    }

    /// <summary>Under the lock: the values of a trial, and by how much it misses what it is to keep to.</summary>
    private bool Complete(FunctionTrial trial, double[] values) =>
        _engine.Complete(trial.Order.Id, values, trial.Constraints.AsSpan(), Seconds(trial));

    private void Record(StudyEvent e)
    {
        _journal.Append(e is StudyEvent.SpaceWidened widened ? Stored(widened) : e);
        if (e is not StudyEvent.Ended ended) return;
        _trials.Remove(ended.Trial, out var trial);
        trial?.Waiting?.TrySetResult(false);
        // whoever is to be told is known once the study has been made
        if (TrialEnded is not null || !_isOpen) _ended.Enqueue(ended.Trial);
    }

    private TrialSnapshot Snapshot(int number) =>
        TrialSnapshot.Of(number, _engine.Trial(number), _engine.History.Space, _engine.Attributes(number));

    /// <summary>What is shown is stored.</summary>
    private T Shown<T>(Func<T> look)
    {
        (T seen, Task stored) = (default!, Task.CompletedTask);
        lock (_lock) (seen, stored) = (look(), _journal.StoredAsync());
        Wait(stored);
        return seen;
    }

    /// <summary>Lets something happen to the study; comes back when it is stored, and told.</summary>
    private T Settled<T>(Func<T> change)
    {
        (T answer, Task stored) = (default!, Task.CompletedTask);
        long ended;
        lock (_lock)
        {
            answer = change();
            Wake();
            (stored, ended) = (_journal.StoredAsync(), _toldFrom + _ended.Count);
        }
        Wait(stored);
        TellEnded(ended);
        return answer;
    }

    private static FunctionStudyOptions Demand(FunctionStudyOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return options;
    }

    private static void Wait(Task stored)
    {
        // what is stored already costs nothing
        if (!stored.IsCompletedSuccessfully) stored.GetAwaiter().GetResult();
    }
}
