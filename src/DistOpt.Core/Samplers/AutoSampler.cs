using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Samplers;

/// <summary>Options of <c>auto</c>.</summary>
public sealed record AutoOptions
{
    [Description("Complete trials up to which numbers are searched by gp, whose time grows with their cube; then cma-es goes on from the best of them, "
        + "if study.trials has 5 generations more")]
    [Range(1, 100_000)]
    public int GpTrials { get; init; } = 250;

    [Description("Complete trials up to which several objectives are searched by tpe; then nsga2, of four and more nsga3, goes on from their best")]
    [Range(0, 100_000)]
    public int TpeTrials { get; init; } = 250;
}

/// <summary>
/// Chooses a sampler by the space and by what is to be spent, as AutoSampler of Optuna's hub. Of one objective conditions and unordered choices are for
/// <see cref="TpeSampler"/>; where all are numbers, or choices in an order, <see cref="GpSampler"/> makes the most of the first 250 complete trials, and
/// <see cref="CmaEsSampler"/> goes on from the best tenth of them. A study that has no trials for five generations of it beyond those stays with gp: that
/// is fewer than an evolution strategy needs to learn anything. Several objectives are for <see cref="TpeSampler"/> up to 250 complete trials, and then for
/// <see cref="Nsga2Sampler"/>, of four objectives and more for <see cref="Nsga3Sampler"/>, whose parents those are.
/// <para>Under a trial scheduler that pauses or ends trials at rungs it is <see cref="TpeSampler"/> in any case, which learns from those that never become
/// complete.</para>
/// <para>Where trials define their parameters while they run, it is <see cref="TpeSampler"/> as well: what a trial will have is not known before, as under
/// conditions.</para>
/// </summary>
public sealed class AutoSampler(AutoOptions options) : IPartialSampler
{
    /// <summary>Of cma-es, which a study must have trials for.</summary>
    private const int Generations = 5;

    /// <summary>From so many on reference points spread better than crowding does.</summary>
    private const int ManyObjectives = 4;

    private readonly TpeSampler _tpe = new(new TpeOptions());
    private readonly Nsga2Sampler _nsga2 = new(new Nsga2Options());
    private readonly Nsga3Sampler _nsga3 = new(new Nsga3Options());
    private readonly GpSampler _gp = new(new GpOptions());
    private readonly CmaEsSampler _cmaEs = new(new CmaEsOptions { WarmStartTrials = options.GpTrials, StartupTrials = 0 });

    /// <summary>Whatever the space, there is a sampler for it.</summary>
    public IEnumerable<SpecViolation> Check(SearchSpace space, int objectives) => [];

    /// <summary>Where it comes to cma-es.</summary>
    public bool KeepsCourse(StudyHistory history) => IsByNumbers(history) && EndsWithCmaEs(history);

    public void Suggest(StudyHistory history, long seed, int number, Span<double> values) => For(history, seed).Suggest(history, seed, number, values);

    public void Draw(StudyHistory history, long seed, int number, int draw, Span<double> values) =>
        For(history, seed).Draw(history, seed, number, draw, values);

    public bool DrawsTogether(StudyHistory history) => _tpe.DrawsTogether(history);

    public void Suggest(StudyHistory history, long seed, int number, ReadOnlySpan<int> parameters, Span<double> values) =>
        _tpe.Suggest(history, seed, number, parameters, values);

    /// <summary>The sampler of the next trial.</summary>
    internal ISampler For(StudyHistory history, long seed)
    {
        if (IsByNumbers(history)) return EndsWithCmaEs(history) && _cmaEs.IsReady(history, seed) ? _cmaEs : _gp;
        if (history.HasRungs || history.Directions.Length == 1) return _tpe;
        if (history.Trials.Count(t => t.State == TrialState.Complete) < options.TpeTrials) return _tpe;
        return history.Directions.Length < ManyObjectives ? _nsga2 : _nsga3;
    }

    private bool EndsWithCmaEs(StudyHistory history) => history.Budget is not { } trials
        || trials + history.Imported >= options.GpTrials + Generations * CmaEsConstants.DefaultPopulation(CmaEsSampler.Modelled(history.Space).Length);

    private static bool IsByNumbers(StudyHistory history)
    {
        var space = history.Space;
        return history.Directions.Length == 1 && !history.HasRungs
            && space.Parameters.All(p => p.When is null && (p.Domain.Searched is NumericDomain || p.Domain.IsSingle))
            && space.Parameters.Any(p => !p.Domain.IsSingle) && space.Count <= SobolSequence.MaxDimensions;
    }
}
