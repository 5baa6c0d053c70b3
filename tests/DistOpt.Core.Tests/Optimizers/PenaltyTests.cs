using System.Reflection;
using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;
using DistOpt.Core.Randomness;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Optimizers;

/// <summary>
/// The gradient of every penalty against finite differences of the published sum in float64, over all weights of a model, so that it is seen which
/// tensors it holds for.
/// </summary>
public sealed class PenaltyTests
{
    private static readonly ParameterLayout Layout = new(
        [new TensorSlot("a.weight", [6, 7], 0, 42), new TensorSlot("a.bias", [7], 42, 7),
            new TensorSlot("b.weight", [3, 2, 2], 49, 12), new TensorSlot("b.scale", [], 61, 1)],
        []);

    /// <summary>A penalty's term for one weight, by the name of the field with its factor. A new factor must come here.</summary>
    private static readonly Dictionary<string, Func<RegularizationSection, double, double>> Published = new()
    {
        [nameof(RegularizationSection.L1)] = (r, w) => r.L1 * Math.Abs(w),
        [nameof(RegularizationSection.L2)] = (r, w) => r.L2 * w * w,
        [nameof(RegularizationSection.Power)] = (r, w) => r.Power * Math.Pow(Math.Abs(w), r.PowerExponent),
    };

    private static PropertyInfo[] Factors => [.. typeof(RegularizationSection).GetProperties()
        .Where(p => p.PropertyType == typeof(double) && p.Name != nameof(RegularizationSection.PowerExponent))];

    /// <summary>Each factor alone, each pair (L1 and L2: the elastic net), all of them; exponents of the power; with and without biases.</summary>
    public static TheoryData<string, double, bool> Cases
    {
        get
        {
            var data = new TheoryData<string, double, bool>();
            int all = 1 << Factors.Length;
            for (int set = 1; set < all; set++)
            {
                string names = string.Join('+', Factors.Where((_, i) => (set >> i & 1) == 1).Select(p => p.Name));
                bool isPower = names.Contains(nameof(RegularizationSection.Power), StringComparison.Ordinal);
                foreach (double exponent in isPower ? (double[])[1, 1.5, 2, 2.5, 3, 4, 5, 16] : [4])
                {
                    data.Add(names, exponent, false);
                    data.Add(names, exponent, true);
                }
            }
            return data;
        }
    }

    [Fact]
    public void Every_factor_of_the_section_is_a_penalty_that_these_tests_know() =>
        Assert.Equal(Factors.Select(p => p.Name).Order(StringComparer.Ordinal), Published.Keys.Order(StringComparer.Ordinal));

    [Theory, MemberData(nameof(Cases))]
    public void The_gradient_is_that_of_the_published_sum(string names, double exponent, bool biases)
    {
        var section = Section(names, exponent, biases);
        var spec = new TrainingSpec
        {
            Regularization = section,
            // a group changes rates and decay, not the loss
            Optimizer = new OptimizerSpec { Groups = [new ParameterGroup { Match = ["b.*"], LearningRateScale = 3, WeightDecay = 0.5 }] },
        };
        var rule = new UpdateRule(new Sgd(new SgdOptions()), spec);
        double[] weights = [.. Weights().Select(w => (double)w)];
        foreach (var tensor in Layout.Parameters)
        {
            bool holds = biases || tensor.Shape.Length >= 2;
            var terms = rule.For(tensor).Terms;
            Assert.Equal(holds, terms is not null);
            for (long i = tensor.Offset; i < tensor.Range.End; i++)
            {
                double expected = FiniteDifference(section, weights, i);
                double actual = terms?.Derivative(weights[i]) ?? 0;
                Assert.Equal(expected, actual, 1e-7 * Math.Max(1, Math.Abs(expected)));
                // of a small weight the 16th power is nothing
                if (Math.Abs(weights[i]) > 0.3) Assert.Equal(holds, expected != 0);
            }
        }
    }

    /// <summary>What an optimizer sees is that gradient beside the loss's, in float32.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void The_fused_pass_adds_that_gradient_to_the_losss(string names, double exponent, bool biases)
    {
        var rule = new UpdateRule(new Sgd(new SgdOptions()), new TrainingSpec { Regularization = Section(names, exponent, biases) });
        var (weights, loss) = (Weights(), new float[Layout.ParameterCount]);
        RandomKey.Of(4, RandomPurpose.Data).FillUniform(loss);
        foreach (var tensor in Layout.Parameters)
        {
            var (begin, length) = ((int)tensor.Offset, (int)tensor.Length);
            var terms = rule.For(tensor).Terms;
            var seen = new float[length];
            FusedUpdate.Shape(new OptimizerStep(1, 1, 0.25f) { Terms = terms }, weights.AsSpan(begin, length), loss.AsSpan(begin, length), seen);
            for (int i = 0; i < length; i++)
            {
                double expected = 0.25 * loss[begin + i] + (terms?.Derivative(weights[begin + i]) ?? 0);
                Assert.Equal(expected, seen[i], 4e-6 * Math.Max(1, Math.Abs(expected)));
            }
        }
    }

    /// <summary>A weight moves to the least of the penalty and half its squared way, which is where the update without penalty has put it.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_proximal_step_ends_at_the_minimum(bool biases)
    {
        const double rate = 0.5, l1 = 0.4;
        var spec = new TrainingSpec { Regularization = new RegularizationSection { L1 = l1, L1Mode = L1Mode.Proximal, Biases = biases } };
        float[] before = Weights(), after = Weights();
        using var shard = new ParameterShard<Nothing>(after, new UpdateRule(new Sgd(new SgdOptions()), spec), Layout, new KeyRange(0, Layout.ParameterCount),
            new ReductionTree(1), _ => new float[Layout.ParameterCount]);
        shard.Push(0, new TreeNode(0, 0), new Nothing(), new LeafResult(1, []));
        shard.Apply(new StepPlan(0, 0, 0, 1, rate));
        int zeros = 0;
        foreach (var tensor in Layout.Parameters)
        {
            double penalty = biases || tensor.Shape.Length >= 2 ? rate * l1 : 0;
            for (int i = (int)tensor.Offset; i < tensor.Range.End; i++)
            {
                double Cost(double x) => (x - before[i]) * (x - before[i]) / 2 + penalty * Math.Abs(x);
                foreach (double step in new[] { -0.1, -1e-3, 1e-3, 0.1 }) Assert.True(Cost(after[i]) <= Cost(after[i] + step) + 1e-9);
                if (after[i] == 0) zeros++;
            }
        }
        Assert.InRange(zeros, 5, 30);
    }

    private static RegularizationSection Section(string names, double exponent, bool biases)
    {
        var section = new RegularizationSection { PowerExponent = exponent, Biases = biases };
        double factor = 0.3;
        foreach (string name in names.Split('+')) typeof(RegularizationSection).GetProperty(name)!.SetValue(section, factor += 0.1);
        return section;
    }

    /// <summary>Between -1.2 and 1.2, and none so near to 0 that a step would cross it.</summary>
    private static float[] Weights()
    {
        var weights = new float[Layout.ParameterCount];
        RandomKey.Of(3, RandomPurpose.InitialWeights).FillUniform(weights);
        for (int i = 0; i < weights.Length; i++)
        {
            weights[i] = (weights[i] * 2 - 1) * 1.2f;
            if (Math.Abs(weights[i]) < 1e-3f) weights[i] = 0.05f;
        }
        return weights;
    }

    /// <summary>The whole penalty of a model: biases and norms count where the section says so.</summary>
    private static double Sum(RegularizationSection section, double[] weights)
    {
        double sum = 0;
        foreach (var tensor in Layout.Parameters.Where(t => section.Biases || t.Shape.Length >= 2))
            for (long i = tensor.Offset; i < tensor.Range.End; i++) sum += Published.Values.Sum(term => term(section, weights[i]));
        return sum;
    }

    /// <summary>Central differences at two steps, extrapolated, so that their error is of the fourth order.</summary>
    private static double FiniteDifference(RegularizationSection section, double[] weights, long at)
    {
        double here = weights[at];
        double Slope(double step)
        {
            weights[at] = here + step;
            double up = Sum(section, weights);
            weights[at] = here - step;
            double down = Sum(section, weights);
            weights[at] = here;
            return (up - down) / (2 * step);
        }
        const double step = 5e-5;
        return (4 * Slope(step / 2) - Slope(step)) / 3;
    }

    private sealed class Nothing : IDisposable
    {
        public void Dispose() { }
    }
}
