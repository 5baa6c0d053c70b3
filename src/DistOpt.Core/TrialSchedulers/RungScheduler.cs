using System.Collections.Immutable;
using System.Runtime.InteropServices;
using DistOpt.Core.Studies;

namespace DistOpt.Core.TrialSchedulers;

/// <summary>
/// Successive halving with true promotion (Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, algorithm 2), in one or more
/// brackets: a trial that reaches a rung pauses there; a free slot sends on, from the highest rung down, a trial among the best floor(n / eta) of
/// its rung that has not been sent on yet, and where there is none begins a new trial. Never waits while a new trial may be started.
/// <para>
/// In trial order (<c>deterministic: true</c>) a rung is a queue: it takes its trials in the order in which they were started (the lowest rung) or
/// promoted (those above), passing over those that have failed, and after each one promotes at once whoever is among the best floor(n / eta) of those
/// taken so far. Who is promoted, and in what order, is then a function of the trials' values alone, whatever the order of their reports. The cost: a
/// value counts only when all before it in its rung are there, so promotions wait for the slowest of those; meanwhile slots begin new trials, so that
/// none is idle for that while there are new ones, and after the last new trial slots may be idle until the head of a queue has arrived. And since
/// promotions are decided at once and not when a slot is free, some are decided that a later and better trial would have forestalled.
/// Simulated with eta = 4, R = 64, 60 trials on 2 workers up to 5,000 on 500, durations that vary threefold and one in fifty that takes k times as long: the
/// study takes up to 5 % longer for k = 3, 22 % for k = 20, 33 % for k = 100.
/// </para>
/// <para>O(log n) for a report or a slot; some 110 bytes for a trial (eta = 4).</para>
/// </summary>
public abstract class RungScheduler : ITrialScheduler
{
    private readonly List<Place> _places = [];
    private readonly Rung[][] _brackets;
    private readonly StudyContext _context;
    private readonly bool _inOrder;

    /// <param name="milestones">Resources of each bracket's rungs, ascending.</param>
    /// <param name="reductionFactor">eta, above 1.</param>
    /// <param name="context">The study.</param>
    private protected RungScheduler(IEnumerable<ImmutableArray<long>> milestones, double reductionFactor, StudyContext context)
    {
        (_context, _inOrder) = (context, context.IsDeterministic);
        _brackets = [.. milestones.Select(bracket => bracket.Select((resource, i) => new Rung(resource, reductionFactor, t => IsOpen(t, i))).ToArray())];
    }

    private enum Stage : byte
    {
        Running,
        Paused,

        /// <summary>Promoted, and waits for a slot; in trial order alone.</summary>
        Ready,
        Ended,
    }

    public bool NeedsCheckpoints => true;

    public bool IsOrderIndependent => _inOrder;

    public ImmutableArray<RungStatus> Rungs =>
        [.. _brackets.SelectMany((rungs, b) => rungs.Select((rung, i) => new RungStatus(b, i, rung.Resource, rung.Entered, rung.Promoted)))];

    public long TrialEnd => _brackets[0][^1].Resource;

    private Span<Place> Places => CollectionsMarshal.AsSpan(_places);

    public bool MayNeed(int trial, long resource) => _places[Known(trial)] is { Stage: not Stage.Ended } place && resource >= place.Resource;

    public SlotDecision Next(int? newTrial)
    {
        int bracket = -1, rung = -1;
        for (int b = 0; b < _brackets.Length; b++)
        {
            int highest = Highest(_brackets[b]);
            // of several brackets the one whose trial gets the most
            if (highest > 0 && (bracket < 0 || _brackets[b][highest].Resource > _brackets[bracket][rung].Resource)) (bracket, rung) = (b, highest);
        }
        if (bracket >= 0) return Promote(bracket, rung);
        if (newTrial is not { } number) return default;
        if (number != _places.Count) throw new ArgumentException($"trial {number} is not the next one, {_places.Count}", nameof(newTrial));
        bracket = BracketOf(number);
        _places.Add(new Place { Bracket = (byte)bracket });
        if (_inOrder) _brackets[bracket][0].Coming.Enqueue(number);
        return new(SlotAction.Start, number, _brackets[bracket][0].Resource, bracket);
    }

    public ReportAction Report(int trial, long resource, double value)
    {
        ref var place = ref Places[Known(trial)];
        if (place.Stage != Stage.Running) return place.Stage == Stage.Ended ? ReportAction.Prune : ReportAction.Pause;
        var rungs = _brackets[place.Bracket];
        if (resource < rungs[place.Rung].Resource) return ReportAction.Continue;
        bool isDone = resource >= rungs[^1].Resource;
        (place.Resource, place.Loss, place.HasArrived) = (resource, _context.Loss(value), true);
        place.Stage = isDone ? Stage.Ended : Stage.Paused;
        if (_inOrder) Take(rungs, place.Rung);
        else while (Enter(rungs, trial)) { }
        return isDone ? ReportAction.Complete : ReportAction.Pause;
    }

    public void End(int trial, TrialState state)
    {
        ref var place = ref Places[Known(trial)];
        if (place.Stage == Stage.Ended) return;
        place.Stage = Stage.Ended;
        var rungs = _brackets[place.Bracket];
        if (place.HasArrived) rungs[place.Rung].Close(trial, place.Loss);
        else if (_inOrder) Take(rungs, place.Rung);
    }

    /// <summary>The bracket of a new trial, by its number; called once for each number, ascending.</summary>
    private protected abstract int BracketOf(int trial);

    private bool IsOpen(int trial, int rung) => _places[trial] is { Stage: Stage.Paused } place && place.Rung == rung;

    /// <summary>The highest rung that a trial may be sent to; 0 = none.</summary>
    private int Highest(Rung[] rungs)
    {
        for (int k = rungs.Length - 1; k > 0; k--)
        {
            if (!_inOrder && rungs[k - 1].TryBest(out _)) return k;
            while (rungs[k].Ready.TryPeek(out int trial))
            {
                if (_places[trial].Stage == Stage.Ready) return k;
                rungs[k].Ready.Dequeue();
            }
        }
        return 0;
    }

    private SlotDecision Promote(int bracket, int rung)
    {
        var rungs = _brackets[bracket];
        int trial;
        if (_inOrder) trial = rungs[rung].Ready.Dequeue();
        else
        {
            rungs[rung - 1].TryBest(out trial);
            SendOn(rungs, trial);
        }
        Places[trial].Stage = Stage.Running;
        return new(SlotAction.Promote, trial, rungs[rung].Resource, bracket);
    }

    /// <summary>A trial leaves the rung at which it stands.</summary>
    private void SendOn(Rung[] rungs, int trial)
    {
        ref var place = ref Places[trial];
        rungs[place.Rung].Promote(trial, place.Loss);
        place.Rung++;
        place.HasArrived = false;
    }

    /// <summary>A trial that has arrived counts at its rung; true where it has got beyond the next one as well, and now stands there.</summary>
    private bool Enter(Rung[] rungs, int trial)
    {
        ref var place = ref Places[trial];
        var rung = rungs[place.Rung];
        bool isBeyond = place.Rung + 1 < rungs.Length && place.Resource >= rungs[place.Rung + 1].Resource;
        double loss = place.Loss;
        // it has had the resource already: no longer open in the lower rung
        if (isBeyond) place.Rung++;
        rung.Enter(trial, loss);
        if (isBeyond) rung.Promote(trial, loss);
        return isBeyond;
    }

    /// <summary>In trial order: takes what has arrived at the heads of the queues, from a rung up.</summary>
    private void Take(Rung[] rungs, int from)
    {
        for (int k = from; k < rungs.Length; k++)
        {
            while (rungs[k].Coming.TryPeek(out int head) && (_places[head].HasArrived || _places[head].Stage == Stage.Ended))
            {
                rungs[k].Coming.Dequeue();
                if (!_places[head].HasArrived) continue;
                if (Enter(rungs, head)) rungs[k + 1].Coming.Enqueue(head);
                while (k + 1 < rungs.Length && rungs[k].TryBest(out int trial))
                {
                    SendOn(rungs, trial);
                    Places[trial].Stage = Stage.Ready;
                    rungs[k + 1].Ready.Enqueue(trial);
                    rungs[k + 1].Coming.Enqueue(trial);
                }
            }
        }
    }

    private int Known(int trial) => trial >= 0 && trial < _places.Count ? trial
        : throw new ArgumentException($"trial {trial} has not been started; there are {_places.Count}", nameof(trial));

    private struct Place
    {
        /// <summary>At its last rung.</summary>
        public double Loss;

        public long Resource;

        /// <summary>The rung at which it stands, or to which it is on its way.</summary>
        public short Rung;

        public byte Bracket;

        public Stage Stage;

        /// <summary>Whether it has a value at its rung.</summary>
        public bool HasArrived;
    }
}
