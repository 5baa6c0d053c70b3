using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Floats = System.Runtime.Intrinsics.Vector256<float>;

namespace DistOpt.Core.Optimizers;

/// <summary>
/// An optimizer that keeps a mean of squared gradients for every parameter and divides the gradient by its root, as Adam and its relatives: whoever
/// measures the noise of gradients does it in that norm (AdaptDL's <c>AdamGradientNoiseScale</c>). Its options say so too
/// (<see cref="ILearningRateOptions.KeepsMeanSquares"/>).
/// </summary>
public interface IMeanSquareOptimizer : IOptimizer
{
    /// <summary>Where the mean squares are, and how they are to be taken.</summary>
    /// <param name="updates">Updates that they have come from, at least 1.</param>
    MeanSquares MeanSquaresAfter(long updates);
}

/// <summary>
/// Mean squares v of gradients g in a slot, by which they are divided: g / (sqrt(v * Factor + <see cref="Inner"/>) + Epsilon); and 0 where v is 0: such
/// a parameter has never had a gradient, so nothing is known of its scale, and by epsilon alone its first one would outweigh everything.
/// </summary>
/// <param name="Slot">Index in <see cref="IOptimizer.Slots"/>, a slot of the parameters' own shapes.</param>
/// <param name="Factor">Makes the slot a mean: 1 / (1 - beta2^t), or 1 / t of a sum.</param>
public readonly record struct MeanSquares(int Slot, double Factor, double Epsilon)
{
    /// <summary>Added under the root.</summary>
    public double Inner { get; init; }

    /// <summary>1 / (1 - decay^updates), the bias correction of a running mean that began with 0.</summary>
    public static double Correction(double decay, long updates) => 1 / (1 - Math.Pow(decay, updates));
}

/// <summary>
/// Sums of squares and products of gradients divided by their root mean squares: each quotient in float32, sums in float64 in the order of
/// <see cref="SquareSums"/>.
/// </summary>
internal readonly struct Preconditioner(MeanSquares squares)
{
    private readonly float _factor = (float)squares.Factor;
    private readonly float _inner = (float)squares.Inner;
    private readonly float _epsilon = (float)squares.Epsilon;

    /// <summary>Sum of squares of the quotients.</summary>
    /// <param name="scale">Factor on the gradient, in float32.</param>
    /// <param name="meanSquares">As long as the gradient.</param>
    public double Squares(ReadOnlySpan<float> gradient, float scale, ReadOnlySpan<float> meanSquares)
    {
        var sums = default(SquareSums);
        var factor = Vector256.Create(scale);
        int i = 0;
        for (; i <= gradient.Length - 8; i += 8) sums.Add(Divide(Vector256.Create(gradient[i..]) * factor, Vector256.Create(meanSquares[i..])), 8);
        if (i == gradient.Length) return sums.Total;
        Span<float> padded = stackalloc float[16];
        padded.Clear();
        gradient[i..].CopyTo(padded);
        meanSquares[i..].CopyTo(padded[8..]);
        sums.Add(Divide(Vector256.Create<float>(padded) * factor, Vector256.Create<float>(padded[8..])), gradient.Length - i);
        return sums.Total;
    }

    /// <summary>Sum of products of the quotients of two gradients.</summary>
    /// <inheritdoc cref="Squares" path="/param"/>
    /// <param name="other">As long as the gradient; taken as it is.</param>
    public double Product(ReadOnlySpan<float> gradient, float scale, ReadOnlySpan<float> other, ReadOnlySpan<float> meanSquares)
    {
        Vector256<double> low = default, high = default;
        var factor = Vector256.Create(scale);
        int i = 0;
        for (; i <= gradient.Length - 8; i += 8)
            Multiply(Vector256.Create(gradient[i..]) * factor, Vector256.Create(other[i..]), Vector256.Create(meanSquares[i..]), ref low, ref high);
        if (i == gradient.Length) return SquareSums.TotalOf(low, high);
        Span<float> padded = stackalloc float[24];
        padded.Clear();
        gradient[i..].CopyTo(padded);
        other[i..].CopyTo(padded[8..]);
        meanSquares[i..].CopyTo(padded[16..]);
        Multiply(Vector256.Create<float>(padded) * factor, Vector256.Create<float>(padded[8..]), Vector256.Create<float>(padded[16..]), ref low, ref high);
        return SquareSums.TotalOf(low, high);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Multiply(Floats gradient, Floats other, Floats square, ref Vector256<double> low, ref Vector256<double> high)
    {
        var (aLow, aHigh) = Vector256.Widen(Divide(gradient, square));
        var (bLow, bHigh) = Vector256.Widen(Divide(other, square));
        low += aLow * bLow;
        high += aHigh * bHigh;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Floats Divide(Floats gradient, Floats square)
    {
        var root = Vector256.Sqrt(square * Vector256.Create(_factor) + Vector256.Create(_inner)) + Vector256.Create(_epsilon);
        return Vector256.ConditionalSelect(Vector256.Equals(square, Floats.Zero), Floats.Zero, gradient / root);
    }
}
