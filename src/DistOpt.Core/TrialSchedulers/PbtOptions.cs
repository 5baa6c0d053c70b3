using System.Collections.Immutable;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.TrialSchedulers;

/// <summary>What <c>pbt</c> and <c>pb2</c> have in common; defaults as Ray's PopulationBasedTraining.</summary>
public abstract record PopulationOptions : TrialSchedulerOptions
{
    [Description("Trials that live at a time; more than slots take turns")]
    [Range(2, 10_000)]
    public int Population { get; init; } = 4;

    [Description("Resource at which a trial is complete; auto = the trial's own length")]
    [NullName("auto")]
    [Range(1, long.MaxValue)]
    public long? MaxResource { get; init; }

    [Description("Resource between two comparisons of a trial with the others")]
    [Range(1, long.MaxValue)]
    public long PerturbationInterval { get; init; } = 60;

    [Description("Resource before which a trial is not compared")]
    [Range(0, long.MaxValue)]
    public long BurnIn { get; init; }

    [Description("Share of the trials that counts as best, and as worst")]
    [Range(0.0, 0.5)]
    public double QuantileFraction { get; init; } = 0.25;

    [Description("Whether all trials wait for each other at every comparison; false = each is compared with the others' last values")]
    public bool Synchronous { get; init; }

    private protected abstract string Name { get; }

    public override IEnumerable<SpecViolation> Check(StudyContext context)
    {
        foreach (var violation in CheckObjectives(context, Name)) yield return violation;
        if ((MaxResource ?? context.TrialLength) is not { } end)
            yield return new SpecViolation(Path + ".max_resource", "is auto, but the length of a trial is not known; give it");
        else if (CheckEnd(context, MaxResource) is { } beyond)
            yield return beyond;
        else if (PerturbationInterval >= end)
            yield return new SpecViolation(Path + ".perturbation_interval", $"is {PerturbationInterval}, but trials end at {end}; give less than that");
        if (context.Trials < Population)
            yield return new SpecViolation(Path + ".population", $"is {Population}, but the study has {context.Trials} trials; give at most that");
        if (context.IsDeterministic && !Synchronous)
        {
            yield return new SpecViolation(Path + ".synchronous",
                "is false, which depends on the order of reports, but the study is deterministic; set it to true");
        }
    }
}

/// <summary>Options of <c>pbt</c>.</summary>
public sealed record PbtOptions : PopulationOptions
{
    [Description("Probability that a copied parameter is drawn anew from its domain instead of being perturbed")]
    [Range(0.0, 1.0)]
    public double ResampleProbability { get; init; } = 0.25;

    [Description("Factors of which one is taken to perturb a number")]
    [Length(1, 100)]
    [Range(0.0, 1e6, MinimumIsExclusive = true)]
    public ImmutableArray<double> Factors { get; init; } = [1.2, 0.8];

    private protected override string Name => "pbt";
}

/// <summary>Options of <c>pb2</c>.</summary>
public sealed record Pb2Options : PopulationOptions
{
    private protected override string Name => "pb2";

    public override IEnumerable<SpecViolation> Check(StudyContext context)
    {
        foreach (var violation in base.Check(context)) yield return violation;
        foreach (var parameter in context.Space.Parameters)
        {
            if (parameter.Domain is not NumericDomain)
                yield return new SpecViolation($"space.{parameter.Name}", "has choices, but the trial scheduler is pb2, which is for numbers; use pbt");
            else if (parameter.When is not null)
                yield return new SpecViolation($"space.{parameter.Name}", "has a condition, but the trial scheduler is pb2, which knows none; use pbt");
        }
    }
}
