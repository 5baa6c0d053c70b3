using System.Buffers;
using System.Collections.Immutable;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Numerics.Tensors;
using System.Runtime.Intrinsics;
using DistOpt.Core.Parameters;

namespace DistOpt.Core.Optimizers;

/// <summary>Options of <c>adafactor</c>; defaults as torch.optim.Adafactor.</summary>
public sealed record AdafactorOptions : ILearningRateOptions
{
    bool ILearningRateOptions.IsAdaptive => true;

    [Description("Base learning rate; the step takes 1/sqrt(t) where that is smaller, times the tensor's root mean square")]
    [Range(0.0, 1e9, MinimumIsExclusive = true)]
    public double LearningRate { get; init; } = 1e-2;

    [Description("Exponent of the decay rate: beta2 at step t is 1 - t^beta2_decay")]
    [Range(-10.0, 0.0, MaximumIsExclusive = true)]
    public double Beta2Decay { get; init; } = -0.8;

    [Description("Least root mean square that a gradient is divided by, and least mean square of a whole matrix; null = float32's epsilon, 1.19e-7")]
    [Range(1e-18, 1.0)] // its square is a float32 above 0: else a gradient of 0 would be divided by 0
    public double? Epsilon1 { get; init; }

    [Description("Least root mean square of a tensor, as far as the rate goes")]
    [Range(1e-30, 1.0)]
    public double Epsilon2 { get; init; } = 1e-3;

    [Description("Largest root mean square of an update, before the rate")]
    [Range(1e-6, 1e6)]
    public double ClipThreshold { get; init; } = 1;

    [Description("Share of the weights, times the learning rate, that is taken off before each update")]
    [Range(0.0, 1000.0)]
    public double WeightDecay { get; init; }
}

/// <summary>
/// Adafactor (Shazeer and Stern, ICML 2018, algorithms 4 and 5) as <c>torch.optim.Adafactor</c>, for each tensor w with gradient g at step t. Where
/// the last two dimensions are both above 1, only means over rows R and over columns C of g * g are kept (one pair for each matrix of these two):
/// <code>
/// b = t^beta2_decay,  rho = min(learning_rate, 1 / sqrt(t)),  a = max(epsilon2, rms(w)) * rho
/// w *= 1 - learning_rate * weight_decay
/// R += b * (mean over columns of g^2 - R),  C += b * (mean over rows of g^2 - C),  V = R C / max(mean R, epsilon1)
/// other tensors: V += b * (g^2 - V)
/// u = g / sqrt(max(V, epsilon1^2))
/// w -= a / max(1, rms(u) / clip_threshold) * u
/// </code>
/// Sums are taken in float64, of rows as <see cref="SquareSums"/>, of columns in order.
/// </summary>
public sealed class Adafactor(AdafactorOptions options) : IOptimizer
{
    private static readonly string[] SlotNames = ["variance"];

    public IReadOnlyList<string> Slots => SlotNames;

    public OptimizerNeeds Needs => OptimizerNeeds.WholeTensors;

    /// <summary>R and C of each matrix, one after the other; the mean squares themselves where there is nothing to factor.</summary>
    public ImmutableArray<long> SlotShape(int slot, TensorSlot parameter)
    {
        var (rows, columns) = MatrixOf(parameter);
        return IsFactored(rows, columns) ? [.. parameter.Shape[..^2], rows + columns] : parameter.Shape;
    }

    public void Apply(in OptimizerStep step, Span<float> parameters, ReadOnlySpan<float> gradient, IReadOnlyList<Memory<float>> slots)
    {
        var tensor = step.Tensor ?? throw new ArgumentException("adafactor: the update is not of one whole tensor");
        FusedUpdate.Check("adafactor", 1, parameters.Length, gradient.Length, slots, SlotLength(tensor));
        float[] shaped = ArrayPool<float>.Shared.Rent(parameters.Length);
        try
        {
            var g = shaped.AsSpan(0, parameters.Length);
            FusedUpdate.Shape(step, parameters, gradient, g);
            Update(step, parameters, g, slots[0].Span, tensor);
        }
        finally
        {
            ArrayPool<float>.Shared.Return(shaped);
        }
    }

    private void Update(in OptimizerStep step, Span<float> w, Span<float> g, Span<float> slot, TensorSlot tensor)
    {
        double share = Math.Pow(step.Number, options.Beta2Decay);
        double rho = Math.Min(step.LearningRate, 1 / Math.Sqrt(step.Number));
        double rate = Math.Max(options.Epsilon2, Math.Sqrt(SquareSums.Of(w) / Math.Max(1, w.Length))) * rho;
        double decay = step.WeightDecay ?? options.WeightDecay;
        if (decay != 0)
        {
            TensorPrimitives.Multiply(w, (float)(1 - step.LearningRate * decay), w);
        }
        var (rows, columns) = MatrixOf(tensor);
        if (IsFactored(rows, columns)) Factored(w.Length, g, slot, rows, columns, (float)share);
        else Unfactored(g, slot, (float)share);
        double length = Math.Sqrt(SquareSums.Of(g) / Math.Max(1, g.Length));
        float factor = (float)(rate / Math.Max(1, length / options.ClipThreshold));
        TensorPrimitives.MultiplyAdd(g, -factor, w, w);
    }

    private double LeastMeanSquare => options.Epsilon1 ?? Math.ScaleB(1, -23);

    /// <summary>Makes the direction out of the gradient, matrix by matrix; R and C of matrix b stand at b (rows + columns).</summary>
    private void Factored(int length, Span<float> g, Span<float> slot, int rows, int columns, float share)
    {
        float least = (float)(LeastMeanSquare * LeastMeanSquare);
        for (int b = 0; b < length / (rows * columns); b++)
        {
            var matrix = g.Slice(b * rows * columns, rows * columns);
            var means = slot.Slice(b * (rows + columns), rows + columns);
            double[] sums = ArrayPool<double>.Shared.Rent(columns);
            sums.AsSpan(0, columns).Clear();
            double total = 0;
            for (int r = 0; r < rows; r++)
            {
                double sum = SquareSums.Of(matrix.Slice(r * columns, columns), sums);
                means[r] += share * ((float)(sum / columns) - means[r]);
                total += means[r];
            }
            var columnMeans = means[rows..];
            for (int c = 0; c < columns; c++) columnMeans[c] += share * ((float)(sums[c] / rows) - columnMeans[c]);
            ArrayPool<double>.Shared.Return(sums);
            float divisor = (float)Math.Max(total / rows, LeastMeanSquare);
            for (int r = 0; r < rows; r++)
            {
                Divide(matrix.Slice(r * columns, columns), columnMeans, means[r], divisor, least);
            }
        }
    }

    /// <summary>g / sqrt(max(row's mean * column's mean / divisor, least)).</summary>
    private static void Divide(Span<float> row, ReadOnlySpan<float> columnMeans, float mean, float divisor, float least)
    {
        int width = Vector256<float>.Count, c = 0;
        for (; c <= row.Length - width; c += width)
        {
            var squares = mean * Vector256.Create(columnMeans[c..]) / Vector256.Create(divisor);
            (Vector256.Create<float>(row[c..]) / Vector256.Sqrt(Vector256.Max(squares, Vector256.Create(least)))).CopyTo(row[c..]);
        }
        for (; c < row.Length; c++) row[c] /= MathF.Sqrt(MathF.Max(mean * columnMeans[c] / divisor, least));
    }

    private void Unfactored(Span<float> g, Span<float> slot, float share)
    {
        float least = (float)(LeastMeanSquare * LeastMeanSquare);
        for (int i = 0; i < g.Length; i++)
        {
            slot[i] += share * (g[i] * g[i] - slot[i]);
            g[i] /= MathF.Sqrt(MathF.Max(slot[i], least));
        }
    }

    /// <summary>
    /// A row or a column alone, [1, n] or [n, 1], has nothing to save: R C / mean R would be its mean squares themselves. torch factors it all the
    /// same, and its max(mean R, epsilon1) then makes them smaller where the gradient's mean square is below epsilon1.
    /// </summary>
    private static bool IsFactored(int rows, int columns) => rows > 1 && columns > 1;

    private static int SlotLength(TensorSlot tensor)
    {
        var (rows, columns) = MatrixOf(tensor);
        return (int)(IsFactored(rows, columns) ? tensor.Length / ((long)rows * columns) * (rows + columns) : tensor.Length);
    }

    private static (int Rows, int Columns) MatrixOf(TensorSlot tensor) =>
        tensor.Shape.Length < 2 ? (1, (int)tensor.Length) : ((int)tensor.Shape[^2], (int)tensor.Shape[^1]);
}
