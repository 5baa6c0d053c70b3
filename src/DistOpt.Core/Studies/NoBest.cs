using System.Globalization;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Studies;

/// <summary>Why a study has neither a best trial nor a front.</summary>
public static class NoBest
{
    /// <summary>
    /// The reason, and where its trial scheduler has ended all trials early, what to do; null where there is a best trial, or where the study goes on and none
    /// is complete yet.
    /// </summary>
    /// <param name="status">Where the study stands.</param>
    /// <param name="spec">Its spec; null = it is of no study spec.</param>
    public static string? Of(StudyStatus status, StudySpec? spec)
    {
        ArgumentNullException.ThrowIfNull(status);
        var counts = status.Counts;
        if (status.Best is not null || !status.Front.IsEmpty || (counts.Complete == 0 && status.End is null)) return null;
        if (counts.Complete > 0)
        {
            return counts.Complete == 1 ? "no trial is feasible: the one that is complete misses a constraint"
                : string.Create(CultureInfo.InvariantCulture, $"no trial is feasible: each of the {counts.Complete:#,0} that are complete misses a constraint");
        }
        // they have rungs, of which only the last one makes a trial complete
        if (counts.Pruned == 0 || spec?.Study.TrialScheduler.Kind is not ("asha" or "hyperband")) return "no trial is complete";
        return string.Create(CultureInfo.InvariantCulture, $"no trial is complete: {spec.Study.TrialScheduler.Kind} has ended {counts.Pruned:#,0} early and has sent none on to the last rung; ")
            + "with more trials, a smaller reduction_factor or a lower max_resource some come there";
    }
}
