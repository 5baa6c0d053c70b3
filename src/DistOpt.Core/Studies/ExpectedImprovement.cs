using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Randomness;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Studies;

/// <summary><c>study.stop.expected_improvement</c>: end the study when hardly anything more is to be gained.</summary>
public sealed record ExpectedImprovementSection
{
    [Description("End when no configuration is expected to improve the objective by more than this, in units of the objective")]
    [Range(0.0, double.MaxValue)]
    public double AtMost { get; init; } = 0.001;

    [Description("Complete trials before the model is asked")]
    [Range(2, 1_000_000)]
    public int MinTrials { get; init; } = 30;

    [Description("It is asked again after so many more complete trials; its time grows with their cube")]
    [Range(1, 1_000_000)]
    public int EveryTrials { get; init; } = 5;
}

/// <summary>
/// The greatest expected improvement over the best trial that a Gaussian process of all complete trials sees anywhere in the space, as a rule to stop by:
/// Nguyen et al., "Regret for Expected Improvement over the Best-Observed Value and Stopping Condition", ACML 2017; its kin by confidence bounds is Makarova
/// et al., "Automatic Termination for Hyperparameter Optimization", AutoML 2022. Whichever sampler suggests, and without running trials: what they may bring
/// is still to be expected. With constraints it counts times the probability that they hold. Where all values are the same, nothing is expected.
/// </summary>
internal static class ExpectedImprovement
{
    /// <summary>In units of the first objective; null while there is no feasible trial to improve on.</summary>
    /// <param name="history">Space and directions.</param>
    /// <param name="complete">By number; those of other studies teach, but are not what is to be improved on.</param>
    /// <param name="seed">The study's: where the search begins.</param>
    public static double? Greatest(StudyHistory history, StudyTrial[] complete, long seed)
    {
        if (complete.Length == 0) return null;
        var model = new GpStudyModel(history.Space, [[.. complete.Select(t => history.Loss(t))]], complete, [], [[]], t => !t.IsImported);
        if (!model.HasBest) return null;
        var random = new CounterRandom(seed, RandomPurpose.Search, SamplerStreams.Improvement, complete.Length);
        double[] point = model.Maximize(seed, SamplerStreams.Improvement, ref random);
        return model.Deviation * Math.Exp(model.LogImprovement(point));
    }

    /// <summary>Why a study cannot be ended by it; nothing where it can.</summary>
    public static IEnumerable<SpecViolation> Check(ExpectedImprovementSection section, SearchSpace space, int objectives, int? trials)
    {
        const string path = "study.stop.expected_improvement";
        if (objectives > 1)
            yield return new(path, $"is for one objective, but the study has {objectives}; leave it away, and use trials or stop.max_seconds");
        if (section.MinTrials > trials)
            yield return new(path + ".min_trials", $"is {section.MinTrials}, but study.trials is {trials}, so that it would never be asked; give less");
        if (space.Parameters.FirstOrDefault(p => p.When is not null) is { } conditional)
        {
            yield return new(path,
                $"knows only parameters that always have a value, and {conditional.Name} has a condition; leave it away, and use stop.patience");
        }
        else if (GpStudyModel.Modelled(space).Length is var modelled && (modelled == 0 || modelled > SobolSequence.MaxDimensions))
        {
            yield return new(path,
                $"is for 1 to {SobolSequence.MaxDimensions} parameters with more than one value, but the space has {modelled}; leave it away");
        }
    }
}
