using System.Runtime.ExceptionServices;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Studies.Functions;

/// <summary>Gives the values of a trial, one for each objective.</summary>
/// <param name="trial">With its parameters.</param>
/// <param name="cancellationToken">Ends with the run, and with the time that a trial may compute (<see cref="StudySetup.TrialTimeout"/>).</param>
public delegate Task<double[]> TrialFunction(FunctionTrial trial, CancellationToken cancellationToken);

/// <summary>How the functions of a study are run side by side.</summary>
public sealed partial class FunctionStudy
{
    /// <summary>Trials that have ended and were not told of yet.</summary>
    private readonly Queue<int> _ended = new();
    private readonly Lock _telling = new();
    private TaskCompletionSource? _wake;
    private ExceptionDispatchInfo? _broken;
    private CancellationToken _interruption;
    private bool _isRunning;
    private bool _isInterrupted;
    private bool _isTelling;
    private int _active;
    private int? _left;
    private long _toldFrom;

    /// <summary>
    /// Runs the function for one trial after the other, as many at a time as the setup says, until the study is over. An exception of the function is the
    /// end of its trial alone.
    /// </summary>
    /// <param name="objective">Gives the values of a trial, one for each objective.</param>
    /// <param name="trials">Begins at most so many new trials, and comes back when they are done and the study could go on (Optuna: <c>n_trials</c>);
    /// null = until the study is over.</param>
    /// <param name="cancellationToken">Ends it without ending the study, which can go on by another call or, with a journal, in another process. Functions that
    /// run are waited for; their next report says that they are to return, and what they return does not count then.</param>
    /// <returns>Where the study stands; all of it is stored.</returns>
    /// <exception cref="Specs.SpecException">
    /// Trials that are in the journal ran a function of other code (<see cref="CodeOf"/>), and the setup does not accept that.
    /// </exception>
    public Task<StudyStatus> RunAsync(TrialFunction objective, int? trials = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(objective);
        return RunAsync(objective, objective, trials, cancellationToken);
    }

    private async Task<StudyStatus> RunAsync(TrialFunction objective, Delegate own, int? trials, CancellationToken cancellationToken)
    {
        if (trials < 0) throw new ArgumentOutOfRangeException(nameof(trials), trials, "is below 0");
        lock (_lock)
        {
            if (_isRunning) throw new InvalidOperationException("the study is being run already: wait for the end of that call");
            Use(own);
            (_isRunning, _isInterrupted, _interruption, _left, _broken) = (true, false, cancellationToken, trials, null);
        }
        try
        {
            while (await StartAsync(objective, cancellationToken).ConfigureAwait(false) is { } wake)
                await LookAgainAsync(wake, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            await LeaveAsync().ConfigureAwait(false);
        }
        _broken?.Throw();
        return Status();
    }

    /// <summary>Runs a function of one objective; see the overload for several.</summary>
    /// <inheritdoc cref="RunAsync(TrialFunction, int?, CancellationToken)"/>
    public Task<StudyStatus> RunAsync(
        Func<FunctionTrial, CancellationToken, Task<double>> objective, int? trials = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(objective);
        return RunAsync(async (trial, token) => [await objective(trial, token).ConfigureAwait(false)], objective, trials, cancellationToken);
    }

    /// <summary>Runs a function of one objective that computes and never waits; see the overload for several.</summary>
    /// <inheritdoc cref="RunAsync(TrialFunction, int?, CancellationToken)"/>
    public Task<StudyStatus> RunAsync(Func<FunctionTrial, double> objective, int? trials = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(objective);
        return RunAsync((trial, _) => Task.FromResult<double[]>([objective(trial)]), objective, trials, cancellationToken);
    }

    /// <summary>Begins what there is to begin. Gives what is to be waited for then; null = nothing more.</summary>
    private async Task<Task?> StartAsync(TrialFunction objective, CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            await _journal.RoomAsync().ConfigureAwait(false);
            lock (_lock)
            {
                if (_broken is not null) return null;
                var (begun, decision) = NextOfRun();
                if (begun is null)
                {
                    bool isDone = decision.End is not null || decision.Wait == StudyWait.Starts;
                    return isDone ? null : (_wake ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
                }
                _active++;
                _ = RunTrialsAsync(begun, objective, cancellationToken);
            }
        }
    }

    /// <summary>Under the lock.</summary>
    private (FunctionTrial? Begun, StudyDecision Decision) NextOfRun()
    {
        int before = _engine.Started;
        var next = Next(mayStart: _left is not 0);
        if (_left is { } left) _left = left - (_engine.Started - before);
        return next;
    }

    /// <summary>One trial after the other in the same slot. Never throws.</summary>
    private async Task RunTrialsAsync(FunctionTrial begun, TrialFunction objective, CancellationToken cancellationToken)
    {
        // a function that computes without ever waiting does not keep the others from beginning; nor does it run where the caller waits
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        try
        {
            for (var trial = begun; trial is not null;)
            {
                var end = await EndOfAsync(trial, objective, cancellationToken).ConfigureAwait(false);
                await _journal.RoomAsync().ConfigureAwait(false);
                trial = GoOn(trial, end, cancellationToken);
            }
        }
        catch (Exception e)
        {
            // of the journal, the sampler or whoever is told: the run ends with it
            lock (_lock) _broken ??= ExceptionDispatchInfo.Capture(e);
        }
        lock (_lock)
        {
            _active--;
            Wake();
        }
    }

    /// <summary>What a trial's function has to say in the end.</summary>
    private async Task<Action?> EndOfAsync(FunctionTrial trial, TrialFunction objective, CancellationToken cancellationToken)
    {
        using var ending = trial.Order.SecondsLeft is null ? null : CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, trial.Late);
        try
        {
            double[] values = await objective(trial, ending?.Token ?? cancellationToken).ConfigureAwait(false);
            int wanted = _setup.Context.Directions.Length;
            string? wrong = values.Length == wanted ? null : $"the function has returned {values.Length} values for {wanted} objectives";
            return trial.IsAbandoned ? null : wrong is null ? () => Complete(trial, values) : () => _engine.Fail(trial.Order.Id, false, wrong, Seconds(trial));
        }
        catch (TrialPrunedException)
        {
            return trial.IsAbandoned ? null : () => LeaveOff(trial);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested || trial.Late.IsCancellationRequested)
        {
            // the study is interrupted and the trial not done, or it has had its time and has ended
            return null;
        }
        catch (Exception) when (trial.IsAbandoned)
        {
            // its own way of leaving off when it is told to
            return null;
        }
        catch (Exception e)
        {
            return () => _engine.Fail(trial.Order.Id, hasDiverged: false, e.ToString(), Seconds(trial));
        }
    }

    /// <summary>Under the lock: a function has left off where it was told to, as one does that is pruned; so may one whose trial has had all it gets.</summary>
    private bool LeaveOff(FunctionTrial trial) => _engine.HasHadAll(trial.Order.Id) && trial.Reported is { } values
        ? Complete(trial, values) : _engine.Prune(trial.Order.Id, Seconds(trial));

    /// <summary>A trial is over; the next one for its slot, if there is one at once.</summary>
    private FunctionTrial? GoOn(FunctionTrial done, Action? end, CancellationToken cancellationToken)
    {
        FunctionTrial? next = null;
        lock (_lock)
        {
            if (end is not null) end();
            else LetGo(done);
            if (!_isInterrupted && !cancellationToken.IsCancellationRequested && _broken is null) next = NextOfRun().Begun;
            // its end may be what another slot waits for
            Wake();
            if (_ended.Count > 0 && !_isTelling)
            {
                _isTelling = true;
                _ = TellAsync();
            }
        }
        return next;
    }

    /// <summary>Nobody sends waiting functions on any more; comes back when all have returned, and everything is stored and told.</summary>
    private async Task LeaveAsync()
    {
        while (true)
        {
            Task? idle = null;
            lock (_lock)
            {
                _isInterrupted = true;
                foreach (var trial in _trials.Values.Where(t => t.Waiting is not null)) Abandon(trial);
                if (_active > 0 || _isTelling) idle = (_wake ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
                else (_isRunning, _isInterrupted, _interruption, _passedAt) = (false, false, CancellationToken.None, null);
            }
            if (idle is null) break;
            await idle.ConfigureAwait(false);
        }
        Settled(() => true);
    }

    /// <summary>Tells of trials that have ended, once that is stored, until there are none left.</summary>
    private async Task TellAsync()
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        try
        {
            while (true)
            {
                (Task stored, long ended) = (Task.CompletedTask, 0);
                lock (_lock)
                {
                    if (_ended.Count == 0)
                    {
                        _isTelling = false;
                        Wake();
                        return;
                    }
                    (stored, ended) = (_journal.StoredAsync(), _toldFrom + _ended.Count);
                }
                await stored.ConfigureAwait(false);
                TellEnded(ended);
            }
        }
        catch (Exception e)
        {
            lock (_lock)
            {
                _broken ??= ExceptionDispatchInfo.Capture(e);
                _isTelling = false;
                Wake();
            }
        }
    }

    /// <summary>Tells of those that have ended before so many had.</summary>
    private void TellEnded(long before)
    {
        if (TrialEnded is not { } told)
        {
            lock (_lock)
            {
                _toldFrom += _ended.Count;
                _ended.Clear();
            }
            return;
        }
        lock (_telling)
        {
            while (true)
            {
                TrialSnapshot trial;
                lock (_lock)
                {
                    if (_toldFrom >= before || !_ended.TryDequeue(out int number)) return;
                    _toldFrom++;
                    trial = Snapshot(number);
                }
                told(this, trial);
            }
        }
    }

    internal async Task<bool> ReportAsync(FunctionTrial trial, double[] values, long step)
    {
        Task<bool> sentOn;
        lock (_lock)
        {
            if (Judge(trial, values, step) is { } goesOn) return goesOn;
            trial.Waiting = new(TaskCreationOptions.RunContinuationsAsynchronously);
            sentOn = trial.Waiting.Task;
            _engine.Release(trial.Order.Id, step, Seconds(trial));
            Wake();
        }
        return await sentOn.ConfigureAwait(false);
    }

    internal bool Report(FunctionTrial trial, double[] values, long step)
    {
        if (_engine.Pauses)
            throw new NotSupportedException($"the trial scheduler pauses trials, for which {nameof(FunctionTrial.ReportAsync)} waits: use that");
        // what a user has paused it does not wait for
        lock (_lock) return Judge(trial, values, step) ?? true;
    }

    /// <summary>Whether a trial goes on that has got so far; null = it is to wait.</summary>
    private bool? Judge(FunctionTrial trial, double[] values, long step)
    {
        // whoever reports may be faster than whoever is to end this
        if (_isInterrupted || _interruption.IsCancellationRequested)
        {
            Abandon(trial);
            return false;
        }
        Pass();
        var directive = _engine.Report(trial.Order.Id, step, values, Seconds(trial));
        // a slot may be free
        if (directive == TrialDirective.Stop) Wake();
        return directive switch
        {
            TrialDirective.Continue or TrialDirective.Checkpoint => true,
            TrialDirective.Pause => null,
            _ => false,
        };
    }

    private static void Abandon(FunctionTrial trial)
    {
        trial.IsAbandoned = true;
        trial.Waiting?.TrySetResult(false);
        trial.Waiting = null;
    }

    /// <summary>A trial whose function has returned without an end of it: it begins anew when the study goes on.</summary>
    private void LetGo(FunctionTrial trial)
    {
        _trials.Remove(trial.Number);
        _engine.GiveUp(trial.Order.Id, "the run was interrupted");
    }

    /// <summary>Under the lock: something has changed.</summary>
    private void Wake()
    {
        _wake?.TrySetResult();
        _wake = null;
    }
}
