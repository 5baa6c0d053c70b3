using System.Collections.Immutable;
using DistOpt.Core.Studies;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Tests.TrialSchedulers;

/// <summary>
/// A study in virtual time: workers that ask a trial scheduler what to do, and a heap of the reports to come. What trials report and how long they take
/// are functions of the trial and the resource.
/// </summary>
internal sealed class SchedulerSimulation(ITrialScheduler scheduler, int workers, int trials)
{
    private readonly PriorityQueue<Segment, (double Time, long Sequence)> _events = new();
    private readonly Dictionary<int, long> _resources = [];
    private readonly int _workers = workers;
    private long _sequence;

    /// <summary>What a trial reports.</summary>
    public required Func<int, long, double> Value { get; init; }

    /// <summary>How long a trial takes from one resource to another.</summary>
    public required Func<int, long, long, double> Duration { get; init; }

    /// <summary>Whether a trial throws on its way to a resource.</summary>
    public Func<int, long, bool> Fails { get; init; } = (_, _) => false;

    /// <summary>Resource between two reports; null = one report at what the decision says.</summary>
    public long? Every { get; init; }

    /// <summary>Resource at which a trial ends by itself; null = when it is told to.</summary>
    public long? Length { get; init; }

    /// <summary>What trials are given; null = nothing.</summary>
    public Func<int, ImmutableArray<double>>? Parameters { get; init; }

    /// <summary>Called after every event, once the free slots have been asked about.</summary>
    public Action? AfterEvent { get; set; }

    /// <summary>Called with every start and promotion.</summary>
    public Action<SlotDecision>? OnDecision { get; set; }

    /// <summary>Called with every report and what became of the trial.</summary>
    public Action<int, long, ReportAction>? OnReport { get; set; }

    public List<SlotDecision> Decisions { get; } = [];

    /// <summary>Every call but those that gave nothing to do, with what it said.</summary>
    public List<(Func<ITrialScheduler, object> Call, object Answer)> Calls { get; } = [];

    public HashSet<int> Failed { get; } = [];

    public HashSet<int> Completed { get; } = [];

    public double Now { get; private set; }

    public int Idle { get; private set; } = workers;

    public int Started { get; private set; }

    public int Events { get; private set; }

    /// <summary>Worker time without work, until the last event.</summary>
    public double IdleTime { get; private set; }

    /// <summary>Of all worker time.</summary>
    public double IdleShare => IdleTime / (Now * _workers);

    public bool MayStart => Started < trials;

    public SchedulerSimulation Run()
    {
        Fill();
        while (_events.TryDequeue(out var segment, out var at))
        {
            IdleTime += Idle * (at.Time - Now);
            Now = at.Time;
            Events++;
            Happen(segment);
            Fill();
            AfterEvent?.Invoke();
        }
        return this;
    }

    private void Happen(Segment segment)
    {
        int trial = segment.Trial;
        if (Fails(trial, segment.To))
        {
            Failed.Add(trial);
            Calls.Add((s => End(s, trial, TrialState.Failed), true));
            scheduler.End(trial, TrialState.Failed);
            Idle++;
            return;
        }
        _resources[trial] = segment.To;
        double value = Value(trial, segment.To);
        var action = scheduler.Report(trial, segment.To, value);
        Calls.Add((s => s.Report(trial, segment.To, value), action));
        OnReport?.Invoke(trial, segment.To, action);
        if (action is ReportAction.Continue or ReportAction.Checkpoint && !(segment.To >= Length))
        {
            Schedule(segment with { From = segment.To });
            return;
        }
        Idle++;
        if (action == ReportAction.Pause) return;
        var state = action == ReportAction.Prune ? TrialState.Pruned : TrialState.Complete;
        if (state == TrialState.Complete) Completed.Add(trial);
        scheduler.End(trial, state);
        Calls.Add((s => End(s, trial, state), true));
    }

    private void Fill()
    {
        while (Idle > 0)
        {
            int? next = MayStart ? Started : null;
            var decision = scheduler.Next(next);
            if (decision.Action == SlotAction.Wait) return;
            bool isStart = decision.Action == SlotAction.Start;
            Calls.Add((s => Bare(s.Next(isStart ? decision.Trial : null)), Bare(decision)));
            if (isStart)
            {
                Assert.Equal(next, decision.Trial);
                Started++;
                _resources.Add(decision.Trial, 0);
                if (Parameters is not null) Begin(decision.Trial, Parameters(decision.Trial));
            }
            if (decision.Exploit is { } exploit) _resources[decision.Trial] = exploit.Resource;
            Decisions.Add(decision);
            OnDecision?.Invoke(decision);
            Idle--;
            Schedule(new Segment(decision.Trial, _resources[decision.Trial], 0, decision.Until));
        }
    }

    private void Begin(int trial, ImmutableArray<double> parameters)
    {
        scheduler.Begin(trial, parameters);
        Calls.Add((s => Begin(s, trial, parameters), true));
    }

    private static object Begin(ITrialScheduler scheduler, int trial, ImmutableArray<double> parameters)
    {
        scheduler.Begin(trial, parameters);
        return true;
    }

    /// <summary>Records with arrays are compared by reference: the exploit's text says the same.</summary>
    private static object Bare(SlotDecision d) =>
        (d with { Exploit = null }, d.Exploit is { } e ? $"{e.Donor} at {e.Resource}: {string.Join(' ', e.Parameters)}" : "");

    private void Schedule(Segment segment)
    {
        long to = Every is { } every ? Math.Min(segment.Until, segment.From + every) : segment.Until;
        if (to <= segment.From) to = segment.From + (Every ?? 1);
        double end = Now + Duration(segment.Trial, segment.From, to);
        _events.Enqueue(segment with { To = to }, (end, _sequence++));
    }

    private static object End(ITrialScheduler scheduler, int trial, TrialState state)
    {
        scheduler.End(trial, state);
        return true;
    }

    private sealed record Segment(int Trial, long From, long To, long Until);
}
