using Akka.Actor;
using Akka.Event;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Studies;
using DistOpt.Actors.Training;
using DistOpt.Core.Batching;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Trials;

/// <summary>
/// One attempt at a trial: prepares its files, submits its job, hands what the job measures to the study, and does what the study says. The job leaves off by
/// itself at the resource where the study may pause or end it, so that no step is computed in vain and a paused trial goes on to the same bits.
/// </summary>
internal sealed class TrialSupervisorActor : ReceiveActor, IWithTimers
{
    private const string TimeoutTimer = "timeout";

    private readonly ILoggingAdapter _log;
    private readonly TrialOrder _order;
    private readonly StudySection _study;
    private readonly long _trialEnd;
    private readonly ITrialRuns _runs;
    private readonly IActorRef _jobs;
    private readonly bool _isIsolated;
    private readonly string _studyId;
    private readonly Queue<long> _asked = new();
    private TrialRun? _run;
    private TrialSink? _sink;
    private TrialMetrics? _metrics;
    private readonly Clock _computed;
    private JobId _job;
    private int _parts;

    // resource at which the next part of the run leaves off; null = nowhere
    private long? _until;

    // what the study said that is still to be done, and for which report
    private TrialDirective _told = TrialDirective.Continue;
    private long _resource;

    // resource of the next report to which it may say something; null = it does not know
    private long? _next;
    private JobEnded? _ended;
    private bool _isRunning;
    private bool _isStopping;
    private bool _isTimedOut;

    public TrialSupervisorActor(TrialOrder order, StudyRun run, long trialEnd)
    {
        var study = run.Study;
        (_order, _study, _trialEnd, _runs, _jobs) = (order, study, trialEnd, run.Trials, run.Jobs);
        (_computed, _studyId) = (new Clock(run.Time), run.Id);
        _log = Context.GetLogger().OfTrial(order.Id.Trial);
        _isIsolated = (study.Isolation ?? run.Isolation) == TrialIsolation.Process;
        // seconds are not those of the run alone: it cannot be told beforehand where to leave off
        _until = order.Until < long.MaxValue && study.Resource != TrialResource.Seconds ? order.Until : null;
        Receive<Begin>(_ => Open());
        Receive<TrialOpened>(opened =>
        {
            _sink = opened.Sink;
            // now it may wait for as long as others compute
            StopClock();
        });
        Receive<JobPlaced>(placed =>
        {
            if (placed.Job == _job && _isRunning) StartClock();
        });
        Receive<JobWaits>(waits =>
        {
            if (waits.Job == _job && _isRunning) Context.Parent.Tell(new AttemptWaits(_order.Id, waits.Whom));
        });
        Receive<TrialBegun>(OnBegun);
        Receive<TrialRow>(row => OnRow(row.Row));
        Receive<AttemptTold>(OnTold);
        Receive<JobAccepted>(_ => { });
        Receive<JobRejected>(rejected =>
        {
            // its id may be that of another one
            _isRunning = false;
            Fail(false, rejected.Reason);
        });
        Receive<StopAnswer>(_ => { });
        Receive<JobEnded>(OnEnded);
        Receive<StopAttempt>(OnStop);
        Receive<TimeIsUp>(_ =>
        {
            _isTimedOut = true;
            StopJob(StopReason.Cancelled);
        });
    }

    private sealed record Begin : INoSerializationVerificationNeeded;

    private sealed record TimeIsUp : INoSerializationVerificationNeeded;

    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>That it has opened its model and computed; not those in which it waited for room.</summary>
    private double Seconds => _computed.Seconds;

    protected override void PreStart()
    {
        if (_order.Delay > TimeSpan.Zero) Timers.StartSingleTimer("begin", new Begin(), _order.Delay);
        else Self.Tell(new Begin());
    }

    /// <summary>Also where the study breaks: nobody waits for the job then, which leaves what a study that is gone on with goes on from.</summary>
    protected override void PostStop() => StopJob(StopReason.Interrupted);

    private void Open()
    {
        StartClock();
        try
        {
            _run = _runs.Open(_order);
        }
        // also where its parameters are none of the space: no other attempt would find them so
        catch (Exception e) when (e is SpecException or ArgumentException)
        {
            Fail(false, e.Message);
            return;
        }
        Submit();
    }

    private void Submit()
    {
        var (self, run) = (Self, _run!);
        _job = new JobId(_parts++ == 0 ? run.Job : FormattableString.Invariant($"{run.Job}-{_parts}"));
        (_isRunning, _ended, _told) = (true, null, TrialDirective.Continue);
        StartClock();
        _log.Of(_job).Info("attempt {Attempt} at the trial is submitted", _order.Id.Attempt);
        _jobs.Tell(new SubmitJob(_job, run.Spec, runtime => new TrialSink(run.Sink(runtime), self), run.CheckpointDirectory, run.Resumes || _parts > 1)
        {
            Trial = new TrialPart(Pause(), run.IsOfAnother && _parts == 1)
            {
                From = run.IsOfAnother && _parts == 1 ? _order.From?.Trial : null,
                Structural = run.Structural,
                IsIsolated = _isIsolated,
                Study = _studyId,
            },
            // which may outlive this attempt
            OwnsSink = true,
        });
    }

    private RunPause? Pause()
    {
        if (_until is not { } until) return null;
        var unit = _study.Resource switch
        {
            TrialResource.Epochs => RunUnit.Epochs,
            TrialResource.Steps => RunUnit.Steps,
            _ => RunUnit.Samples,
        };
        return new RunPause(unit, until) { IsEnd = until >= _trialEnd };
    }

    private void StartClock()
    {
        if (!_computed.Start() || _order.SecondsLeft is not { } most) return;
        Timers.StartSingleTimer(TimeoutTimer, new TimeIsUp(), TimeSpan.FromSeconds(Math.Clamp(most - Seconds, 0, 1e7)));
    }

    private void StopClock()
    {
        _computed.Stop();
        Timers.Cancel(TimeoutTimer);
    }

    private void OnBegun(TrialBegun begun)
    {
        StartClock();
        if (_metrics is not null) return;
        _runs.Began(_order, begun.Run.Nodes);
        var data = begun.Run.Data;
        var length = new RunLength(_run!.Spec, BatchPlanner.Of(_run.Spec, data.Train), data.Train);
        _metrics = new TrialMetrics(_study, _run.Spec, length.StepsPerEpoch, data.Train);
        if (begun.Run.Resumed is not { } resumed) return;
        // what the run told before it was interrupted, in case the study did not hear it
        foreach (var row in _run.Rows.Where(r => r.Step <= (r.Split == DataSplit.Train ? resumed.TrainRows : resumed.ValidationRows)))
            OnRow(row, isBefore: true);
    }

    /// <param name="isBefore">Whether it is of before this attempt.</param>
    private void OnRow(MetricRow row, bool isBefore = false)
    {
        if (_metrics!.Add(row) is not { } report) return;
        // what the donor came to after the state that is gone on from is its own
        if (isBefore && _order.From is { } from && from.Trial != _order.Id.Trial && report.Resource > from.Resource) return;
        _asked.Enqueue(report.Resource);
        Context.Parent.Tell(new AttemptReported(_order.Id, report.Resource, report.Values, Seconds));
    }

    private void OnTold(AttemptTold told)
    {
        _asked.Dequeue();
        _next = told.Until;
        if (_isStopping) return;
        switch (told.Directive)
        {
            case TrialDirective.Continue:
                break;
            case TrialDirective.Checkpoint or TrialDirective.Pause or TrialDirective.Complete:
                // what it measures on its way to where it leaves off is no other pause
                if (_told != TrialDirective.Pause) (_told, _resource) = (told.Directive, told.Resource);
                // most often it has left off by itself
                StopJob(told.Directive == TrialDirective.Complete ? StopReason.Observer : StopReason.Interrupted);
                break;
            default:
                OnStop(new StopAttempt(Leaves: false));
                return;
        }
        Proceed();
    }

    private void OnStop(StopAttempt stop)
    {
        if (_isStopping || (stop.IfNotBegun && _metrics is not null)) return;
        _isStopping = true;
        StopJob(stop.Leaves ? StopReason.Interrupted : StopReason.Cancelled);
        if (!_isRunning) Finish();
    }

    private void StopJob(StopReason reason)
    {
        if (_isRunning) _jobs.Tell(new StopJob(_job, reason));
    }

    private void OnEnded(JobEnded ended)
    {
        if (ended.Job != _job) return;
        (_isRunning, _ended) = (false, ended);
        StopClock();
        if (ended.BadInput is null) _sink?.Ended(ended.Summary);
        _sink?.Dispose();
        _sink = null;
        if (_isStopping) Finish();
        else if (_isTimedOut && ended.Summary.Status == RunStatus.Cancelled)
        {
            Leave(new AttemptTimedOut(_order.Id, Seconds), "ran out of time");
        }
        else if (ended.Unfit.Count > 0)
        {
            string reason = string.Join("; ", ended.Unfit.Values);
            Leave(new AttemptRefused(_order.Id, reason), $"was refused: {reason}");
        }
        else if (ended.NoRoom is { } noRoom)
        {
            Leave(new AttemptStarved(_order.Id, noRoom), $"found no room on the disk: {noRoom.Message}");
        }
        else if (ended.Lost is { } why)
        {
            // what it has reported the study has heard, or is about to
            Leave(new AttemptLost(_order.Id, why, Seconds), $"is lost: {why}");
        }
        else Proceed();
    }

    /// <summary>Once the job has ended and the study has answered all that it has measured.</summary>
    private void Proceed()
    {
        if (_ended is not { } ended || _asked.Count > 0) return;
        var summary = ended.Summary;
        switch (summary.Status)
        {
            case RunStatus.Completed:
                Complete(summary.Selected?.Step);
                break;
            case RunStatus.Failed:
                Fail(summary.StopReason == StopReason.Diverged, (ended.BadInput is { } bad ? _run!.Blamed(bad).Message : null) ?? summary.Error ?? "the run failed");
                break;
            case RunStatus.Interrupted:
                LeftOff();
                break;
            default:
                Fail(false, $"the run was {summary.Status.ToString().ToLowerInvariant()} by somebody else");
                break;
        }
    }

    /// <summary>The run has written a checkpoint: it is kept if the study wants it, and the run goes on if the study has nothing against it.</summary>
    private void LeftOff()
    {
        bool isKept = _told is TrialDirective.Pause or TrialDirective.Checkpoint;
        if (isKept) _runs.Keep(_order, new TrialCheckpoint(_order.Id.Trial, _resource, _order.Repeat));
        if (_told == TrialDirective.Pause)
        {
            Leave(new AttemptReleased(_order.Id, _resource, Seconds), "is paused");
            return;
        }
        if (_told == TrialDirective.Complete)
        {
            // it was past the end already when it was interrupted
            Complete(_ended!.Summary.Selected?.Step);
            return;
        }
        if (isKept) Context.Parent.Tell(new AttemptSaved(_order.Id, _resource));
        // told anew where to leave off next; where the study does not know it, where to end, which is certain
        _until = _until < _trialEnd ? _next ?? (_trialEnd < long.MaxValue ? _trialEnd : null) : null;
        Submit();
    }

    private void Complete(long? selected)
    {
        if (_metrics?.Values(selected) is not { } values || _metrics.Missing.Count > 0)
        {
            var missing = _metrics?.Missing ?? [.. TrialMetrics.Wanted(_study)];
            string known = _metrics is { Measured.Count: > 0 } ? $" (it measures {string.Join(", ", _metrics.Measured)})" : "";
            Fail(false, $"the run has not measured {string.Join(", ", missing)}{known}; name another metric under objectives or constraints, or add it to evaluate.metrics");
            return;
        }
        Leave(new AttemptCompleted(_order.Id, values, _metrics.Constraints(selected), Seconds), "is complete");
    }

    private void Fail(bool hasDiverged, string error) =>
        Leave(new AttemptFailed(_order.Id, hasDiverged, error, Seconds), hasDiverged ? "has diverged" : $"has failed: {error}");

    private void Finish() => Leave(new AttemptStopped(_order.Id), "is stopped");

    private void Leave(object result, string outcome)
    {
        (_run is null ? _log : _log.Of(_job)).Info("attempt {Attempt} at the trial {Outcome}", _order.Id.Attempt, outcome);
        Context.Parent.Tell(result);
        Context.Stop(Self);
    }

    /// <summary>A stopwatch by the run's clock.</summary>
    private sealed class Clock(TimeProvider time)
    {
        private double _before;
        private long? _since;

        public double Seconds => _before + (_since is { } since ? time.GetElapsedTime(since).TotalSeconds : 0);

        /// <returns>Whether it did not run before.</returns>
        public bool Start()
        {
            if (_since is not null) return false;
            _since = time.GetTimestamp();
            return true;
        }

        public void Stop() => (_before, _since) = (Seconds, null);
    }
}
