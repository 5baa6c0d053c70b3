using System.Globalization;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.TrialSchedulers;

/// <summary>Options of a trial scheduler, which know for which studies they are possible.</summary>
public abstract record TrialSchedulerOptions
{
    internal const string Path = "study.trial_scheduler";

    /// <summary>Why the trial scheduler cannot be used for a study; nothing where it can.</summary>
    public virtual IEnumerable<SpecViolation> Check(StudyContext context) => [];

    /// <summary>That there is one objective to rank trials by.</summary>
    protected static IEnumerable<SpecViolation> CheckObjectives(StudyContext context, string name) => context.Directions.Length == 1 ? []
        : [new SpecViolation(Path, $"is {name}, which ranks trials by one objective, but the study has {context.Directions.Length}; use fifo")];

    /// <summary>That trials come to the resource at which they are to be complete: where their own length is known.</summary>
    private protected static SpecViolation? CheckEnd(StudyContext context, long? most) => !(most > context.TrialLength) ? null
        : new SpecViolation(Path + ".max_resource", $"is {most}, but trials end by themselves at {context.TrialLength}, and would never come to what lies above; "
            + "give at most that, leave it away for that, or make trials longer");

    /// <summary>That trials have an end, that it does not come before the least resource, and that there are not too many rungs on the way.</summary>
    protected static IEnumerable<SpecViolation> CheckResources(StudyContext context, long least, long? most, double reductionFactor)
    {
        if ((most ?? context.TrialLength) is not { } end)
            yield return new SpecViolation(Path + ".max_resource", "is auto, but the length of a trial is not known; give it");
        else if (CheckEnd(context, most) is { } beyond)
            yield return beyond;
        else if (end < least)
            yield return new SpecViolation(Path + ".min_resource", $"is {least}, but trials end at {end}; give at most that");
        else if (Milestones.Powers(least, end, reductionFactor) >= Milestones.Most)
        {
            yield return new SpecViolation(Path + ".reduction_factor",
                $"is {reductionFactor.ToString(CultureInfo.InvariantCulture)}, which makes more than {Milestones.Most} rungs from {least} to {end}; raise it");
        }
    }
}
