using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Randomness;
using DistOpt.Core.Tests.Optimizers;

namespace DistOpt.Core.Tests.Batching;

/// <summary>
/// The gradient's noise in the norm of the optimizer's mean squares: against the definition in float64, and against gaussians whose covariance is known.
/// </summary>
public sealed class PreconditionedNoiseTests
{
    private const int Steps = 12;

    private static readonly double[] LeafWeights = [6, 11, 0, 8];

    public static TheoryData<string> Optimizers =>
        ["adam", "adamw", "adam amsgrad", "nadam", "radam", "lamb", "rmsprop", "rmsprop centered", "rmsprop momentum", "adagrad", "adagrad initial", "adadelta"];

    [Fact]
    public void The_tests_have_every_optimizer_with_mean_squares()
    {
        var tested = Optimizers.Select(row => row.Data.Split(' ')[0]).Distinct().Order();
        Assert.Equal(OptimizerCatalog.Default.Entries.Select(e => e.Name).Where(n => OptimizerVariants.Make(n) is IMeanSquareOptimizer).Order(), tested);
    }

    /// <summary>
    /// tr = (mean |P g_i|^2 - |P g|^2) / (mean 1/w_i - 1/w), |P G|^2 = |P g|^2 - tr / w, with P = 1 / root mean square from which the step began.
    /// </summary>
    [Theory, MemberData(nameof(Optimizers))]
    public void Estimates_from_leaves_are_those_of_the_definition(string optimizer)
    {
        using var run = new NoiseRun(optimizer, LeafWeights.Length, NoiseNorm.Auto, OptimizerRun.Network);
        var (means, mean) = (new Means(optimizer), new RunningMean(run.Smoothing));
        double weight = LeafWeights.Sum(), inverse = LeafWeights.Where(w => w > 0).Average(w => 1 / w);
        for (int step = 0; step < Steps; step++)
        {
            float[][] leaves = Gradients(step, LeafWeights);
            double[] batch = MeanOf(leaves, weight);
            if (step >= 5)
            {
                double squares = means.Squares(batch), own = Enumerable.Range(0, leaves.Length).Where(i => LeafWeights[i] > 0)
                    .Average(i => means.Squares(MeanOf([leaves[i]], LeafWeights[i])));
                double trace = (own - squares) / (inverse - 1 / weight);
                mean.Add(trace * NoiseRun.Size / weight, squares - trace / weight, own);
            }
            means.Add(batch);
            run.Step(leaves, LeafWeights, 0, 1, 2, 3);
            Assert.Equal(Math.Max(0, step - 4), run.Noise.Count);
        }
        mean.AssertEqual(run.Noise.Mean!.Value);
    }

    /// <summary>tr = |P a - P b|^2 / (1/n_a + 1/n_b), |P G|^2 = P a . P b, with the P of the later step for both.</summary>
    [Theory, MemberData(nameof(Optimizers))]
    public void Estimates_from_consecutive_gradients_are_those_of_the_definition(string optimizer)
    {
        using var run = new NoiseRun(optimizer, 1, NoiseNorm.Auto, OptimizerRun.Network);
        var (means, mean) = (new Means(optimizer), new RunningMean(run.Smoothing));
        double[] before = [];
        for (int step = 0; step < Steps; step++)
        {
            float[][] leaves = Gradients(step, [NoiseRun.Size]);
            double[] batch = MeanOf(leaves, NoiseRun.Size);
            if (step >= 5)
            {
                double trace = means.Squares([.. batch.Zip(before, (a, b) => a - b)]) * NoiseRun.Size / 2;
                double sum = means.Squares([.. batch.Zip(before, (a, b) => a + b)]), difference = trace * 2 / NoiseRun.Size;
                mean.Add(trace, (sum - difference) / 4, means.Squares(batch) * NoiseRun.Size);
            }
            means.Add(batch);
            before = batch;
            run.Step(leaves, [NoiseRun.Size], 0);
            Assert.Equal(Math.Max(0, step - 4), run.Noise.Count);
        }
        mean.AssertEqual(run.Noise.Mean!.Value);
    }

    [Theory]
    [InlineData("adam")]
    [InlineData("lamb")]
    [InlineData("adagrad")]
    public void The_bits_depend_neither_on_the_servers_nor_on_the_order_in_which_leaves_come(string optimizer)
    {
        using var one = new NoiseRun(optimizer, LeafWeights.Length, NoiseNorm.Auto, OptimizerRun.Network);
        using var three = new NoiseRun(optimizer, LeafWeights.Length, NoiseNorm.Auto, OptimizerRun.Network, cuts: [1024, 4096]);
        for (int step = 0; step < 9; step++)
        {
            one.Step(Gradients(step, LeafWeights), LeafWeights, 0, 1, 2, 3);
            three.Step(Gradients(step, LeafWeights), LeafWeights, 3, 1, 3, 0, 1, 2);
        }

        Assert.Equal(4, one.Noise.Count);
        Assert.Equal(one.Noise, three.Noise);
        Assert.Equal(one.Weights, three.Weights);
    }

    [Fact]
    public void From_the_first_measured_step_on_nothing_but_leaves_is_taken()
    {
        using var run = new NoiseRun("adam", 2, NoiseNorm.Auto, OptimizerRun.Vector(10));
        for (int step = 0; step < 5; step++)
        {
            Assert.False(run.Planner.Current.PushesLeaves);
            run.Step([new float[10], new float[10]], [1, 1], 1, 0);
        }
        Assert.True(run.Planner.Current.PushesLeaves);

        Assert.Contains("node 1.0 is none of the leaves", Assert.Throws<ArgumentException>(() => run.Push(new TreeNode(1, 0), new float[10])).Message);
        Assert.True(run.Push(new TreeNode(0, 1), new float[10]));
    }

    /// <summary>
    /// Samples of deviation sigma_d around G_d. After many steps v_d is G_d^2 + sigma_d^2 / n, so that tr = sum of sigma_d^2 / v_d and |P G|^2 = sum of
    /// G_d^2 / v_d. Bounds are five deviations of the running mean by the variances of both estimators, and two percent for what v still moves.
    /// </summary>
    [Theory]
    [InlineData(4)]
    [InlineData(1)]
    public void A_known_covariance_is_found(int leaves)
    {
        const int dimensions = 512, steps = 600;
        const double smoothing = 0.99, n = NoiseRun.Size;
        double[] sigma = [.. Enumerable.Range(0, dimensions).Select(d => Math.Pow(10, 2.0 * d / dimensions - 1))];
        double[] mean = [.. sigma.Select((s, d) => 0.05 * (1 + d % 7) * Math.Sqrt(s))];
        double[] v = [.. sigma.Zip(mean, (s, m) => m * m + s * s / n)];
        double[] weights = [.. Enumerable.Repeat(n / leaves, leaves)];
        using var run = new NoiseRun("adam", leaves, NoiseNorm.Auto, OptimizerRun.Vector(dimensions), smoothing);
        using var plain = new NoiseRun("adam", leaves, NoiseNorm.Plain, OptimizerRun.Vector(dimensions), smoothing);
        for (int step = 0; step < steps; step++)
        {
            float[][] gradients = [.. Enumerable.Range(0, leaves).Select(leaf =>
            {
                var random = new CounterRandom(5, RandomPurpose.Data, step, leaf);
                var sum = new float[dimensions];
                for (int d = 0; d < dimensions; d++) sum[d] = (float)(weights[leaf] * mean[d] + Math.Sqrt(weights[leaf]) * sigma[d] * random.NextGaussian());
                return sum;
            })];
            run.Step(gradients, weights, [.. Enumerable.Range(0, leaves)]);
            plain.Step(gradients, weights, [.. Enumerable.Range(0, leaves)]);
        }

        double Sum(Func<int, double> of) => Enumerable.Range(0, dimensions).Sum(of);
        double trace = Sum(d => sigma[d] * sigma[d] / v[d]), squared = Sum(d => mean[d] * mean[d] / v[d]);
        // two batches are two groups; estimates of neighbouring steps then share one of them, which at most doubles the variance of their mean
        double groups = Math.Max(2, leaves), share = leaves == 1 ? 2 : 1, size = leaves == 1 ? n : n / leaves;
        double effective = (1 + smoothing) / (1 - smoothing) / share;
        double ofTrace = Math.Sqrt(Sum(d => Math.Pow(sigma[d] * sigma[d] / v[d], 2)) * 2 / (groups - 1) / effective);
        double ofSquared = Math.Sqrt(Sum(d => (4 * mean[d] * mean[d] * sigma[d] * sigma[d] / size / groups
            + 2 * Math.Pow(sigma[d] * sigma[d] / size, 2) / (groups * (groups - 1))) / (v[d] * v[d])) / effective);
        Assert.Equal(trace, run.Noise.Mean!.Value.Trace, 5 * ofTrace + 0.02 * trace);
        Assert.Equal(squared, run.Noise.Mean!.Value.SquaredNorm, 5 * ofSquared + 0.02 * squared);
        Assert.InRange(run.Noise.Scale!.Value / (trace / squared), 0.9, 1.1);
        // another number altogether than in the plain norm, which is found as well
        double plainly = Sum(d => sigma[d] * sigma[d]) / Sum(d => mean[d] * mean[d]);
        Assert.InRange(plain.Noise.Scale!.Value / plainly, 0.8, 1.25);
        Assert.True(plainly > 2 * trace / squared, $"{plainly} and {trace / squared}");
    }

    /// <summary>Sums of sizes from 1e-3 to 1 by element, some of which have no gradient before step 7.</summary>
    private static float[][] Gradients(int step, double[] weights) => [.. weights.Select((weight, leaf) =>
    {
        var random = new CounterRandom(6, RandomPurpose.Data, step, leaf);
        var sum = new float[OptimizerRun.Network.ParameterCount];
        for (int i = 0; i < sum.Length; i++)
        {
            double value = Math.Pow(10, i % 4 - 3) * (0.4 * weight + Math.Sqrt(weight) * random.NextGaussian());
            sum[i] = i % 97 == 0 && step < 7 ? 0 : (float)value;
        }
        return sum;
    })];

    private static double[] MeanOf(float[][] sums, double weight)
    {
        double[] mean = new double[sums[0].Length];
        foreach (float[] sum in sums)
            for (int i = 0; i < mean.Length; i++) mean[i] += sum[i] / weight;
        return mean;
    }

    /// <summary>Mean squares of the gradients that were added, by the papers' formulas, in float64.</summary>
    private sealed class Means(string optimizer)
    {
        private readonly double[] _v = new double[OptimizerRun.Network.ParameterCount];
        private readonly double[] _largest = new double[OptimizerRun.Network.ParameterCount];
        private readonly object _options = OptimizerVariants.OptionsOf(optimizer);
        private int _count;

        private double Decay => _options switch { MomentOptions m => m.Beta2, RmsPropOptions r => r.Alpha, AdadeltaOptions a => a.Rho, _ => 1 };

        public void Add(double[] gradient)
        {
            if (_count++ == 0 && _options is AdagradOptions { InitialAccumulator: var initial }) Array.Fill(_v, initial);
            for (int i = 0; i < _v.Length; i++)
            {
                _v[i] = Decay * _v[i] + (_options is AdagradOptions ? 1 : 1 - Decay) * gradient[i] * gradient[i];
                _largest[i] = Math.Max(_largest[i], _v[i]);
            }
        }

        /// <summary>Sum of squares of what is divided by the root mean squares.</summary>
        public double Squares(double[] gradient)
        {
            double sum = 0;
            for (int i = 0; i < gradient.Length; i++)
            {
                double v = _options is AdamOptions { Amsgrad: true } ? _largest[i] : _v[i];
                if (v == 0) continue;
                v /= _options is AdagradOptions ? _count : 1 - Math.Pow(Decay, _count);
                double root = _options switch
                {
                    AdadeltaOptions a => Math.Sqrt(v + a.Epsilon),
                    AdagradOptions a => Math.Sqrt(v) + a.Epsilon,
                    RmsPropOptions r => Math.Sqrt(v) + r.Epsilon,
                    _ => Math.Sqrt(v) + ((MomentOptions)_options).Epsilon,
                };
                sum += Math.Pow(gradient[i] / root, 2);
            }
            return sum;
        }
    }

    /// <summary>Exponential means of trace and squared norm, and of the size of what they are differences of.</summary>
    private sealed class RunningMean(double smoothing)
    {
        private readonly List<(double Trace, double Squared, double Size)> _values = [];

        public void Add(double trace, double squared, double size) => _values.Add((trace, squared, size));

        public void AssertEqual(NoiseEstimate actual)
        {
            double weight = 0, trace = 0, squared = 0, size = 0;
            for (int i = 0; i < _values.Count; i++)
            {
                double share = Math.Pow(smoothing, _values.Count - 1 - i);
                (weight, trace, squared) = (weight + share, trace + share * _values[i].Trace, squared + share * _values[i].Squared);
                size += share * _values[i].Size;
            }
            Assert.Equal(Steps - 5, _values.Count);
            Assert.Equal(trace / weight, actual.Trace, 1e-5 * Math.Abs(trace / weight) + 1e-5 * size / weight);
            Assert.Equal(squared / weight, actual.SquaredNorm, 1e-5 * size / weight);
        }
    }
}
