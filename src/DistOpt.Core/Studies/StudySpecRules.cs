using System.Collections.Frozen;
using System.Collections.Immutable;
using DistOpt.Core.Specs;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Studies;

/// <summary>Rules over several fields of a study spec.</summary>
public static class StudySpecRules
{
    public static ImmutableArray<SpecRule<StudySpec>> All { get; } =
    [
        new([], Objectives),
        new([], Constraints),
        new(["study.trials", "study.stop"], End),
        new(["study.stop", "study.objectives"], OneObjective),
        new(["study.trials", "study.stop", "study.objectives"], Improvement),
        new(["study.trials", "study.enqueue"], Enqueued),
        new(["study.repeats"], Repeats),
        new(["study.deterministic", "study.resource"], Deterministic),
        new(["study.trial_scheduler"], Copies),
        new(["study.trial_scheduler", "study.disk_limit"], DiskLimit),
        new(["storage.kind"], Storage),
        new(["data.folds"], Folds),
    ];

    /// <summary>Options of the models of the catalogue that say which weights there are; of a program's own models nobody knows.</summary>
    private static readonly FrozenSet<string> s_structure =
        ["kind", "hidden", "norm", "width", "widths", "blocks", "expansion", "bias", "channels", "kernel", "depth"];

    private static IEnumerable<SpecViolation> Objectives(StudySpec spec)
    {
        var objectives = spec.Study.Objectives;
        for (int i = 0; i < objectives.Length; i++)
        {
            string path = i == 0 ? spec.Metric : $"study.objectives[{i}].metric";
            string metric = objectives[i].Metric;
            // one that is missing has been told of
            if (metric.Length == 0) continue;
            foreach (var violation in TrainingSpecRules.Metric(path, metric, spec.Training)) yield return violation;
            if (objectives.Take(i).Any(o => o.Metric == metric)) yield return new(path, $"is '{metric}', which is an objective already; remove one of them");
        }
    }

    private static IEnumerable<SpecViolation> Constraints(StudySpec spec)
    {
        for (int i = 0; i < spec.Study.Constraints.Length; i++)
        {
            if (spec.Study.Constraints[i] is not { Metric: { } metric, Parameters: null }) continue;
            foreach (var violation in TrainingSpecRules.Metric($"study.constraints[{i}].metric", metric, spec.Training)) yield return violation;
        }
    }

    private static IEnumerable<SpecViolation> Storage(StudySpec spec)
    {
        if (spec.Training.Storage.Kind == StorageSection.Shared)
            yield return new("storage.kind", "is shared, but the states of trials are kept in the study's folder; leave it away");
    }

    private static IEnumerable<SpecViolation> Folds(StudySpec spec)
    {
        if (spec.Training.Data is { Folds: { } folds, Fold: null })
        {
            yield return new("data.folds", $"is {folds}, but a trial is one run and not {folds}; leave it away, or say which fold trials are judged by "
                + "(data.fold), and use study.repeats for several runs of a configuration");
        }
    }

    private static IEnumerable<SpecViolation> Deterministic(StudySpec spec)
    {
        if (spec.Study is { Deterministic: true, Resource: TrialResource.Seconds })
            yield return new("study.resource", "is seconds, in which a machine gets as far as it gets, but the study is deterministic; use epochs, steps or samples");
    }

    /// <summary>A trial that goes on from another one's weights has to have that one's model; its optimizer's state is asked of the optimizer.</summary>
    private static IEnumerable<SpecViolation> Copies(StudySpec spec)
    {
        if (spec.Study.TrialScheduler.Options is not PopulationOptions) yield break;
        foreach (var parameter in spec.Space.Space.Parameters.Where(p => !p.Domain.IsSingle && IsStructure(p.Name)))
        {
            yield return new($"space.{parameter.Name}", $"changes what a checkpoint is of, but {spec.Study.TrialScheduler.Kind} lets a trial go on from another one's; "
                + "fix it, or use asha");
        }
    }

    /// <summary>Of what others may copy nothing is to spare, and a trial that has copied cannot begin anew.</summary>
    private static IEnumerable<SpecViolation> DiskLimit(StudySpec spec)
    {
        if (spec.Study is { DiskLimit: { } limit, TrialScheduler: { Kind: var kind, Options: PopulationOptions } })
        {
            yield return new("study.disk_limit", FormattableString.Invariant($"is {limit} GiB, but {kind} keeps only states that a trial goes on from or another ")
                + "one may copy: there is none that could go; leave it away, or give a smaller population");
        }
    }

    private static bool IsStructure(string path) =>
        path.StartsWith("model.", StringComparison.Ordinal) && s_structure.Contains(path["model.".Length..].Split('.', '[')[0]);

    private static IEnumerable<SpecViolation> End(StudySpec spec)
    {
        // a grid comes to its end by itself
        if (spec.Study is { Trials: null, Sampler.Kind: not "grid", Stop: { Target: null, MaxSeconds: null, Patience: null, ExpectedImprovement: null } })
            yield return new("study.trials", "is null, and stop has no target, max_seconds, patience or expected_improvement: the study would never end; set one of them");
    }

    private static IEnumerable<SpecViolation> OneObjective(StudySpec spec) => OneObjective(spec.Study.Stop, spec.Study.Objectives.Length);

    /// <summary>Rules to stop by that ask how good a trial is, which several objectives do not say.</summary>
    internal static IEnumerable<SpecViolation> OneObjective(StudyStopSection stop, int objectives)
    {
        if (objectives == 1) yield break;
        string but = $"is for one objective, but the study has {objectives}; leave it away, and use trials or stop.max_seconds";
        if (stop.Target is not null) yield return new("study.stop.target", but);
        if (stop.Patience is not null) yield return new("study.stop.patience", but);
    }

    private static IEnumerable<SpecViolation> Improvement(StudySpec spec) => spec.Study.Stop.ExpectedImprovement is not { } section ? []
        : ExpectedImprovement.Check(section, spec.Space.Space, spec.Study.Objectives.Length, spec.Study.Trials);

    private static IEnumerable<SpecViolation> Enqueued(StudySpec spec)
    {
        if (spec.Study.Trials is { } trials && spec.Enqueued.Length > trials)
            yield return new("study.enqueue", $"has {spec.Enqueued.Length} points to try first, but study.trials is {trials}; raise it, or remove some");
    }

    private static IEnumerable<SpecViolation> Repeats(StudySpec spec)
    {
        if (spec.Study.Repeats > 1 && spec.Space.Space.IndexOf("seed") >= 0)
            yield return new("study.repeats", $"is {spec.Study.Repeats}, but the seed is searched, so that all runs of a configuration would be the same; leave one of them out");
    }
}
