using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>Choices in an order are searched as what their indices are: integers.</summary>
public sealed class OrderedChoiceTests
{
    private static readonly ChoiceDomain s_sizes = new([8L, 16L, 32L, 64L, 128L, 256L, 512L], IsOrdered: true);

    private static readonly (string Name, int Trials, Func<ISampler> Create)[] s_samplers =
    [
        ("tpe", 60, () => new TpeSampler(new TpeOptions())),
        ("tpe, each by itself", 60, () => new TpeSampler(new TpeOptions { Multivariate = false, Bandwidth = Bandwidth.Scott })),
        ("gp", 25, () => new GpSampler(new GpOptions())),
        ("cma-es", 80, () => new CmaEsSampler(new CmaEsOptions())),
        ("cma-es, warm", 60, () => new CmaEsSampler(new CmaEsOptions { WarmStartTrials = 20 })),
        ("auto", 40, () => new AutoSampler(new AutoOptions { GpTrials = 15 })),
    ];

    public static TheoryData<string> Samplers => [.. s_samplers.Select(s => s.Name)];

    [Theory, MemberData(nameof(Samplers))]
    public void Every_suggestion_is_that_for_an_integer_and_not_that_for_choices_without_an_order(string name)
    {
        double[][] ordered = Run(name, s_sizes), integers = Run(name, new IntDomain(0, 6));
        Assert.Equal(integers, ordered);
        Assert.NotEqual(integers, Run(name, s_sizes with { IsOrdered = false }));
        // values stay indices of the choices, as journals and exports have them
        Assert.All(ordered, values => Assert.True(s_sizes.Contains(values[1])));
        Assert.True(ordered.Skip(15).Count(v => v[1] is 3 or 4) > (ordered.Length - 15) / 2);
    }

    /// <summary>Three trials at neighbours of a choice that nobody has tried speak for it, where they say nothing of it without an order.</summary>
    [Fact]
    public void A_choice_between_good_ones_is_likely_before_it_was_tried()
    {
        double[] Densities(bool isOrdered)
        {
            var history = new StudyHistory(new SearchSpace([new("size", s_sizes with { IsOrdered = isOrdered })]), Direction.Minimize);
            foreach (int index in new[] { 2, 4, 4 })
                history.Set(new StudyTrial { Number = history.Trials.Count, State = TrialState.Complete, Parameters = [index], Values = [0] });
            var estimator = new ParzenEstimator(1, false, Bandwidth.Gaps);
            estimator.Fit(history, [0], [true, true, true]);
            double[] densities = new double[7];
            estimator.LogDensities([0, 1, 2, 3, 4, 5, 6], densities);
            Assert.Equal(1, densities.Sum(Math.Exp), 1e-12);
            return densities;
        }

        double[] ordered = Densities(true), without = Densities(false);
        Assert.True(ordered[3] > ordered[6] + 0.5, $"{ordered[3]} and {ordered[6]}");
        Assert.Equal(without[3], without[6], 1e-12);
    }

    [Fact]
    public void With_a_choice_in_an_order_alone_there_is_something_for_cma_es_and_without_one_there_is_not()
    {
        var sampler = new CmaEsSampler(new CmaEsOptions());
        Assert.Empty(sampler.Check(new SearchSpace([new("size", s_sizes)]), 1));
        Assert.Single(sampler.Check(new SearchSpace([new("size", s_sizes with { IsOrdered = false })]), 1));
    }

    private static double[][] Run(string name, Domain size)
    {
        var (_, trials, create) = s_samplers.Single(s => s.Name == name);
        var space = new SearchSpace([new("rate", new FloatDomain(1e-4, 1, log: true)), new("size", size), new("layers", new IntDomain(1, 4))]);
        var history = new StudyHistory(space, Direction.Minimize);
        var sampler = create();
        double[] values = new double[3];
        for (int i = 0; i < trials; i++)
        {
            sampler.Suggest(history, 2, i, values);
            double value = Math.Pow(Math.Log10(values[0]) + 2, 2) + Math.Pow(values[1] - 3.4, 2) / 4 + (values[2] - 1) / 5;
            history.Set(new StudyTrial { Number = i, State = TrialState.Complete, Parameters = [.. values], Values = [value] });
        }
        return [.. history.Trials.Select(t => t.Parameters.ToArray())];
    }
}
