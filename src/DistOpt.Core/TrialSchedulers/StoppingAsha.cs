using System.Collections.Immutable;
using System.Runtime.InteropServices;
using DistOpt.Core.Studies;

namespace DistOpt.Core.TrialSchedulers;

/// <summary>
/// Asynchronous successive halving that stops trials, as Ray's <c>async_hyperband.py</c>: at a report the highest rung at or below its resource that has
/// no value of this trial gets it, and the trial ends where it is worse than the percentile 100 * (1 - 1 / eta) of the values that were there
/// before. Nothing is paused, and no weights need be kept. Unlike there NaN ends a trial. O(log n) for a report, 16 bytes for a trial and some 30 for each
/// value in a rung.
/// </summary>
public sealed class StoppingAsha : ITrialScheduler
{
    private readonly List<Place> _places = [];
    private readonly ImmutableArray<long>[] _milestones;
    private readonly RunningPercentile[][] _recorded;
    private readonly int[][] _passed;

    /// <summary>Trials that have come to the end, where none is judged, by bracket.</summary>
    private readonly int[] _complete;
    private readonly int[] _counts;
    private readonly StudyContext _context;
    private readonly long _end;

    internal StoppingAsha(AshaOptions options, StudyContext context)
    {
        (_context, _end) = (context, options.End(context));
        _milestones = [.. Enumerable.Range(0, options.Brackets).Select(s => Milestones.Of(options.MinResource, _end, options.ReductionFactor, s))];
        _recorded = [.. _milestones.Select(m => m.Select(_ => new RunningPercentile(100 * (1 - 1 / options.ReductionFactor))).ToArray())];
        _passed = [.. _milestones.Select(m => new int[m.Length])];
        _complete = new int[_milestones.Length];
        _counts = [.. _milestones.Select(m => m.Length)];
    }

    public bool NeedsCheckpoints => false;

    public bool IsOrderIndependent => false;

    public long TrialEnd => _end;

    public ImmutableArray<RungStatus> Rungs => [.. _milestones.SelectMany((milestones, b) =>
        milestones.Select((resource, k) => new RungStatus(b, k, resource, resource < _end ? _recorded[b][k].Count : _complete[b], _passed[b][k])))];

    public SlotDecision Next(int? newTrial)
    {
        if (newTrial is not { } number) return default;
        if (number != _places.Count) throw new ArgumentException($"trial {number} is not the next one, {_places.Count}", nameof(newTrial));
        int bracket = AshaOptions.BracketOf(number, _context.Seed, _counts);
        _places.Add(new Place { Bracket = (byte)bracket });
        return new(SlotAction.Start, number, _milestones[bracket][0], bracket);
    }

    public ReportAction Report(int trial, long resource, double value)
    {
        ref var place = ref Of(trial);
        if (place.HasEnded) return ReportAction.Prune;
        if (resource >= _end)
        {
            place.HasEnded = true;
            _complete[place.Bracket]++;
            return ReportAction.Complete;
        }
        var milestones = _milestones[place.Bracket];
        for (int k = milestones.Length - 1; k >= 0; k--)
        {
            if (resource < milestones[k] || (place.Recorded >> k & 1) != 0) continue;
            double reward = -_context.Loss(value), cutoff = _recorded[place.Bracket][k].Value;
            _recorded[place.Bracket][k].Add(reward);
            place.Recorded |= 1UL << k;
            place.HasEnded = double.IsNaN(reward) || reward < cutoff;
            if (!place.HasEnded) _passed[place.Bracket][k]++;
            break;
        }
        return place.HasEnded ? ReportAction.Prune : ReportAction.Continue;
    }

    public void End(int trial, TrialState state) => Of(trial).HasEnded = true;

    private ref Place Of(int trial)
    {
        if (trial < 0 || trial >= _places.Count) throw new ArgumentException($"trial {trial} has not been started; there are {_places.Count}", nameof(trial));
        return ref CollectionsMarshal.AsSpan(_places)[trial];
    }

    private struct Place
    {
        /// <summary>Bit k: it has a value in rung k.</summary>
        public ulong Recorded;

        public byte Bracket;

        public bool HasEnded;
    }
}
