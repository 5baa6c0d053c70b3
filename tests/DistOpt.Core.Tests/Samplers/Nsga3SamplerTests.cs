using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Tests.Samplers;

public sealed class Nsga3SamplerTests
{
    private static readonly SearchSpace s_space = new(Enumerable.Range(0, 7).Select(i => new SearchParameter($"x{i}", new FloatDomain(0, 1))));

    /// <summary>DTLZ2 (Deb et al. 2005) with four objectives: the front is the part of the unit sphere where all are positive.</summary>
    [Fact]
    public void It_comes_nearer_to_the_front_of_dtlz2_than_random_does_and_spreads_over_more_directions_than_nsga2()
    {
        var (third, thirdParents) = Run(new Nsga3Sampler(new Nsga3Options { Population = 20 }));
        var (second, secondParents) = Run(new Nsga2Sampler(new Nsga2Options { Population = 20 }));
        var (random, _) = Run(new RandomSampler());
        double Distance(StudyHistory history) => history.Trials.Skip(300).Average(t => Math.Abs(Math.Sqrt(t.Values.Sum(v => v * v)) - 1));
        Assert.True(Distance(third) < 0.6 * Distance(random), $"{Distance(third)} against {Distance(random)}");
        int of3 = Directions(third, thirdParents), of2 = Directions(second, secondParents);
        Assert.True(of3 > of2, $"{of3} of 20 directions against {of2}");
    }

    [Fact]
    public void The_same_study_has_the_same_parents_also_when_it_is_read_again()
    {
        var sampler = new Nsga3Sampler(new Nsga3Options { Population = 20 });
        var (history, parents) = Run(sampler);
        Assert.Equal(20, parents.Distinct().Count());
        Assert.Equal(parents, new Nsga3Sampler(new Nsga3Options { Population = 20 }).Parents(history));
        Assert.NotEqual(parents, new Nsga3Sampler(new Nsga3Options { Population = 20 }).Parents(history, seed: 2));
    }

    /// <summary>Reference lines that have one of the parents.</summary>
    private static int Directions(StudyHistory history, IReadOnlyList<int> parents)
    {
        double[][] references = ReferencePoints.Of(4, 3);
        return parents.Select(p => ReferencePoints.Nearest(references, [.. history.Trials[p].Values]).Line).Distinct().Count();
    }

    private static (StudyHistory History, IReadOnlyList<int> Parents) Run(ISampler sampler)
    {
        var history = new StudyHistory(s_space, Direction.Minimize, Direction.Minimize, Direction.Minimize, Direction.Minimize);
        double[] values = new double[7];
        for (int i = 0; i < 400; i++)
        {
            sampler.Suggest(history, 1, i, values);
            history.Set(new StudyTrial { Number = i, State = TrialState.Complete, Parameters = [.. values], Values = [.. Dtlz2(values)] });
        }
        return (history, sampler is GeneticSampler genetic ? genetic.Parents(history) : []);
    }

    private static double[] Dtlz2(double[] x)
    {
        double g = 1 + x.Skip(3).Sum(v => (v - 0.5) * (v - 0.5));
        double[] angles = [.. x.Take(3).Select(v => v * Math.PI / 2)];
        return
        [
            g * Math.Cos(angles[0]) * Math.Cos(angles[1]) * Math.Cos(angles[2]), g * Math.Cos(angles[0]) * Math.Cos(angles[1]) * Math.Sin(angles[2]),
            g * Math.Cos(angles[0]) * Math.Sin(angles[1]), g * Math.Sin(angles[0]),
        ];
    }
}
