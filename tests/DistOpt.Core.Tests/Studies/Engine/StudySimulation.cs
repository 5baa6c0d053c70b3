using DistOpt.Core.Randomness;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Tests.Studies.Engine;

/// <summary>
/// A study in virtual time: nodes with slots, a heap of what attempts have to say, a journal of which an end may be lost, and checkpoints of which those
/// are deleted that the study needs no more. How long things take and what goes wrong depends on the timing's seed; what trials report does not.
/// </summary>
internal sealed class StudySimulation
{
    private readonly StudySetup _setup;
    private readonly PriorityQueue<Action, (double Time, long Sequence)> _events = new();
    private readonly List<SimulatedAttempt> _attempts = [];
    private readonly HashSet<TrialCheckpoint> _disk = [];
    private readonly long _timing;
    private readonly int _slots;
    private StudyEngine _engine;
    private long _sequence;
    private long _draws;
    private int _acknowledged;
    private double _now;

    public StudySimulation(StudySetup setup, int slots, long timing)
    {
        (_setup, _slots, _timing) = (setup, slots, timing);
        _engine = new StudyEngine(setup, Journal.Add);
    }

    public Chaos Chaos { get; init; } = Chaos.None;

    /// <summary>Resource between two reports.</summary>
    public long Every { get; init; } = 1;

    /// <summary>Resource at which a trial ends by itself.</summary>
    public long Length { get; init; } = 16;

    /// <summary>How much some trials take longer than others for the same: up to so many times.</summary>
    public double Spread { get; init; } = 3;

    /// <summary>States for which there is room; null = all.</summary>
    public int? Room { get; init; }

    /// <summary>States that had to go.</summary>
    public int Evicted { get; private set; }

    /// <summary>Whether a trial that has come so far takes the process of the study along.</summary>
    public Func<int, long, bool>? Dooms { get; init; }

    /// <summary>Called before every event.</summary>
    public Action<StudyEngine, double>? Before { get; init; }

    /// <summary>Called before each question what a free slot is for.</summary>
    public Action<StudyEngine>? Deciding { get; init; }

    /// <summary>Times at which something happens though nothing else does.</summary>
    public IReadOnlyList<double> Ticks { get; init; } = [];

    public StudyEngine Engine => _engine;

    public List<StudyEvent> Journal { get; } = [];

    public int Kills { get; private set; }

    public int Losses { get; private set; }

    /// <summary>Resource that was computed, also in vain.</summary>
    public long Computed { get; private set; }

    public double Now => _now;

    /// <summary>Slot time without an attempt until the last event.</summary>
    public double IdleTime { get; private set; }

    public IEnumerable<T> Of<T>() => Journal.OfType<T>();

    public StudySimulation Run(int most = 200_000)
    {
        foreach (double tick in Ticks) At(tick, () => { });
        Fill();
        for (int i = 0; _engine.End is null; i++)
        {
            Assert.True(i < most, "the study does not come to an end");
            if (!_events.TryDequeue(out var happen, out var at)) throw new InvalidOperationException($"nothing is under way, but the study waits: {_engine.Decide()}");
            IdleTime += (_slots - Busy) * (at.Time - _now);
            _now = at.Time;
            Before?.Invoke(_engine, _now);
            happen();
            if (Draw() < Chaos.Kill) Kill();
            if (Draw() < Chaos.Rebuild) _engine = StudyEngine.Restore(_setup, [.. Journal], Journal.Add);
            Fill();
            // of a process that one of its trials ends the disk has what was decided long before that trial has got so far
            if (Draw() < 0.3 || _setup.SharesProcess) Acknowledge();
        }
        // what is still on its way changes nothing any more
        int ended = Journal.Count;
        while (_events.TryDequeue(out var late, out _)) late();
        Assert.Equal(ended, Journal.Count);
        return this;
    }

    private int Busy => _attempts.Count(a => a.IsAlive);

    private void Fill()
    {
        _attempts.RemoveAll(a => !a.IsAlive);
        while (_attempts.Count < _slots)
        {
            Deciding?.Invoke(_engine);
            if (_engine.Decide().Order is not { } order) break;
            if (order.From is { } from) Assert.Contains(from, _disk);
            var attempt = new SimulatedAttempt(order);
            _attempts.Add(attempt);
            At(order.Delay.TotalSeconds, () =>
            {
                // one that had come to its end before it was lost says so again
                if (attempt.Step >= Length) Report(attempt);
                else Step(attempt);
            });
        }
    }

    /// <summary>An attempt computes until its next report.</summary>
    private void Step(SimulatedAttempt attempt)
    {
        if (!attempt.IsAlive) return;
        long to = (attempt.Step / Every + 1) * Every;
        double seconds = (to - attempt.Step) * SecondsPerStep(attempt.Id.Trial);
        Computed += to - attempt.Step;
        At(seconds, () =>
        {
            if (!attempt.IsAlive) return;
            (attempt.Step, attempt.Seconds) = (to, attempt.Seconds + seconds);
            Arrive(attempt);
        });
    }

    private void Arrive(SimulatedAttempt attempt)
    {
        if (Dooms?.Invoke(attempt.Id.Trial, attempt.Step) == true)
        {
            Kill();
            return;
        }
        if (Draw() < Chaos.Loss)
        {
            Lose(attempt);
            return;
        }
        if (SimulatedObjective.Fails(attempt.Order, attempt.Step))
        {
            attempt.IsAlive = false;
            _engine.Fail(attempt.Id, hasDiverged: false, "threw", attempt.Seconds);
            return;
        }
        Report(attempt);
    }

    private void Report(SimulatedAttempt attempt)
    {
        if (!attempt.IsAlive) return;
        if (!attempt.Reported.Contains(attempt.Step)) attempt.Reported.Add(attempt.Step);
        var directive = _engine.Report(attempt.Id, attempt.Step, Values(attempt), attempt.Seconds);
        if (Draw() < Chaos.Duplicate) Assert.Equal(directive, _engine.Report(attempt.Id, attempt.Step, Values(attempt), attempt.Seconds));
        if (directive != TrialDirective.Stop && Draw() < Chaos.AnswerLost)
        {
            At(0.5, () => Report(attempt));
            return;
        }
        switch (directive)
        {
            case TrialDirective.Stop:
                attempt.IsAlive = false;
                break;
            case TrialDirective.Pause:
                At(0.2 * Draw(), () => Leave(attempt, () =>
                {
                    _disk.Add(new TrialCheckpoint(attempt.Id.Trial, attempt.Step, attempt.Order.Repeat));
                    _engine.Release(attempt.Id, attempt.Step, attempt.Seconds);
                }));
                break;
            case TrialDirective.Complete:
                // one that did not know beforehand where it ends has gone on by the time that it hears so
                Overrun(attempt);
                Complete(attempt);
                break;
            default:
                if (directive == TrialDirective.Checkpoint || attempt.Step % (4 * Every) == 0) WriteCheckpoint(attempt);
                if (attempt.Step >= Length) Complete(attempt);
                else Step(attempt);
                break;
        }
    }

    private void Overrun(SimulatedAttempt attempt)
    {
        long leavesOff = attempt.Step <= attempt.Order.Until ? attempt.Order.Until : _engine.TrialEnd;
        if (attempt.Step < Length && attempt.Step != leavesOff) attempt.Step += (long)(4 * Draw());
    }

    private void WriteCheckpoint(SimulatedAttempt attempt)
    {
        long step = attempt.Step;
        At(0.1 * Draw(), () =>
        {
            if (!attempt.IsAlive) return;
            if (_engine.Checkpointed(attempt.Id, step)) _disk.Add(new TrialCheckpoint(attempt.Id.Trial, step, attempt.Order.Repeat));
        });
    }

    private void Complete(SimulatedAttempt attempt) => At(0.2 * Draw(), () => Leave(attempt, () =>
    {
        _engine.Complete(attempt.Id, Values(attempt), default, attempt.Seconds);
        if (Draw() < Chaos.Duplicate) Assert.False(_engine.Complete(attempt.Id, [.. Values(attempt).Select(v => v - 1000)], default, attempt.Seconds));
    }));

    private void Leave(SimulatedAttempt attempt, Action how)
    {
        if (!attempt.IsAlive) return;
        attempt.IsAlive = false;
        if (Draw() >= Chaos.Loss) how();
        else Lost(attempt);
    }

    private void Lose(SimulatedAttempt attempt)
    {
        attempt.IsAlive = false;
        Lost(attempt);
    }

    private void Lost(SimulatedAttempt attempt)
    {
        Losses++;
        _engine.Lose(attempt.Id, "its node is gone", attempt.Seconds);
        if (Draw() < Chaos.Zombie) At(5 * Draw(), () => Haunt(attempt));
    }

    /// <summary>An attempt that was given up is heard of again: with values that would be the best.</summary>
    private void Haunt(SimulatedAttempt attempt)
    {
        int before = Journal.Count;
        double[] values = [.. Values(attempt).Select(v => v - 1000)];
        Assert.Equal(TrialDirective.Stop, _engine.Report(attempt.Id, attempt.Step + 1, values, attempt.Seconds));
        Assert.False(_engine.Checkpointed(attempt.Id, attempt.Step));
        Assert.False(_engine.Release(attempt.Id, attempt.Step, attempt.Seconds));
        Assert.False(_engine.Complete(attempt.Id, values, default, attempt.Seconds));
        Assert.False(_engine.Fail(attempt.Id, false, "late", attempt.Seconds));
        Assert.False(_engine.Lose(attempt.Id, "twice", attempt.Seconds));
        Assert.Equal(before, Journal.Count);
    }

    /// <summary>Of the journal what is on disk remains, and some of the rest; of the attempts all, none, or some.</summary>
    private void Kill()
    {
        Kills++;
        int kept = _acknowledged + (int)(Draw() * (Journal.Count - _acknowledged + 1));
        Journal.RemoveRange(kept, Journal.Count - kept);
        double survive = _setup.SharesProcess ? -1 : Draw();
        foreach (var attempt in _attempts)
            if (Draw() > survive) attempt.IsAlive = false;
        _engine = StudyEngine.Restore(_setup, [.. Journal], Journal.Add);
        var alive = _attempts.Where(a => a.IsAlive).Select(a => a.Id).ToHashSet();
        _engine.Reopen(alive.Contains);
        Acknowledge();
        // those who have lost the connection say again what they have said; of whom nothing is known are told to stop
        foreach (var attempt in _attempts.Where(a => a.IsAlive))
        {
            foreach (long step in attempt.Reported)
                if (_engine.Report(attempt.Id, step, Values(attempt, step), attempt.Seconds) == TrialDirective.Stop) attempt.IsAlive = false;
        }
        foreach (var attempt in _attempts.Where(a => a.IsAlive && !_engine.Attempts.Contains(a.Id))) attempt.IsAlive = false;
    }

    /// <summary>All events are on disk: what is then not needed any more may be deleted.</summary>
    private void Acknowledge()
    {
        _acknowledged = Journal.Count;
        foreach (var checkpoint in _engine.Superfluous())
        {
            _disk.Remove(checkpoint);
            _engine.Deleted(checkpoint);
        }
        while (_engine.Checkpoints.Count > Room && _engine.LeastNeeded() is { } least)
        {
            Evicted++;
            _disk.Remove(least);
            _engine.Deleted(least);
        }
    }

    private double[] Values(SimulatedAttempt attempt, long? step = null) => SimulatedObjective.Values(_setup, attempt.Order, step ?? attempt.Step);

    private double SecondsPerStep(int trial)
    {
        double speed = new CounterRandom(_timing, RandomPurpose.Simulation, trial, 1).NextDouble();
        return (1 + speed * (Spread - 1)) * (0.9 + 0.2 * Draw());
    }

    private double Draw() => new CounterRandom(_timing, RandomPurpose.Simulation, -1, _draws++).NextDouble();

    private void At(double delay, Action action) => _events.Enqueue(action, (_now + delay, _sequence++));
}

/// <summary>What trials report: by their parameters and their number, whatever the timing.</summary>
internal static class SimulatedObjective
{
    public static double[] Values(StudySetup setup, TrialOrder order, long step)
    {
        double distance = 0;
        var space = setup.Context.Space;
        for (int i = 0; i < space.Count; i++)
        {
            if (double.IsNaN(order.Parameters[i])) continue;
            double unit = space.Parameters[i].Domain.ToUnit(order.Parameters[i]) - 0.3;
            distance += unit * unit;
        }
        double luck = new CounterRandom(7, RandomPurpose.Simulation, order.Id.Trial, order.Repeat).NextDouble();
        double noise = new CounterRandom(7, RandomPurpose.Simulation, order.Id.Trial, order.Repeat, step).NextDouble();
        double loss = distance + 0.05 * luck + (0.5 + noise) / step;
        return [.. setup.Context.Directions.Select((d, k) => (d == Core.Specs.Direction.Maximize ? -1 : 1) * (k == 0 ? loss : luck - 0.1 * distance))];
    }

    /// <summary>Whether a trial throws when it has come so far.</summary>
    public static bool Fails(TrialOrder order, long step) => order.Id.Trial % 11 == 5 && step == 1 + order.Id.Trial % 3;
}
