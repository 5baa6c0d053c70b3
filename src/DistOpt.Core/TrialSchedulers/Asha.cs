using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Randomness;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.TrialSchedulers;

/// <summary>What becomes of a trial at a rung that is not among the best.</summary>
public enum AshaVariant
{
    /// <summary>It is paused, and sent on later if it turns out to be among the best.</summary>
    Promotion,

    /// <summary>It ends; those among the best run on without a pause.</summary>
    Stopping,
}

/// <summary>Options of <c>asha</c>; defaults as Ray's AsyncHyperBandScheduler.</summary>
public sealed record AshaOptions : TrialSchedulerOptions
{
    [Description("Resource of the lowest rung, which every trial gets")]
    [Range(1, long.MaxValue)]
    public long MinResource { get; init; } = 1;

    [Description("Resource at which a trial is complete; auto = the trial's own length. With promotion the highest rung is there, also where max_resource / "
        + "min_resource is no power of reduction_factor (1 and 9 for 1, 9 and 4); stopping judges at all powers below it (1 and 4), and ends trials at it")]
    [NullName("auto")]
    [Range(1, long.MaxValue)]
    public long? MaxResource { get; init; }

    [Description("eta: from rung to rung the resource grows by it (to the highest one by up to eta^2), and one of so many trials is sent on")]
    [Range(1.0, 1000.0, MinimumIsExclusive = true)]
    public double ReductionFactor { get; init; } = 4;

    [Description("Brackets, of which number s has min_resource * eta^s as its lowest rung; trials are spread over them by the softmax of their rungs")]
    [Range(1, 60)]
    public int Brackets { get; init; } = 1;

    [Description("promotion = trials pause at rungs and the best are sent on from their checkpoints; stopping = the others end there")]
    public AshaVariant Variant { get; init; } = AshaVariant.Promotion;

    public override IEnumerable<SpecViolation> Check(StudyContext context)
    {
        foreach (var violation in CheckObjectives(context, "asha").Concat(CheckResources(context, MinResource, MaxResource, ReductionFactor)))
            yield return violation;
        if (context.IsDeterministic && Variant == AshaVariant.Stopping)
        {
            yield return new SpecViolation(Path + ".variant",
                "is stopping, which depends on the order of reports, but the study is deterministic; use promotion");
        }
        if ((MaxResource ?? context.TrialLength) is not { } end || end < MinResource) yield break;
        int most = Milestones.Powers(MinResource, end, ReductionFactor) + 1;
        if (Brackets > most)
            yield return new SpecViolation(Path + ".brackets", $"is {Brackets}, but from {MinResource} to {end} there are rungs for {most}; give at most that");
    }

    /// <summary>
    /// That a study has trials enough for one of them to become complete: of n that come to a rung at most n + 1 - eta are sent on, where each is better than
    /// all before it.
    /// </summary>
    internal IEnumerable<SpecViolation> CheckTrials(StudyContext context)
    {
        if (Variant != AshaVariant.Promotion || (MaxResource ?? context.TrialLength) is not { } end) yield break;
        int rungs = Milestones.Of(MinResource, end, ReductionFactor, Brackets - 1).Length;
        long least = 1 + (rungs - 1) * ((long)Math.Ceiling(ReductionFactor) - 1);
        if (context.Trials < least)
        {
            yield return new SpecViolation("study.trials", FormattableString.Invariant($"is {context.Trials}, but asha has {rungs} rungs and reduction_factor ")
                + FormattableString.Invariant($"{ReductionFactor}: with fewer than {least} trials none can become complete; raise it, or min_resource, or use fifo"));
        }
    }

    /// <summary>Makes the variant.</summary>
    /// <exception cref="SpecException">It cannot be used for the study.</exception>
    public ITrialScheduler Create(StudyContext context)
    {
        StudyContext.Demand(Check(context));
        return Variant == AshaVariant.Promotion ? new Asha(this, context) : new StoppingAsha(this, context);
    }

    internal long End(StudyContext context) => (MaxResource ?? context.TrialLength)!.Value;

    /// <summary>Ray's choice of a bracket: with probabilities by the softmax of the numbers of rungs, here by the study's seed and the number.</summary>
    internal static int BracketOf(int trial, long seed, ReadOnlySpan<int> rungs)
    {
        if (rungs.Length == 1) return 0;
        double sum = 0;
        // the first bracket has the most
        foreach (int count in rungs) sum += Math.Exp(count - rungs[0]);
        double place = new CounterRandom(seed, RandomPurpose.Search, trial, 0).NextDouble() * sum;
        for (int b = 0; b < rungs.Length - 1; b++)
        {
            place -= Math.Exp(rungs[b] - rungs[0]);
            if (place < 0) return b;
        }
        return rungs.Length - 1;
    }
}

/// <summary>
/// Asynchronous successive halving with promotion (Li et al., MLSys 2020, algorithm 2). Rung k = 0 .. floor(log_eta(R / r)) - s of bracket s lies at
/// r * eta^(s + k), but the highest one at R, the end of a trial, also where R / r is no power of eta: there are as many rungs as in the algorithm, whose
/// highest one would leave trials incomplete at r * eta^floor(log_eta(R / r)), and none that is nearer to the next than eta.
/// </summary>
public sealed class Asha : RungScheduler
{
    private readonly long _seed;
    private readonly int[] _rungs;

    internal Asha(AshaOptions options, StudyContext context)
        : base(Enumerable.Range(0, options.Brackets).Select(s => Milestones.Of(options.MinResource, options.End(context), options.ReductionFactor, s))
            .Select(m => m.SetItem(m.Length - 1, Math.Max(m[^1], options.End(context)))), options.ReductionFactor, context)
    {
        _seed = context.Seed;
        int most = Milestones.Powers(options.MinResource, options.End(context), options.ReductionFactor) + 1;
        _rungs = [.. Enumerable.Range(0, options.Brackets).Select(s => most - s)];
    }

    private protected override int BracketOf(int trial) => AshaOptions.BracketOf(trial, _seed, _rungs);
}
