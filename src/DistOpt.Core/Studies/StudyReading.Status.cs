using System.Collections.Immutable;
using DistOpt.Core.MultiObjective;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Studies;

public sealed partial record StudyReading
{
    /// <summary>
    /// How the study stands by what is known of its trials; time is up to the latest end of an attempt. How many trials it is to have and how many run at a
    /// time is not known here.
    /// </summary>
    public StudyStatus Status()
    {
        var all = All;
        int Count(TrialState state) => all.Count(t => t.State == state);
        var front = Front();
        bool hasOne = Outline.Objectives.Length == 1;
        return new StudyStatus
        {
            Counts = new(Count(TrialState.Waiting), Count(TrialState.Running), Count(TrialState.Paused), Count(TrialState.Complete), Count(TrialState.Pruned),
                Count(TrialState.Failed), Count(TrialState.Cancelled)),
            Started = all.Length,
            Trials = null,
            Parallel = 0,
            Imported = Imported,
            Enqueued = 0,
            Refused = 0,
            RefusedLast = null,
            Best = hasOne && front is [var best, ..] ? best : null,
            Front = front,
            Worst = hasOne || front.IsEmpty ? [] : [.. Outline.Directions.Select(Worst)],
            Live = [.. (NotEnded ?? []).Where(t => t.State != TrialState.Paused).Select(LiveOf)],
            Rungs = [],
            Wait = null,
            WaitsFor = null,
            IsSuspended = false,
            Seconds = all.SelectMany(t => t.Spans).Select(s => s.To).DefaultIfEmpty(0).Max(),
            Sessions = Sessions,
            End = End,
        };
    }

    private static LiveTrialStatus LiveOf(TrialRecord trial) => new(trial.Number, trial.State, trial.Attempts, trial.Losses.Length, trial.Parameters, 0, 0,
        trial.Reports is [.., var last] ? last : null, long.MaxValue, trial.Seconds, false);

    private double Worst(Direction direction, int objective)
    {
        double[] values = [.. Ended.Where(t => t.IsFeasible).Select(t => t.Values[objective])];
        var finite = values.Where(double.IsFinite).DefaultIfEmpty(values[0]);
        return direction == Direction.Maximize ? finite.Min() : finite.Max();
    }

    /// <summary>Feasible complete trials that no other one dominates; with one objective the first of the best.</summary>
    private ImmutableArray<TrialResult> Front()
    {
        var front = new List<(TrialResult Result, double[] Losses)>();
        var directions = Outline.Directions;
        foreach (var trial in Ended.Where(t => t.IsFeasible && !t.Values.Any(double.IsNaN)))
        {
            double[] losses = [.. trial.Values.Select((v, i) => directions[i].Loss(v))];
            bool isEqual = losses.Length == 1 && front.Any(f => f.Losses[0] <= losses[0]);
            if (isEqual || front.Any(f => Domination.Dominates(f.Losses, losses))) continue;
            front.RemoveAll(f => Domination.Dominates(losses, f.Losses));
            front.Add((new TrialResult(trial.Number, trial.Parameters, trial.Values), losses));
        }
        return [.. front.Select(f => f.Result)];
    }
}
