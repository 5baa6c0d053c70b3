using DistOpt.Core.Pruners;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Studies;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Specs.Binding;

/// <summary>
/// Rules over several fields of a study, and what its sampler, trial scheduler and pruner say of it. Where some of the study is wrong the others are asked
/// all the same, as far as what they say does not hang on that.
/// </summary>
/// <param name="catalogs">The plug-ins.</param>
/// <param name="violations">Has what is wrong so far, and takes the rest.</param>
/// <param name="space">What is known of the space.</param>
internal sealed class StudyChecks(SpecCatalogs catalogs, Violations violations, SoundSpace space)
{
    private const string Sampler = "study.sampler", Scheduler = "study.trial_scheduler", Pruner = "study.pruner";

    /// <summary>A length of trials that is above every bound.</summary>
    private const long Endless = 1L << 40;

    /// <summary>Checks the study, of which what is wrong has its default.</summary>
    public void Check(StudySpec spec)
    {
        foreach (var rule in StudySpecRules.All.Where(r => !r.Reads.Any(IsUnknown)).ToList()) Add(rule.Check(spec));
        CheckSampler(spec);
        var context = StudyContext.Of(spec);
        // the default is not what the file will say
        if (violations.Touches("study.trials")) context = context with { Trials = null };
        bool isLengthKnown = !violations.Touches("study.resource") && !IsUnknown(StudyContext.LengthPath(spec.Study.Resource));
        var (scheduler, pruner) = (spec.Study.TrialScheduler, spec.Study.Pruner);
        if (!violations.Touches(Scheduler))
        {
            if (isLengthKnown) Add(OfScheduler(scheduler, context));
            // what is said whatever the length
            else Add(OfScheduler(scheduler, context with { TrialLength = null }).Intersect(OfScheduler(scheduler, context with { TrialLength = Endless })));
        }
        bool knowsMetrics = !violations.Touches("study.metric") && !violations.Touches("study.objectives") && !violations.Touches(StudySpec.Selected);
        // that of a pruner may be what the study's is meant to be
        if (!violations.Touches(Pruner)) Add(OfPruner(pruner, context).Where(v => knowsMetrics || !v.Path.EndsWith(".objective", StringComparison.Ordinal)));
        if (isLengthKnown && !violations.Touches(Sampler) && !violations.Touches(Scheduler)) CheckRungs(spec, context);
        if (isLengthKnown && knowsMetrics && !violations.Touches(Pruner) && !violations.Touches(Scheduler)) CheckCopies(spec, context);
    }

    private bool IsUnknown(string path) => violations.Touches(path) || space.Hides(path);

    private void CheckSampler(StudySpec spec)
    {
        if (violations.Touches(Sampler)) return;
        var sampler = catalogs.Samplers.Get(spec.Study.Sampler.Kind)(spec.Study.Sampler.Options!);
        int objectives = spec.Study.Objectives.Length;
        if (space.IsWhole)
        {
            Add(sampler.Check(spec.Space.Space, objectives));
            return;
        }
        // of a space of which more will come: what is wrong with single parameters, and what is said of any space
        var any = sampler.Check(new SearchSpace([new SearchParameter("x", new IntDomain(0, 1))]), objectives).ToList();
        Add(sampler.Check(space.Domains.Space, objectives).Where(v => any.Contains(v) || space.Domains.Paths.Any(p => Violations.Covers("space." + p, v.Path))));
    }

    private void CheckRungs(StudySpec spec, StudyContext context)
    {
        var sampler = catalogs.Samplers.Get(spec.Study.Sampler.Kind)(spec.Study.Sampler.Options!);
        if (!sampler.NeedsRungs && IsUnknown("evaluate")) return;
        if (Made(spec.Study.TrialScheduler, context) is not { } scheduler) return;
        Add(ISampler.Check(sampler, scheduler));
        if (!IsUnknown("evaluate")) Add(RungReports.Check(spec, scheduler.Rungs));
    }

    private void CheckCopies(StudySpec spec, StudyContext context)
    {
        var (scheduler, pruner) = (spec.Study.TrialScheduler, spec.Study.Pruner);
        if (scheduler.Options is not PopulationOptions || Made(scheduler, context) is not { } made) return;
        Add(new ObjectivePruners(catalogs.Pruners.Get(pruner.Kind), pruner.Options!, context).Check(made));
    }

    private ITrialScheduler? Made(PluginSpec plugin, StudyContext context)
    {
        ITrialScheduler? scheduler = null;
        Add(Said(() => scheduler = catalogs.TrialSchedulers.Get(plugin.Kind)(plugin.Options!, context)));
        return scheduler;
    }

    private IReadOnlyList<SpecViolation> OfScheduler(PluginSpec plugin, StudyContext context) => plugin.Options switch
    {
        AshaOptions asha => [.. asha.CheckTrials(context), .. asha.Check(context)],
        TrialSchedulerOptions options => [.. options.Check(context)],
        // one of a program that says so only when it is made
        _ => Said(() => catalogs.TrialSchedulers.Get(plugin.Kind)(plugin.Options!, context)),
    };

    private IReadOnlyList<SpecViolation> OfPruner(PluginSpec plugin, StudyContext context) => plugin.Options is PrunerOptions options
        ? [.. ObjectivePruners.Check(options, context)] : Said(() => _ = new ObjectivePruners(catalogs.Pruners.Get(plugin.Kind), plugin.Options!, context));

    private void Add(IEnumerable<SpecViolation> found)
    {
        foreach (var (path, message, line) in found) violations.Add(path, message, line);
    }

    private static IReadOnlyList<SpecViolation> Said(Action action)
    {
        try
        {
            action();
            return [];
        }
        catch (SpecException e)
        {
            // reported with the rest
            return e.Violations;
        }
    }
}
