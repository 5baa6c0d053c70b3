using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Samplers;

/// <summary>Options of <c>auto</c>.</summary>
public sealed record AutoOptions
{
    [Description("Complete trials up to which numbers are searched by gp, whose time grows with their cube; then cma-es goes on from the best of them")]
    [Range(1, 100_000)]
    public int GpTrials { get; init; } = 250;
}

/// <summary>
/// Chooses a sampler by the space and by what has been spent, as AutoSampler of Optuna's hub: several objectives are for <see cref="Nsga2Sampler"/>, conditions
/// and choices for <see cref="TpeSampler"/>; where all parameters are numbers <see cref="GpSampler"/> makes the most of the first trials, and
/// <see cref="CmaEsSampler"/> goes on from the best tenth of them.
/// </summary>
public sealed class AutoSampler : ISampler
{
    private readonly TpeSampler _tpe = new(new TpeOptions());
    private readonly Nsga2Sampler _nsga2 = new(new Nsga2Options());
    private readonly GpSampler _gp = new(new GpOptions());
    private readonly CmaEsSampler _cmaEs;

    public AutoSampler(AutoOptions options) => _cmaEs = new CmaEsSampler(new CmaEsOptions { WarmStartTrials = options.GpTrials, StartupTrials = 0 });

    /// <summary>Whatever the space, there is a sampler for it.</summary>
    public IEnumerable<SpecViolation> Check(SearchSpace space, int objectives) => [];

    /// <summary>Where all parameters are numbers it comes to cma-es.</summary>
    public bool KeepsCourse(SearchSpace space) => IsNumeric(space);

    public void Suggest(StudyHistory history, long seed, int number, Span<double> values) => For(history, seed).Suggest(history, seed, number, values);

    /// <summary>The sampler of the next trial.</summary>
    internal ISampler For(StudyHistory history, long seed)
    {
        var space = history.Space;
        if (history.Directions.Length > 1) return _nsga2;
        if (!IsNumeric(space)) return _tpe;
        return _cmaEs.IsReady(history, seed) ? _cmaEs : _gp;
    }

    private static bool IsNumeric(SearchSpace space) => space.Parameters.All(p => p.When is null && (p.Domain is NumericDomain || p.Domain.IsSingle))
        && space.Parameters.Any(p => !p.Domain.IsSingle) && space.Count <= SobolSequence.MaxDimensions;
}
