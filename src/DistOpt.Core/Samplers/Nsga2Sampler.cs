using DistOpt.Core.MultiObjective;

namespace DistOpt.Core.Samplers;

/// <summary>Options of <c>nsga2</c>; defaults as Optuna's NSGAIISampler.</summary>
public sealed record Nsga2Options : GeneticOptions;

/// <summary><see cref="GeneticSampler"/> that keeps of a front that does not fit those with the most room around them: by crowding distance.</summary>
public sealed class Nsga2Sampler(Nsga2Options options) : GeneticSampler(options)
{
    private protected override List<int> Choose(IReadOnlyList<double[]> kept, IReadOnlyList<double[]> front, IReadOnlyList<int> numbers, int count, long seed)
    {
        double[] distances = Domination.CrowdingDistances([.. front]);
        return [.. Enumerable.Range(0, front.Count).OrderByDescending(i => distances[i]).ThenBy(i => numbers[i]).Take(count)];
    }
}
