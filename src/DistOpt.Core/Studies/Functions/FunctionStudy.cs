using DistOpt.Core.Studies.Engine;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Studies.Functions;

/// <summary>
/// A study over any function, in one process: by itself (<see cref="RunAsync"/>), or with trials that its caller asks for and tells of
/// (<see cref="Ask"/>, <see cref="Tell"/>). The space is declared before. Thread-safe.
/// </summary>
/// <remarks>Trial schedulers that send a trial on from another one's state (pbt, pb2) cannot be used: a function has no state to copy.</remarks>
public sealed class FunctionStudy
{
    private readonly Lock _lock = new();
    private readonly StudySetup _setup;
    private readonly StudyEngine _engine;
    private readonly Dictionary<int, FunctionTrial> _trials = [];
    private readonly SemaphoreSlim _changed = new(0);
    private bool _isInterrupted;
    private CancellationToken _interruption;

    /// <param name="setup">What to search and how.</param>
    /// <param name="events">Of a study that was interrupted: it goes on, with the trials that ran from their beginning; null = a new one.</param>
    /// <param name="record">Takes every event, for a study that is to survive the process; called by one thread at a time; null = nobody.</param>
    public FunctionStudy(StudySetup setup, IEnumerable<StudyEvent>? events = null, Action<StudyEvent>? record = null)
    {
        ArgumentNullException.ThrowIfNull(setup);
        _setup = setup;
        Action<StudyEvent> all = e =>
        {
            record?.Invoke(e);
            if (e is StudyEvent.Ended ended) End(ended);
        };
        _engine = events is null ? new StudyEngine(setup, all) : StudyEngine.Restore(setup, events, all);
        if (events is not null) _engine.Reopen(_ => false);
    }

    /// <summary>Called when a trial has ended, with the trial where its function has begun in this process, by the thread that ended it.</summary>
    public Action<StudyEvent.Ended, FunctionTrial?>? TrialEnded { get; init; }

    /// <summary>Where the study stands.</summary>
    public StudyStatus Status()
    {
        lock (_lock) return _engine.Status();
    }

    /// <summary>The next trial; null = there is none now, or the study is over (<see cref="StudyStatus.End"/>).</summary>
    public FunctionTrial? Ask()
    {
        lock (_lock) return _engine.Decide().Order is { } order ? Begin(order) : null;
    }

    /// <summary>The values of a trial.</summary>
    /// <param name="trial">That <see cref="Ask"/> has given.</param>
    /// <param name="values">One for each objective.</param>
    /// <returns>Whether they count: not where the trial has ended before.</returns>
    public bool Tell(FunctionTrial trial, params double[] values)
    {
        ArgumentNullException.ThrowIfNull(trial);
        return Change(() => _engine.Complete(trial.Order.Id, values));
    }

    /// <summary>A trial has failed; the study goes on.</summary>
    /// <param name="trial">That <see cref="Ask"/> has given.</param>
    /// <param name="error">What is known.</param>
    /// <returns>Whether it counts.</returns>
    public bool Fail(FunctionTrial trial, string error)
    {
        ArgumentNullException.ThrowIfNull(trial);
        return Change(() => _engine.Fail(trial.Order.Id, hasDiverged: false, error));
    }

    /// <summary>A point to try before others are suggested: NaN where a parameter is left to the sampler.</summary>
    public CommandAnswer Enqueue(params double[] point) => Change(() => _engine.Enqueue(null, [.. point]));

    /// <summary>Lets the sampler know trials of another study, before this one's own begin.</summary>
    /// <param name="trials">All of them; a study that goes on from its events takes those that it does not have.</param>
    /// <exception cref="ArgumentException">One is no trial of this space and these objectives; none of them is taken then.</exception>
    public void Import(IReadOnlyList<ImportedTrial> trials)
    {
        lock (_lock) _engine.Import(trials);
    }

    /// <summary>Ends the study, and with it the trials that run: their next report says so.</summary>
    public CommandAnswer Stop() => Change(() => _engine.Cancel(null));

    /// <summary>
    /// Runs the function for one trial after the other, as many at a time as the setup says, until the study is over. An exception of the function is the
    /// end of its trial alone.
    /// </summary>
    /// <param name="objective">Gives the values of a trial, one for each objective.</param>
    /// <param name="cancellationToken">Ends it without ending the study, which can go on as another one from its events. Functions that run are waited
    /// for; their next report says that they are to return.</param>
    public async Task<StudyStatus> RunAsync(Func<FunctionTrial, CancellationToken, Task<double[]>> objective, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(objective);
        var running = new List<Task>();
        lock (_lock) _interruption = cancellationToken;
        try
        {
            while (true)
            {
                cancellationToken.ThrowIfCancellationRequested();
                StudyDecision decision;
                FunctionTrial? begun = null;
                lock (_lock)
                {
                    decision = _engine.Decide();
                    if (decision.Order is { } order && !GoesOn(order)) begun = Begin(order);
                }
                if (begun is not null) running.Add(RunTrialAsync(begun, objective, cancellationToken));
                if (decision.End is not null) break;
                if (decision.Order is null) await _changed.WaitAsync(cancellationToken).ConfigureAwait(false);
                running.RemoveAll(t => t.IsCompletedSuccessfully);
            }
        }
        finally
        {
            // nobody sends them on any more
            lock (_lock)
            {
                _isInterrupted = _engine.End is null;
                foreach (var trial in _trials.Values.Where(t => t.Waiting is not null)) Abandon(trial);
            }
            await Task.WhenAll(running).ConfigureAwait(false);
        }
        return Status();
    }

    internal async Task<bool> ReportAsync(FunctionTrial trial, long step, double[] values)
    {
        Task<bool> sentOn;
        lock (_lock)
        {
            // whoever reports may be faster than whoever is to end this
            if (_isInterrupted || _interruption.IsCancellationRequested)
            {
                Abandon(trial);
                return false;
            }
            var directive = _engine.Report(trial.Order.Id, step, values);
            if (directive is TrialDirective.Continue or TrialDirective.Checkpoint) return true;
            if (directive is TrialDirective.Complete or TrialDirective.Stop) return false;
            trial.Waiting = new(TaskCreationOptions.RunContinuationsAsynchronously);
            sentOn = trial.Waiting.Task;
            _engine.Release(trial.Order.Id, step);
        }
        _changed.Release();
        return await sentOn.ConfigureAwait(false);
    }

    private async Task RunTrialAsync(FunctionTrial trial, Func<FunctionTrial, CancellationToken, Task<double[]>> objective, CancellationToken cancellationToken)
    {
        // a function that computes without ever waiting does not keep the others from beginning
        await Task.Yield();
        try
        {
            double[] values = await objective(trial, cancellationToken).ConfigureAwait(false);
            if (!trial.IsAbandoned) Tell(trial, values);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // the study is interrupted, and the trial not done
        }
        catch (Exception e)
        {
            Fail(trial, e.ToString());
        }
    }

    /// <summary>Whether it is for a trial whose function waits, which goes on.</summary>
    private bool GoesOn(TrialOrder order)
    {
        if (order.From is { } from && from.Trial != order.Id.Trial)
            throw new NotSupportedException($"trial {order.Id.Trial} is to go on from the state of trial {from.Trial}, which a function does not have; use asha");
        if (!_trials.TryGetValue(order.Id.Trial, out var trial) || trial.Waiting is not { } waiting) return false;
        (trial.Order, trial.Waiting) = (order, null);
        return waiting.TrySetResult(true);
    }

    private static void Abandon(FunctionTrial trial)
    {
        trial.IsAbandoned = true;
        trial.Waiting?.TrySetResult(false);
    }

    private FunctionTrial Begin(TrialOrder order) => _trials[order.Id.Trial] = new FunctionTrial(this, _setup.Context.Space, order);

    private void End(StudyEvent.Ended ended)
    {
        _trials.Remove(ended.Trial, out var trial);
        trial?.Waiting?.TrySetResult(false);
        TrialEnded?.Invoke(ended, trial);
    }

    private T Change<T>(Func<T> change)
    {
        T answer;
        lock (_lock) answer = change();
        _changed.Release();
        return answer;
    }
}
