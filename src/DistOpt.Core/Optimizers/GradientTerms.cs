using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Floats = System.Runtime.Intrinsics.Vector256<float>;

namespace DistOpt.Core.Optimizers;

/// <summary>
/// What is added to a gradient that has been divided by its weight, and its clipping by value: penalties are terms of the loss, so they come
/// before clipping (DESIGN section 5). With weights w:
/// <code>
/// g += 2 * l2 * w                      of l2 * sum w^2
/// g += l1 * sign(w)                    of l1 * sum |w|, a subgradient (0 at 0)
/// g += power * p * sign(w) |w|^(p-1)   of power * sum |w|^p
/// g = min(max(g, -clip), clip)
/// </code>
/// </summary>
public sealed record GradientTerms
{
    /// <summary>Nothing added, nothing clipped.</summary>
    public static GradientTerms None { get; } = new();

    /// <summary>Factor of the sum of squares, at least 0.</summary>
    public double L2 { get; init; }

    /// <summary>Factor of the sum of absolute values, at least 0.</summary>
    public double L1 { get; init; }

    /// <summary>Factor of the sum of |w|^<see cref="PowerExponent"/>, at least 0.</summary>
    public double Power { get; init; }

    /// <summary>p of the power penalty, at least 1.</summary>
    public double PowerExponent { get; init; } = 4;

    /// <summary>Bound of each element of the gradient, above 0; infinity for none.</summary>
    public double ClipValue { get; init; } = double.PositiveInfinity;

    /// <summary>Whether nothing is added and nothing clipped.</summary>
    public bool IsEmpty => L2 == 0 && L1 == 0 && Power == 0 && double.IsPositiveInfinity(ClipValue);

    /// <summary>The penalty on one weight, of which <see cref="Derivative"/> is the derivative.</summary>
    public double Penalty(double w) => L2 * w * w + L1 * Math.Abs(w) + (Power == 0 ? 0 : Power * Math.Pow(Math.Abs(w), PowerExponent));

    /// <summary>The penalty's derivative by one weight, in the arithmetic of float64.</summary>
    public double Derivative(double w) => 2 * L2 * w + L1 * Math.Sign(w)
        + (Power == 0 ? 0 : Power * PowerExponent * Math.Sign(w) * Math.Pow(Math.Abs(w), PowerExponent - 1));
}

/// <summary>Makes what an optimizer sees as the gradient out of eight elements of the sum.</summary>
internal interface IGradientSource
{
    Floats Of(Floats sum, Floats parameter);
}

/// <summary>The sum divided by its weight.</summary>
internal readonly struct ScaledGradient(float scale) : IGradientSource
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Floats Of(Floats sum, Floats parameter) => sum * Vector256.Create(scale);
}

/// <summary>Divided, and then shortened by a factor.</summary>
internal readonly struct ClippedGradient(float scale, float factor) : IGradientSource
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Floats Of(Floats sum, Floats parameter) => sum * Vector256.Create(scale) * Vector256.Create(factor);
}

/// <summary>Divided, with penalties, clipped by value and shortened by a factor. Branches are the same for every element of a pass.</summary>
internal readonly struct ShapedGradient(float scale, GradientTerms terms, float factor) : IGradientSource
{
    private readonly float _l2 = (float)(2 * terms.L2);
    private readonly float _l1 = (float)terms.L1;
    private readonly float _power = (float)(terms.Power * terms.PowerExponent);
    private readonly double _exponent = terms.PowerExponent;
    private readonly int _whole = terms.PowerExponent == Math.Floor(terms.PowerExponent) ? (int)terms.PowerExponent : 0;
    private readonly float _clip = (float)terms.ClipValue;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Floats Of(Floats sum, Floats parameter)
    {
        var g = sum * Vector256.Create(scale);
        // not "+ 0 * w": an infinite weight would become NaN
        if (_l2 != 0) g += Vector256.Create(_l2) * parameter;
        if (_l1 != 0) g += Vector256.Create(_l1) * Signs.Of(parameter);
        if (_power != 0) g += Vector256.Create(_power) * OddPower(parameter);
        // clamped so that NaN stays NaN
        if (!float.IsPositiveInfinity(_clip))
        {
            var clamped = Vector256.Min(Vector256.Max(g, Vector256.Create(-_clip)), Vector256.Create(_clip));
            g = Vector256.ConditionalSelect(Vector256.Equals(g, g), clamped, g);
        }
        return g * Vector256.Create(factor);
    }

    /// <summary>sign(w) |w|^(p-1), of whole p by repeated multiplication.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Floats OddPower(Floats w)
    {
        if (_whole == 0) return AnyPower(w);
        if (_whole == 1) return Signs.Of(w);
        var power = w;
        for (int i = 2; i < _whole; i++) power *= w;
        // an even p has an odd derivative already; an odd p's even power takes the sign
        return (_whole & 1) == 0 ? power : Vector256.Abs(power) * Signs.Of(w);
    }

    /// <summary>In float64, rounded once.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private Floats AnyPower(Floats w)
    {
        Span<float> powers = stackalloc float[Floats.Count];
        Vector256.Abs(w).CopyTo(powers);
        foreach (ref float power in powers) power = (float)Math.Pow(power, _exponent - 1);
        return Vector256.Create<float>(powers) * Signs.Of(w);
    }
}

internal static class Signs
{
    /// <summary>1, 0 or -1; NaN for NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats Of(Floats x)
    {
        var one = Vector256<float>.One;
        var sign = (Vector256.GreaterThan(x, Floats.Zero).AsInt32() & one.AsInt32()).AsSingle()
            - (Vector256.LessThan(x, Floats.Zero).AsInt32() & one.AsInt32()).AsSingle();
        return Vector256.ConditionalSelect(Vector256.Equals(x, x), sign, x);
    }
}
