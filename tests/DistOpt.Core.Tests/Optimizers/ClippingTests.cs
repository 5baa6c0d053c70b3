using DistOpt.Core.Optimizers;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Tests.Optimizers;

/// <summary>
/// Steps of plain sgd with an L2 penalty and clipping, against an independent update in float64. In every combination, the same stages in another
/// order, and fewer of them, end elsewhere.
/// </summary>
public sealed class ClippingTests
{
    private const int Steps = 3;
    private const double Rate = 0.5;

    // chosen so that each acts in every combination; after clipping by value, the norms of biases are below the bound and those of kernels above
    private const double L2 = 0.3;
    private const double Value = 2;
    private const double Norm = 15;
    private const double GlobalNorm = 10;

    private static readonly string[] Stages = ["penalty", "value", "norm", "global norm"];

    private static readonly double[][] Gradients =
        [.. Enumerable.Range(1, Steps).Select(t => Enumerable.Range(0, 5000).Select(i => (double)OptimizerRun.GradientAt(t, i)).ToArray())];

    public static TheoryData<string> Sets =>
        [.. Enumerable.Range(1, (1 << Stages.Length) - 1).Select(set => string.Join('+', Stages.Where((_, i) => (set >> i & 1) == 1)))];

    [Theory, MemberData(nameof(Sets))]
    public void A_penalty_comes_first_then_clipping_by_value_by_tensor_and_by_the_global_norm(string set)
    {
        string[] stages = set.Split('+');
        var run = Run(new TrainingSpec
        {
            Regularization = new RegularizationSection { L2 = stages.Contains("penalty") ? L2 : 0 },
            Clip = new ClipSection
            {
                Value = stages.Contains("value") ? Value : null,
                Norm = stages.Contains("norm") ? Norm : null,
                GlobalNorm = stages.Contains("global norm") ? GlobalNorm : null,
            },
        });
        double[] first = [.. run.Parameters.Select(p => (double)p)];
        for (int t = 1; t <= Steps; t++) run.Step(t, 0.25f);
        Assert.InRange(Distance(Reference(first, stages), run.Parameters), 0, 2e-5);
        foreach (string[] other in Arrangements(stages).Where(a => !a.SequenceEqual(stages)))
            Assert.True(Distance(Reference(first, other), run.Parameters) > 1e-2, $"{string.Join(", ", other)} ends at the same weights");
    }

    /// <summary>As torch.nn.utils.clip_grad_norm_: bound / (norm + 1e-6), which shows where norms are as small.</summary>
    [Theory]
    [InlineData(1e-6, null, 0.25)]
    [InlineData(null, 1e-6, 0.25)]
    [InlineData(1e-6, 0.5e-6, 0.25 * 0.5 / 1.75)]
    public void A_millionth_is_added_to_the_norm(double? norm, double? global, double factor)
    {
        var rule = new UpdateRule(new Sgd(new SgdOptions()), new TrainingSpec { Clip = new ClipSection { Norm = norm, GlobalNorm = global } });
        var run = new OptimizerRun(rule, OptimizerRun.Of(("weight", [3, 3]))) { Rate = _ => 1e6 };
        Array.Clear(run.Parameters);
        // nine elements of 1e-6: a norm of 3e-6
        run.Step(1, 1, Enumerable.Repeat(1e-6f, 9).ToArray());
        Assert.All(run.Parameters, w => Assert.Equal(-factor, w, 1e-6));
    }

    [Fact]
    public void Bounds_that_nothing_reaches_change_no_bit()
    {
        var plain = Run(new TrainingSpec());
        var clipped = Run(new TrainingSpec { Clip = new ClipSection { Value = 1e6, Norm = 1e6, GlobalNorm = 1e6 } });
        for (int t = 1; t <= Steps; t++)
        {
            plain.Step(t);
            clipped.Step(t);
        }
        Assert.Equal(plain.Bits(), clipped.Bits());
    }

    private static OptimizerRun Run(TrainingSpec spec) =>
        new(new UpdateRule(new Sgd(new SgdOptions()), spec), OptimizerRun.Network) { Rate = _ => Rate };

    private static double[] Reference(double[] first, string[] stages)
    {
        double[] w = [.. first];
        foreach (double[] gradient in Gradients)
        {
            double[] g = [.. gradient];
            foreach (string stage in stages) Pass(stage, w, g);
            for (int i = 0; i < w.Length; i++) w[i] -= Rate * g[i];
        }
        return w;
    }

    private static void Pass(string stage, double[] w, double[] g)
    {
        if (stage == "global norm") Shorten(g, GlobalNorm);
        foreach (var tensor in OptimizerRun.Network.Parameters)
        {
            var (begin, length) = ((int)tensor.Offset, (int)tensor.Length);
            var own = g.AsSpan(begin, length);
            if (stage == "norm") Shorten(own, Norm);
            for (int i = 0; i < length; i++)
            {
                if (stage == "penalty" && tensor.Shape.Length >= 2) own[i] += 2 * L2 * w[begin + i];
                if (stage == "value") own[i] = Math.Clamp(own[i], -Value, Value);
            }
        }
    }

    private static void Shorten(Span<double> g, double bound)
    {
        double squares = 0;
        foreach (double x in g) squares += x * x;
        double factor = bound / (Math.Sqrt(squares) + 1e-6);
        if (factor >= 1) return;
        foreach (ref double x in g) x *= factor;
    }

    private static double Distance(double[] expected, float[] actual) => expected.Zip(actual, (a, b) => Math.Abs(a - b)).Max();

    /// <summary>Some of the stages, or none, in any order.</summary>
    private static IEnumerable<string[]> Arrangements(string[] stages) =>
        stages.SelectMany(first => Arrangements([.. stages.Where(s => s != first)]).Select(rest => (string[])[first, .. rest])).Prepend([]);
}
