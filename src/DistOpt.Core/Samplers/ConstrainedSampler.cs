using System.Collections.Immutable;
using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Samplers;

/// <summary>
/// Another sampler's suggestions that keep to constraints on parameters: where one does not, the sampler is asked for other draws, and then random
/// configurations are drawn. Still a function of history, seed and number.
/// </summary>
public sealed class ConstrainedSampler(ISampler sampler, ImmutableArray<ParameterConstraint> constraints) : ISampler
{
    /// <summary>How often the sampler is asked for another draw.</summary>
    internal const int Asked = 16;

    /// <summary>How many random configurations are drawn after that.</summary>
    private const int Drawn = 100_000;

    /// <summary>A sampler that keeps to constraints. A grid leaves out what breaks one, and ends without it.</summary>
    /// <param name="sampler">Any.</param>
    /// <param name="constraints">None = it is the sampler as it is.</param>
    public static ISampler Of(ISampler sampler, ImmutableArray<ParameterConstraint> constraints)
    {
        ArgumentNullException.ThrowIfNull(sampler);
        if (constraints.IsEmpty) return sampler;
        return sampler is GridSampler ? new GridSampler(values => ParameterConstraint.Hold(constraints, values)) : new ConstrainedSampler(sampler, constraints);
    }

    public IEnumerable<SpecViolation> Check(SearchSpace space, int objectives) => sampler.Check(space, objectives);

    public bool KeepsCourse(StudyHistory history) => sampler.KeepsCourse(history);

    public bool NeedsRungs => sampler.NeedsRungs;

    public bool HasMore(StudyHistory history) => sampler.HasMore(history);

    /// <exception cref="SpecException">No configuration was found that keeps to them.</exception>
    public void Suggest(StudyHistory history, long seed, int number, Span<double> values)
    {
        sampler.Suggest(history, seed, number, values);
        for (int attempt = 1; !ParameterConstraint.Hold(constraints, values); attempt++)
        {
            if (attempt > Asked + Drawn) throw Nothing(number);
            if (attempt <= Asked)
            {
                sampler.Draw(history, seed, number, attempt, values);
                continue;
            }
            var random = new CounterRandom(seed, RandomPurpose.Search, number, attempt);
            RandomSampler.Fill(history.Space, ref random, values);
        }
    }

    private static SpecException Nothing(int number) => new("study.constraints",
        $"leave hardly any configuration: {Drawn} random ones for trial {number} all break one; widen them, or the space");
}
