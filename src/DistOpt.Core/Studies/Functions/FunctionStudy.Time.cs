using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Studies.Functions;

/// <summary>The seconds of the study, and those that its trials compute.</summary>
public sealed partial class FunctionStudy
{
    /// <summary>How often it is looked whether the study's own time is over.</summary>
    private static readonly TimeSpan s_studyTick = TimeSpan.FromSeconds(1);

    /// <summary>No timer takes more than some weeks.</summary>
    private static readonly TimeSpan s_longest = TimeSpan.FromDays(1);

    private long? _passedAt;

    /// <summary>Under the lock: counts the seconds since it was last called, by which the study may end, and ends trials that have computed too long.</summary>
    private void Pass()
    {
        if (Time is not { } time)
        {
            if (_setup.Stop.MaxSeconds is { } most) throw NoClock("stop.max_seconds", most);
            if (_setup.TrialTimeout is { } longest) throw NoClock("study.trial_timeout", longest);
            return;
        }
        long now = time.GetTimestamp();
        if (_passedAt is { } before) _engine.Pass(time.GetElapsedTime(before, now).TotalSeconds);
        _passedAt = now;
        if (_setup.TrialTimeout is null) return;
        foreach (var late in _trials.Values.Where(t => SecondsLeft(t) <= 0).ToList())
        {
            _engine.TimeOut(late.Order.Id, Seconds(late));
            late.Cancel();
        }
    }

    /// <summary>Under the lock: that the trial has computed since it began, or last went on; 0 where nothing counts them.</summary>
    private double Seconds(FunctionTrial trial) => Time is { } time && trial.BegunAt is { } begun ? time.GetElapsedTime(begun).TotalSeconds : 0;

    /// <summary>Under the lock: that it may compute still; null = as many as it likes, or it waits.</summary>
    private double? SecondsLeft(FunctionTrial trial) => trial.Waiting is null ? trial.Order.SecondsLeft - Seconds(trial) : null;

    /// <summary>After something has happened, or time has passed by which the study or a trial may end.</summary>
    private async Task LookAgainAsync(Task wake, CancellationToken cancellationToken)
    {
        if (Time is not { } time || NextTick() is not { } tick)
        {
            await wake.WaitAsync(cancellationToken).ConfigureAwait(false);
            return;
        }
        // that the time is over, or the run, is seen by whoever looks
        await wake.WaitAsync(tick, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private TimeSpan? NextTick()
    {
        TimeSpan? tick = _setup.Stop.MaxSeconds is null ? null : s_studyTick;
        if (_setup.TrialTimeout is null) return tick;
        lock (_lock)
        {
            foreach (var trial in _trials.Values)
            {
                if (SecondsLeft(trial) is not { } left) continue;
                // a timer's unit is a millisecond: not one too early, time and again
                var until = TimeSpan.FromMilliseconds(Math.Ceiling(Math.Clamp(left * 1000, 1, s_longest.TotalMilliseconds)));
                if (tick is null || until < tick) tick = until;
            }
        }
        return tick;
    }

    private InvalidOperationException NoClock(string what, double seconds) =>
        new(FormattableString.Invariant($"{what} is {seconds}, but the study has no clock: set {nameof(Time)}"));
}
