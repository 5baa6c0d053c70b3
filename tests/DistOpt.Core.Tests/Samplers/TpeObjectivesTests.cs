using DistOpt.Core.MultiObjective;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Functions;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>The tree-structured Parzen estimator of studies with several objectives.</summary>
public sealed class TpeObjectivesTests
{
    private static readonly SearchSpace s_plane = new([new("x", new FloatDomain(0, 1)), new("y", new FloatDomain(0, 1))]);

    private static readonly (string Name, SearchSpace Space, Func<double[], double[]> Values, double[] Reference)[] s_functions =
    [
        ("zdt1, 4", new SearchSpace(Enumerable.Range(0, 4).Select(i => new SearchParameter($"x{i}", new FloatDomain(0, 1)))), Zdt1, [1.1, 10]),
        ("distances from two points, with a choice", new SearchSpace(
        [
            new("x", new FloatDomain(-4, 4)), new("y", new FloatDomain(-4, 4)), new("kind", new ChoiceDomain(["a", "b", "c"])),
            new("rate", new FloatDomain(1e-5, 1, log: true), new Condition("kind", Among: [1])),
        ]), Distances, [40, 40]),
    ];

    public static TheoryData<string, TpeOptions> Cases
    {
        get
        {
            var cases = new TheoryData<string, TpeOptions>();
            foreach (var (name, _, _, _) in s_functions) cases.Add(name, new TpeOptions());
            cases.Add(s_functions[0].Name, new TpeOptions { GoodWeights = GoodWeights.Hypervolume, ConstantLiar = false });
            cases.Add(s_functions[0].Name, new TpeOptions { Multivariate = true });
            return cases;
        }
    }

    /// <summary>20 seeds, 80 trials each, by the signed-rank test of the volumes.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void Its_front_dominates_more_than_that_of_random(string name, TpeOptions options)
    {
        var (_, space, values, reference) = s_functions.Single(f => f.Name == name);
        double[] tpe = [.. Enumerable.Range(0, 20).Select(seed => -Volume(new TpeSampler(options), seed))];
        double[] random = [.. Enumerable.Range(0, 20).Select(seed => -Volume(new RandomSampler(), seed))];
        Assert.True(SamplerFigures.Compare(tpe, random) == Verdict.Better, $"medians {-SamplerFigures.Median(tpe)} and {-SamplerFigures.Median(random)}");

        double Volume(ISampler sampler, int seed) => Hypervolume.Of(Run(sampler, space, values, seed, 80).Trials.Select(t => t.Values.ToArray()), reference);
    }

    /// <summary>Of 40 trials 4 are good: those on the front, whose x and y are near 0.1 or near 0.9, where all others' are between.</summary>
    [Fact]
    public void Suggestions_are_near_the_front_and_of_each_parameter_by_itself()
    {
        var history = new StudyHistory(s_plane, Direction.Minimize, Direction.Maximize);
        for (int i = 0; i < 40; i++)
        {
            bool isGood = i % 10 == 3;
            double x = isGood ? (i < 20 ? 0.1 : 0.9) + i / 1000.0 : 0.3 + 0.4 * i / 40;
            double[] values = isGood ? [i, i] : [100 + i, -i];
            history.Set(new StudyTrial { Number = i, State = TrialState.Complete, Parameters = [x, x], Values = [.. values] });
        }
        double[][] own = Suggested(new TpeOptions());
        Assert.All(own, v => Assert.True(Math.Abs(v[0] - 0.5) > 0.25 && Math.Abs(v[1] - 0.5) > 0.25));
        Assert.Equal(Suggested(new TpeOptions { Multivariate = false }), own);
        Assert.NotEqual(Suggested(new TpeOptions { Multivariate = true }), own);

        double[][] Suggested(TpeOptions options) => [.. Enumerable.Range(40, 30).Select(number =>
        {
            double[] values = new double[2];
            new TpeSampler(options).Suggest(history, 1, number, values);
            return values;
        })];
    }

    [Fact]
    public void A_study_of_four_objectives_that_are_not_always_finite_goes_on()
    {
        var space = new SearchSpace([new("x", new FloatDomain(0, 1)), new("n", new IntDomain(0, 5))]);
        var history = Run(new TpeSampler(new TpeOptions { GoodWeights = GoodWeights.Hypervolume }), space,
            v => [v[0] < 0.2 ? double.PositiveInfinity : v[0], 1 - v[0], v[1], v[1] == 4 ? double.NegativeInfinity : -v[1]], 1, 60, objectives: 4);
        Assert.All(history.Trials, t => Assert.Empty(space.Check([.. t.Parameters])));
        Assert.True(history.Trials.Skip(30).Count(t => t.Parameters[1] == 4) > 10);
    }

    /// <summary>Parameters that trials define while they run, with the same numbers for the same seed.</summary>
    [Fact]
    public async Task Trials_that_define_their_parameters_have_several_objectives_too()
    {
        async Task<double[][]> RunAsync(string sampler)
        {
            var study = new FunctionStudy(new FunctionStudyOptions
            {
                Trials = 80,
                Seed = 4,
                Sampler = new(sampler),
                Directions = [Direction.Minimize, Direction.Maximize],
            });
            await study.RunAsync((trial, _) =>
            {
                double x = trial.SuggestFloat("x", -4, 4), y = trial.SuggestFloat("y", -4, 4);
                double rest = trial.SuggestCategorical("kind", "a", "b") == "a" ? Math.Abs(trial.SuggestFloat("z", -3, 3)) : 4;
                return Task.FromResult<double[]>([x * x + y * y + rest, -((x - 1) * (x - 1) + y * y + rest)]);
            }, cancellationToken: TestContext.Current.CancellationToken);
            return [.. study.Trials.Select(t => new[] { t.Values[0], -t.Values[1] })];
        }

        double[][] tpe = await RunAsync("tpe");
        Assert.Equal(tpe, await RunAsync("tpe"));
        Assert.True(Hypervolume.Of(tpe, [8, 8]) > Hypervolume.Of(await RunAsync("random"), [8, 8]));
    }

    private static double[] Zdt1(double[] x)
    {
        double g = 1 + 9 * x[1..].Average();
        return [x[0], g * (1 - Math.Sqrt(x[0] / g))];
    }

    private static double[] Distances(double[] x)
    {
        double rest = x[2] == 1 ? Math.Pow(Math.Log10(x[3]) + 3, 2) : 3 + x[2];
        return [Math.Pow(x[0] - 1, 2) + Math.Pow(x[1], 2) + rest, Math.Pow(x[0] + 1, 2) + Math.Pow(x[1] - 1, 2) + rest];
    }

    private static StudyHistory Run(ISampler sampler, SearchSpace space, Func<double[], double[]> function, int seed, int trials, int objectives = 2)
    {
        var history = new StudyHistory(space, [.. Enumerable.Repeat(Direction.Minimize, objectives)]);
        double[] values = new double[space.Count];
        for (int i = 0; i < trials; i++)
        {
            sampler.Suggest(history, seed, i, values);
            history.Set(new StudyTrial { Number = i, State = TrialState.Complete, Parameters = [.. values], Values = [.. function(values)] });
        }
        return history;
    }
}
