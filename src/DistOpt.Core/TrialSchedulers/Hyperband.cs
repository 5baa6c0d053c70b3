using System.Collections.Immutable;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.TrialSchedulers;

/// <summary>Options of <c>hyperband</c>.</summary>
public sealed record HyperbandOptions : TrialSchedulerOptions
{
    [Description("Least resource that a trial gets before it is compared")]
    [Range(1, long.MaxValue)]
    public long MinResource { get; init; } = 1;

    [Description("R: the resource at which a trial is complete; auto = the trial's own length")]
    [NullName("auto")]
    [Range(1, long.MaxValue)]
    public long? MaxResource { get; init; }

    [Description("eta: from rung to rung the resource grows by it, and one of so many trials is sent on")]
    [Range(1.0, 1000.0, MinimumIsExclusive = true)]
    public double ReductionFactor { get; init; } = 3;

    public override IEnumerable<SpecViolation> Check(StudyContext context) =>
        CheckObjectives(context, "hyperband").Concat(CheckResources(context, MinResource, MaxResource, ReductionFactor));
}

/// <summary>
/// Hyperband (Li et al., JMLR 2018) with asynchronous brackets: bracket s = s_max .. 0, s_max = floor(log_eta(R / min_resource)), is <c>asha</c> with
/// promotion and rungs R * eta^(i - s), i = 0 .. s, rounded. Its share of the trials is n_s = ceil((s_max + 1) * eta^s / (s + 1)), the ceil form that
/// Optuna has too: 81, 34, 15, 8, 5 for R = 81 and eta = 3 (the paper's table and HpBandSter have floor((s_max + 1) / (s + 1)) * eta^s). Trials go to
/// the brackets in rotation: each to the bracket that is farthest behind its share, the one with the most rungs first, so that of n_0 + ... + n_smax
/// trials in a row exactly n_s go to bracket s. A study goes on for as many trials as it is given, not for a number of whole rounds. Of the
/// samplers tpe learns from the trials of one bracket alone; those whose model is of one rung, bohb and gp, from all that have come to it.
/// </summary>
public sealed class Hyperband : RungScheduler
{
    private readonly long[] _shares;
    private readonly long[] _started;
    private readonly double _total;

    /// <exception cref="SpecException">It cannot be used for the study.</exception>
    public Hyperband(HyperbandOptions options, StudyContext context) : base(Brackets(options, context), options.ReductionFactor, context)
    {
        int most = Most(options, context);
        Shares = [.. Enumerable.Range(0, most + 1).Select(b => most - b)
            .Select(s => (long)Math.Ceiling((most + 1) * Math.Pow(options.ReductionFactor, s) / (s + 1) * (1 - 1e-12)))];
        (_shares, _started, _total) = ([.. Shares], new long[Shares.Length], Shares.Sum(n => (double)n));
    }

    /// <summary>n_s by bracket, from s = s_max (bracket 0) down to 0.</summary>
    public ImmutableArray<long> Shares { get; }

    private protected override int BracketOf(int trial)
    {
        int behind = 0;
        for (int b = 1; b < _shares.Length; b++)
            if (Lack(b) > Lack(behind)) behind = b;
        _started[behind]++;
        return behind;

        double Lack(int bracket) => _shares[bracket] * (trial + 1.0) - _started[bracket] * _total;
    }

    private static int Most(HyperbandOptions options, StudyContext context) =>
        Milestones.Powers(options.MinResource, End(options, context), options.ReductionFactor);

    private static long End(HyperbandOptions options, StudyContext context) => (options.MaxResource ?? context.TrialLength)!.Value;

    private static IEnumerable<ImmutableArray<long>> Brackets(HyperbandOptions options, StudyContext context)
    {
        StudyContext.Demand(options.Check(context));
        int most = Most(options, context);
        return Enumerable.Range(0, most + 1).Select(b => Milestones.Downwards(End(options, context), options.ReductionFactor, most - b));
    }
}
