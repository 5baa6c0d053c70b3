using System.ComponentModel.DataAnnotations;
using System.Reflection;
using System.Runtime.InteropServices;
using DistOpt.Core.Optimizers;

namespace DistOpt.Core.Tests.Optimizers;

/// <summary>
/// 300 steps of the optimizers that torch does not have, or that look at whole tensors, against an independent update in float64, written from
/// the papers.
/// </summary>
public sealed class PaperReferenceTests
{
    private const int Steps = 300;

    [Theory]
    [InlineData(0.9, 0.99, 0.0)]
    [InlineData(0.8, 0.95, 0.1)]
    public void Lion(double beta1, double beta2, double weightDecay)
    {
        var m = new double[5000];
        Compare(new Lion(new LionOptions { Beta1 = beta1, Beta2 = beta2, WeightDecay = weightDecay }), (step, _, w, g) =>
        {
            for (int i = 0; i < w.Length; i++)
            {
                int at = step.Offset + i;
                w[i] -= step.Rate * (Math.Sign(beta1 * m[at] + (1 - beta1) * g[i]) + weightDecay * w[i]);
                m[at] = beta2 * m[at] + (1 - beta2) * g[i];
            }
            // where the sign hangs on a rounding, one step goes the other way
        }, tolerance: 2e-2, typical: 1e-5);
    }

    [Theory]
    [InlineData(0.9, 0.999, 1e-6, 0.0, true)]
    [InlineData(0.9, 0.999, 1e-6, 0.1, true)]
    [InlineData(0.8, 0.95, 1e-3, 0.01, true)]
    [InlineData(0.9, 0.999, 1e-6, 0.01, false)]
    public void Lamb(double beta1, double beta2, double epsilon, double weightDecay, bool trustBiases)
    {
        double[] m = new double[5000], v = new double[5000];
        var options = new LambOptions { Beta1 = beta1, Beta2 = beta2, Epsilon = epsilon, WeightDecay = weightDecay, TrustBiases = trustBiases };
        Compare(new Lamb(options), (step, shape, w, g) =>
        {
            var r = new double[w.Length];
            for (int i = 0; i < w.Length; i++)
            {
                int at = step.Offset + i;
                m[at] = beta1 * m[at] + (1 - beta1) * g[i];
                v[at] = beta2 * v[at] + (1 - beta2) * g[i] * g[i];
                double mean = m[at] / (1 - Math.Pow(beta1, step.Number)), square = v[at] / (1 - Math.Pow(beta2, step.Number));
                r[i] = mean / (Math.Sqrt(square) + epsilon) + weightDecay * w[i];
            }
            double trust = (trustBiases || shape.Length > 1) && Norm(r) > 0 && Norm(w) > 0 ? Norm(w) / Norm(r) : 1;
            for (int i = 0; i < w.Length; i++) w[i] -= step.Rate * trust * r[i];
        });
    }

    [Theory]
    [InlineData(0.9, 0.0, 0.0, false, true)]
    [InlineData(0.5, 0.01, 0.0, false, true)]
    [InlineData(0.5, 0.01, 0.5, false, true)]
    [InlineData(0.9, 0.01, 0.0, true, true)]
    [InlineData(0.5, 0.01, 0.0, false, false)]
    public void Lars(double momentum, double weightDecay, double epsilon, bool nesterov, bool trustBiases)
    {
        var v = new double[5000];
        var options = new LarsOptions
        {
            Momentum = momentum,
            WeightDecay = weightDecay,
            TrustCoefficient = 0.1,
            Epsilon = epsilon,
            Nesterov = nesterov,
            TrustBiases = trustBiases,
        };
        Compare(new Lars(options), (step, shape, w, g) =>
        {
            double local = (trustBiases || shape.Length > 1) && Norm(w) > 0 && Norm(g) > 0
                ? 0.1 * Norm(w) / (Norm(g) + weightDecay * Norm(w) + epsilon) : 1;
            for (int i = 0; i < w.Length; i++)
            {
                double update = step.Rate * local * (g[i] + weightDecay * w[i]);
                ref double buffer = ref v[step.Offset + i];
                buffer = momentum * buffer + update;
                w[i] -= nesterov ? update + momentum * buffer : buffer;
            }
        });
    }

    [Theory]
    [InlineData(-0.8, null, 1e-3, 1.0, 0.0)]
    [InlineData(-0.8, null, 1e-3, 1.0, 0.1)]
    [InlineData(-0.5, null, 1e-3, 0.5, 0.0)]
    [InlineData(-0.8, 0.1, 1.0, 1.0, 0.0)]
    public void Adafactor(double beta2Decay, double? leastMeanSquare, double leastRate, double clipThreshold, double weightDecay)
    {
        double[] full = new double[5000], rowMeans = new double[5000], columnMeans = new double[5000];
        double epsilon1 = leastMeanSquare ?? 1.0 / (1 << 23);
        var options = new AdafactorOptions
        {
            Beta2Decay = beta2Decay,
            Epsilon1 = leastMeanSquare,
            Epsilon2 = leastRate,
            ClipThreshold = clipThreshold,
            WeightDecay = weightDecay,
        };
        Compare(new Adafactor(options), (step, shape, w, g) =>
        {
            double share = Math.Pow(step.Number, beta2Decay), rho = Math.Min(step.Rate, 1 / Math.Sqrt(step.Number));
            double alpha = Math.Max(leastRate, Norm(w) / Math.Sqrt(w.Length)) * rho;
            for (int i = 0; i < w.Length; i++) w[i] *= 1 - step.Rate * weightDecay;
            var u = new double[w.Length];
            if (shape.Length < 2)
            {
                for (int i = 0; i < w.Length; i++)
                {
                    ref double mean = ref full[step.Offset + i];
                    mean = (1 - share) * mean + share * g[i] * g[i];
                    u[i] = g[i] / Math.Sqrt(Math.Max(mean, epsilon1 * epsilon1));
                }
            }
            else
            {
                int rows = (int)shape[^2], columns = (int)shape[^1];
                for (int b = 0; b < w.Length; b += rows * columns)
                {
                    double Square(int r, int c) => g[b + r * columns + c] * g[b + r * columns + c];
                    int at = step.Offset + b;
                    for (int r = 0; r < rows; r++)
                        rowMeans[at + r] = (1 - share) * rowMeans[at + r] + share * Enumerable.Range(0, columns).Average(c => Square(r, c));
                    for (int c = 0; c < columns; c++)
                        columnMeans[at + c] = (1 - share) * columnMeans[at + c] + share * Enumerable.Range(0, rows).Average(r => Square(r, c));
                    double mean = Math.Max(Enumerable.Range(0, rows).Average(r => rowMeans[at + r]), epsilon1);
                    for (int r = 0; r < rows; r++)
                    {
                        for (int c = 0; c < columns; c++)
                        {
                            int i = b + r * columns + c;
                            u[i] = g[i] / Math.Sqrt(Math.Max(rowMeans[at + r] * columnMeans[at + c] / mean, epsilon1 * epsilon1));
                        }
                    }
                }
            }
            double divisor = Math.Max(1, Norm(u) / Math.Sqrt(u.Length) / clipThreshold);
            for (int i = 0; i < w.Length; i++) w[i] -= alpha / divisor * u[i];
        }, tolerance: 1e-3, typical: 1e-5);
    }

    [Theory]
    [InlineData(MuonScale.Original, true, 0.95, 5, 3e-4, 0.0, 1e-7, 3.4445, -4.7750, 2.0315)]
    [InlineData(MuonScale.MatchAdamw, false, 0.95, 5, 3e-4, 0.1, 1e-7, 3.4445, -4.7750, 2.0315)]
    [InlineData(MuonScale.Original, true, 0.8, 3, 0.01, 0.0, 1e-7, 3.4445, -4.7750, 2.0315)]
    [InlineData(MuonScale.Original, true, 0.95, 5, 3e-4, 0.0, 1.0, 1.875, -1.25, 0.375)]
    public void Muon(MuonScale scale, bool nesterov, double momentum, int steps, double adamwRate, double weightDecay, double epsilon, double a, double b,
        double c)
    {
        double[] m = new double[5000], v = new double[5000];
        var options = new MuonOptions
        {
            Scale = scale,
            Nesterov = nesterov,
            Momentum = momentum,
            NsSteps = steps,
            NsCoefficients = [a, b, c],
            Epsilon = epsilon,
            AdamwLearningRate = adamwRate,
            WeightDecay = weightDecay,
            AdamwFor = ["2.*"],
        };
        Compare(new Muon(options), (step, shape, w, g) =>
        {
            if (shape.Length < 2 || step.Name == "2.weight")
            {
                double rate = step.Rate * adamwRate / 0.02;
                for (int i = 0; i < w.Length; i++)
                {
                    int at = step.Offset + i;
                    m[at] = 0.9 * m[at] + 0.1 * g[i];
                    v[at] = 0.95 * v[at] + 0.05 * g[i] * g[i];
                    double mean = m[at] / (1 - Math.Pow(0.9, step.Number)), square = v[at] / (1 - Math.Pow(0.95, step.Number));
                    w[i] -= rate * (mean / (Math.Sqrt(square) + 1e-10) + weightDecay * w[i]);
                }
                return;
            }
            int rows = (int)shape[0], columns = w.Length / rows;
            var u = new double[rows, columns];
            for (int i = 0; i < w.Length; i++)
            {
                ref double mean = ref m[step.Offset + i];
                mean = momentum * mean + (1 - momentum) * g[i];
                u[i / columns, i % columns] = nesterov ? (1 - momentum) * g[i] + momentum * mean : mean;
            }
            double squares = 0;
            foreach (double x in u) squares += x * x;
            double length = Math.Max(Math.Sqrt(squares), epsilon);
            for (int i = 0; i < w.Length; i++) u[i / columns, i % columns] /= length;
            // the iteration is the same from either side: (X X^T) X = X (X^T X)
            for (int k = 0; k < steps; k++)
            {
                var gram = Product(u, Transposed(u));
                var square = Product(gram, gram);
                for (int i = 0; i < rows; i++)
                    for (int j = 0; j < rows; j++) square[i, j] = b * gram[i, j] + c * square[i, j];
                var moved = Product(square, u);
                for (int i = 0; i < w.Length; i++)
                    u[i / columns, i % columns] = a * u[i / columns, i % columns] + moved[i / columns, i % columns];
            }
            double factor = scale == MuonScale.Original ? Math.Sqrt(Math.Max(1.0, (double)rows / columns)) : 0.2 * Math.Sqrt(Math.Max(rows, columns));
            for (int i = 0; i < w.Length; i++) w[i] -= step.Rate * (weightDecay * w[i] + factor * u[i / columns, i % columns]);
        }, tolerance: 1e-2, typical: 1e-4);
    }

    /// <summary>Also where the gradient's mean square is far below epsilon1, by which a factored update of one row would be made larger.</summary>
    [Theory]
    [InlineData(1f)]
    [InlineData(1e-6f)]
    public void Adafactor_treats_a_row_or_a_column_alone_as_a_vector(float size)
    {
        float[] gradient = [.. Enumerable.Range(1, 11).Select(i => size * MathF.Sin(i * i))];
        var runs = ((long[][])[[11], [1, 11], [11, 1], [1, 1, 11]])
            .Select(shape => new OptimizerRun(new UpdateRule(new Adafactor(new AdafactorOptions())), OptimizerRun.Of(("w", shape)))).ToList();
        for (int step = 1; step <= 5; step++)
        {
            foreach (var run in runs) run.Step(step, 1, gradient);
        }
        Assert.All(runs, run => Assert.Equal(runs[0].Bits(), run.Bits()));
    }

    /// <summary>The least epsilon1 that a spec may have: what it divides by is a float32 above 0, so that a gradient of 0 moves nothing.</summary>
    [Fact]
    public void Adafactor_with_the_least_epsilon_leaves_a_weight_alone_whose_gradient_is_0()
    {
        double least = (double)typeof(AdafactorOptions).GetProperty(nameof(AdafactorOptions.Epsilon1))!.GetCustomAttribute<RangeAttribute>()!.Minimum;
        foreach (long[] shape in (long[][])[[6], [2, 3]])
        {
            var run = new OptimizerRun(new UpdateRule(new Adafactor(new AdafactorOptions { Epsilon1 = least })), OptimizerRun.Of(("w", shape)));
            int[] before = run.Bits();
            for (int step = 1; step <= 3; step++) run.Step(step, 1, new float[6]);
            Assert.Equal(before, run.Bits());
            run.Step(4, 1, new float[] { 0, 0, 0, 1, 0, 1 });
            Assert.All(run.Bits(), bits => Assert.True(float.IsFinite(BitConverter.Int32BitsToSingle(bits))));
        }
    }

    [Fact]
    public void Muons_iteration_brings_singular_values_near_one()
    {
        // columns of very different lengths, at right angles
        float[] tall = new float[40 * 8];
        for (int c = 0; c < 8; c++) tall[c * 5 * 8 + c] = MathF.Pow(10, -c / 4f);
        Core.Optimizers.Muon.Orthogonalize(tall, 40, 8, new MuonOptions());
        for (int c = 0; c < 8; c++) Assert.InRange(tall[c * 5 * 8 + c], 0.4f, 1.3f);
    }

    private sealed record At(long Number, double Rate, int Offset, string Name);

    private static void Compare(IOptimizer optimizer, Action<At, long[], double[], double[]> update, double? tolerance = null, double? typical = null)
    {
        var run = new OptimizerRun(new UpdateRule(optimizer), OptimizerRun.Network);
        double[] reference = [.. run.Parameters.Select(p => (double)p)], first = [.. reference];
        for (int t = 1; t <= Steps; t++)
        {
            run.Step(t);
            foreach (var tensor in run.Layout.Parameters)
            {
                var (offset, length) = ((int)tensor.Offset, (int)tensor.Length);
                double[] w = reference[offset..(offset + length)];
                double[] g = [.. Enumerable.Range(offset, length).Select(i => (double)OptimizerRun.GradientAt(t, i))];
                update(new At(t, OptimizerRun.RateAt(t), offset, tensor.Name), [.. tensor.Shape], w, g);
                w.CopyTo(reference, offset);
            }
        }
        // half an ulp of the largest value a step, adding up like a random walk, eightfold
        double rounding = 8 * Math.Sqrt(Steps) * 4 * Math.ScaleB(1, -24);
        double[] errors = [.. reference.Zip(run.Parameters, (a, b) => Math.Abs(a - b) / Math.Max(1, Math.Abs(a) / 4)).Order()];
        Assert.InRange(errors[^1], 0, tolerance ?? rounding);
        Assert.InRange(errors[errors.Length * 9 / 10], 0, typical ?? rounding);
        Assert.True(reference.Zip(first, (a, b) => Math.Abs(a - b)).Max() > 0.1, "the steps must move the parameters far more than the tolerance");
    }

    private static double Norm(double[] x) => Math.Sqrt(x.Sum(v => v * v));

    private static double[,] Transposed(double[,] a)
    {
        var b = new double[a.GetLength(1), a.GetLength(0)];
        for (int i = 0; i < a.GetLength(0); i++)
            for (int j = 0; j < a.GetLength(1); j++) b[j, i] = a[i, j];
        return b;
    }

    private static double[,] Product(double[,] a, double[,] b)
    {
        var c = new double[a.GetLength(0), b.GetLength(1)];
        for (int i = 0; i < c.GetLength(0); i++)
        {
            var row = MemoryMarshal.CreateSpan(ref c[i, 0], c.GetLength(1));
            for (int k = 0; k < a.GetLength(1); k++)
            {
                double factor = a[i, k];
                var other = MemoryMarshal.CreateReadOnlySpan(ref b[k, 0], row.Length);
                for (int j = 0; j < row.Length; j++) row[j] += factor * other[j];
            }
        }
        return c;
    }
}
