using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Samplers;

/// <summary>Options of <c>nsga3</c>; defaults as Optuna's NSGAIIISampler.</summary>
public sealed record Nsga3Options : GeneticOptions
{
    [Description("Parts into which each objective's axis is divided for the reference points, of which there are C(objectives + divisions - 1, divisions)")]
    [Range(1, 12)]
    public int Divisions { get; init; } = 3;
}

/// <summary>
/// <c>nsga2</c> for many objectives (Deb and Jain 2014), where almost all points are on the first front and crowding says little: of a front that does not fit
/// those are kept that fill the directions of evenly spread reference points (<see cref="ReferencePoints"/>).
/// </summary>
public sealed class Nsga3Sampler(Nsga3Options options) : GeneticSampler(options)
{
    private double[][] _references = [];

    private protected override List<int> Choose(IReadOnlyList<double[]> kept, IReadOnlyList<double[]> front, IReadOnlyList<int> numbers, int count, long seed)
    {
        int objectives = front[0].Length;
        if (_references.Length == 0 || _references[0].Length != objectives) _references = ReferencePoints.Of(objectives, options.Divisions);
        var random = new CounterRandom(seed, RandomPurpose.Search, SamplerStreams.Niches, numbers.Max());
        return ReferencePoints.Choose(_references, kept, front, count, ref random);
    }
}
