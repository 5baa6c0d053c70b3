using System.ComponentModel;
using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Samplers;

/// <summary>Options of <c>sobol</c>.</summary>
public sealed record SobolOptions
{
    [Description("How the points are made random: owen, shift (all by the same bits), or none (the published sequence, whatever the seed)")]
    public Scrambling Scrambling { get; init; } = Scrambling.Owen;
}

/// <summary>
/// Points that fill the space evenly: trial n has point n of a Sobol sequence, with one dimension for each parameter, so trials that are suggested at
/// the same time never have the same point, and each power of two of them is balanced. Works on the domains' own scales.
/// </summary>
public sealed class SobolSampler(SobolOptions options) : ISampler
{
    public IEnumerable<SpecViolation> Check(SearchSpace space, int objectives) => space.Count <= SobolSequence.MaxDimensions ? []
        : [new SpecViolation("study.sampler", $"is sobol, which is for at most {SobolSequence.MaxDimensions} parameters, but the space has {space.Count}")];

    public bool KeepsCourse(StudyHistory history) => true;

    public void Suggest(StudyHistory history, long seed, int number, Span<double> values)
    {
        var space = history.Space;
        values.Fill(double.NaN);
        uint point = (uint)(number - history.Imported);
        for (int i = 0; i < space.Count; i++)
        {
            if (!space.IsActive(i, values)) continue;
            double unit = SobolSequence.At(point, i, options.Scrambling, RandomKey.Of(seed, RandomPurpose.Search, SamplerStreams.Scrambling, i));
            values[i] = space.Parameters[i].Domain.FromUnit(unit);
        }
    }
}
