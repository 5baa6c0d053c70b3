using System.Collections.Immutable;
using DistOpt.Core.Importance;
using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;

namespace DistOpt.Core.Tests.Importance;

public sealed class PedAnovaTests
{
    /// <summary>The study of <c>Fixtures/ped_anova_fixture.py</c>, in the order of its distributions.</summary>
    private static readonly SearchSpace s_peer = new(
    [
        new("real", new FloatDomain(-1, 3)), new("rate", new FloatDomain(1e-5, 1e-1, log: true)), new("step", new FloatDomain(0, 1, 0.25)),
        new("whole", new IntDomain(1, 9)), new("many", new IntDomain(1, 200)), new("width", new IntDomain(4, 1000, log: true)),
        new("kind", new ChoiceDomain(["a", "b", "c"])), new("only_a", new FloatDomain(0, 1), new Condition("kind", Among: [0])),
    ]);

    public static TheoryData<int, double, double[]> Peer { get; } = new()
    {
        {
            150, 0.1,
            [
                0.009585563456543177, 0.007178404099971969, 0.0005366571823870385, 0.0007565196363962573, 0.01850011509675033, 0.0002629724060096791,
                5.498474826240186e-05, 0.0006307364046622356,
            ]
        },
        {
            40, 0.25,
            [
                0.02372695234070699, 0.0177380123170366, 0.010007143919845644, 0.008612443736949095, 0.02734451761373127, 0.0023133457455453577,
                0.001204466666413177, 0.012326131885394349,
            ]
        },
        {
            7, 0.5,
            [
                0.010413186597906349, 0.06669279447557053, 0.0006268888639692892, 0.021219599667758684, 0.005239606496324242, 0.007508771809758096,
                0.011475218658854947, 0.4010275833341464,
            ]
        },
    };

    [Theory]
    [MemberData(nameof(Peer))]
    public void Importances_are_those_of_the_peer(int trials, double quantile, double[] expected)
    {
        var configurations = Enumerable.Range(0, trials).Select(Configuration).ToArray();
        double[] importances = PedAnova.Of(s_peer, configurations, PedAnova.Best([.. configurations.Select(Value)], quantile));
        Assert.Equal(expected, importances, (a, b) => Math.Abs(a - b) <= 1e-9 * Math.Abs(a));
    }

    /// <summary>
    /// Four trials, two of each choice, and both of the one are the best. All: (2 + 2 kernels (1/3, lifted by 1) and a flat one) = 1/2 each. Best: two kernels
    /// with rows (1 + 1/2, 1/2) / 2 and a flat one: (2 * 3/4 + 1/2) / 3 = 2/3 and 1/3. Divergence: 1/2 (1/3)^2 * 2 = 1/9; times (2/4)^2.
    /// </summary>
    [Fact]
    public void A_choice_that_only_the_best_made_counts_as_worked_out_by_hand()
    {
        var space = new SearchSpace([new("c", new ChoiceDomain(["a", "b"])), new("one", new IntDomain(1, 1))]);
        double[] importances = PedAnova.Of(space, [[0, 1], [0, 1], [1, 1], [1, 1]], [true, true, false, false]);
        Assert.Equal(1 / 36.0, importances[0], 1e-10);
        Assert.Equal(0, importances[1]);
    }

    [Fact]
    public void Where_all_are_the_best_or_none_nothing_matters()
    {
        ImmutableArray<double>[] configurations = [.. Enumerable.Range(0, 20).Select(Configuration)];
        Assert.All(PedAnova.Of(s_peer, configurations, [.. configurations.Select(_ => false)]), i => Assert.Equal(0, i));
        var always = PedAnova.Of(s_peer, configurations, [.. configurations.Select(_ => true)]);
        Assert.All(always, i => Assert.InRange(i, 0, 1e-20));
    }

    /// <summary>
    /// Shares of what is worked out by hand above: one parameter has all of it, whatever is drawn, unless no trial of the one choice is.
    /// </summary>
    [Fact]
    public void Shares_add_up_to_one_and_are_sure_where_there_is_nothing_to_be_unsure_of()
    {
        var space = new SearchSpace([new("c", new ChoiceDomain(["a", "b"])), new("one", new IntDomain(1, 1))]);
        ImmutableArray<double>[] ranked = [.. Enumerable.Range(0, 40).Select(i => ImmutableArray.Create<double>(i < 20 ? 0 : 1, 1))];
        Assert.Equal([new Uncertain(1, 0), new Uncertain(0, 0)], PedAnova.Shares(space, ranked, 20, 7));
        Assert.Equal([default, default], PedAnova.Shares(space, ranked, 0, 7));
        Assert.Equal([default, default], PedAnova.Shares(space, [], 0, 7));
    }

    /// <summary>The deviation of a share is how it varies over studies that are drawn anew, for which bootstrap samples stand.</summary>
    [Fact]
    public void The_deviation_is_about_that_over_studies_that_are_drawn_anew()
    {
        double[] values = [.. Enumerable.Range(0, 60).Select(study => Shares(study)[0].Mean)];
        double expected = Uncertain.Of(values).Deviation, found = Enumerable.Range(0, 60).Average(study => Shares(study)[0].Deviation);
        Assert.InRange(found, 0.5 * expected, 2 * expected);
        Assert.NotEqual(Shares(0, 7)[0].Deviation, Shares(0, 8)[0].Deviation);
        Assert.Equal(Shares(0, 7)[0].Mean, Shares(0, 8)[0].Mean);

        Uncertain[] Shares(int study, long seed = 7)
        {
            var random = new CounterRandom(study, RandomPurpose.User);
            var space = new SearchSpace([new("x", new FloatDomain(0, 1)), new("y", new FloatDomain(0, 1))]);
            var trials = new List<ImmutableArray<double>>();
            for (int i = 0; i < 200; i++) trials.Add([random.NextDouble(), random.NextDouble()]);
            return PedAnova.Shares(space, [.. trials.OrderBy(p => p[0] + 0.5 * p[1])], 20, seed);
        }
    }

    [Fact]
    public void Neighbours_of_ordered_choices_are_alike()
    {
        double Of(bool ordered, int other)
        {
            var space = new SearchSpace([new("c", new ChoiceDomain([1L, 2L, 3L, 4L, 5L, 6L], ordered))]);
            ImmutableArray<double>[] configurations = [.. Enumerable.Range(0, 60).Select(i => ImmutableArray.Create<double>(i % 6))];
            return PedAnova.Of(space, configurations, [.. configurations.Select(c => c[0] is 2 || c[0] == other)])[0];
        }

        Assert.NotEqual(Of(true, 3), Of(true, 5));
        Assert.Equal(Of(false, 3), Of(false, 5), 1e-12);
    }

    [Fact]
    public void The_best_are_those_up_to_the_value_of_the_last_one_that_belongs_to_the_share()
    {
        Assert.Equal([false, true, false, true, true], PedAnova.Best([5, 1, 4, 2, 2], 0.4));
        Assert.Equal([true, true], PedAnova.Best([1, 2], 1));
        Assert.Empty(PedAnova.Best([], 0.5));
        Assert.Throws<ArgumentOutOfRangeException>(() => PedAnova.Best([1], 0));
    }

    private static double Unit(int i, int prime) => i * Math.Sqrt(prime) % 1;

    private static ImmutableArray<double> Configuration(int i)
    {
        int kind = (int)(3 * Unit(i, 17));
        return
        [
            -1 + 4 * Unit(i, 2), 1e-5 * Math.Pow(1e4, Unit(i, 3)), 0.25 * (int)(5 * Unit(i, 5)), 1 + (int)(9 * Unit(i, 7)), 1 + (int)(200 * Unit(i, 11)),
            Math.Min(1000, (int)(4 * Math.Pow(250, Unit(i, 13)))), kind, kind == 0 ? Unit(i, 19) : double.NaN,
        ];
    }

    private static double Value(ImmutableArray<double> p) => Math.Pow(p[0] - 0.7, 2) + 0.5 * Math.Pow(Math.Log10(p[1]) + 3, 2) + p[2] + 0.2 * Math.Abs(p[3] - 4)
        + 0.01 * p[4] + 0.1 * Math.Log2(p[5]) + (p[6] == 1 ? 0.4 : p[6] == 2 ? 0.9 : p[7]);
}
