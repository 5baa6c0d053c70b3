using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistOpt.Core.Optimizers;

/// <summary>
/// Sum of squares in float64, in a fixed order: eight running sums, one for each place within eight elements, added in the end from the first to
/// the last. The bits depend on the elements and on where the first one stands, and on nothing else.
/// </summary>
internal struct SquareSums
{
    private Vector256<double> _low;
    private Vector256<double> _high;

    /// <summary>The sum of all that was added.</summary>
    public readonly double Total
    {
        get
        {
            double total = 0;
            for (int i = 0; i < 4; i++) total += _low[i];
            for (int i = 0; i < 4; i++) total += _high[i];
            return total;
        }
    }

    /// <summary>Adds eight elements, of which those from <paramref name="count"/> on do not count.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(Vector256<float> values, int count)
    {
        if (count < Vector256<float>.Count)
            values = Vector256.ConditionalSelect(Vector256.LessThan(Vector256<int>.Indices, Vector256.Create(count)).AsSingle(), values, Vector256<float>.Zero);
        var (low, high) = Vector256.Widen(values);
        _low += low * low;
        _high += high * high;
    }

    /// <summary>Sum of squares of <paramref name="values"/>.</summary>
    public static double Of(ReadOnlySpan<float> values)
    {
        var sums = default(SquareSums);
        int i = 0;
        for (; i <= values.Length - 8; i += 8) sums.Add(Vector256.Create(values[i..]), 8);
        if (i < values.Length)
        {
            Span<float> padded = stackalloc float[8];
            padded.Clear();
            values[i..].CopyTo(padded);
            sums.Add(Vector256.Create<float>(padded), values.Length - i);
        }
        return sums.Total;
    }

    /// <summary>Sum of squares of <paramref name="values"/>, each of which is added to its place in <paramref name="each"/> too.</summary>
    public static double Of(ReadOnlySpan<float> values, Span<double> each)
    {
        var sums = default(SquareSums);
        int i = 0;
        for (; i <= values.Length - 8; i += 8)
        {
            var (low, high) = Vector256.Widen(Vector256.Create(values[i..]));
            (low, high) = (low * low, high * high);
            sums._low += low;
            sums._high += high;
            (Vector256.Create<double>(each[i..]) + low).CopyTo(each[i..]);
            (Vector256.Create<double>(each[(i + 4)..]) + high).CopyTo(each[(i + 4)..]);
        }
        for (int place = 0; i < values.Length; i++, place++)
        {
            double square = (double)values[i] * values[i];
            if (place < 4) sums._low = sums._low.WithElement(place, sums._low[place] + square);
            else sums._high = sums._high.WithElement(place - 4, sums._high[place - 4] + square);
            each[i] += square;
        }
        return sums.Total;
    }

    /// <summary>Sum of products of <paramref name="values"/>, each times a factor in float32, with others.</summary>
    public static double Product(ReadOnlySpan<float> values, float factor, ReadOnlySpan<float> others)
    {
        Vector256<double> low = default, high = default;
        Span<float> padded = stackalloc float[16];
        for (int i = 0; i < values.Length; i += 8)
        {
            int count = Math.Min(8, values.Length - i);
            Vector256<float> a, b;
            if (count == 8)
            {
                (a, b) = (Vector256.Create(values[i..]), Vector256.Create(others[i..]));
            }
            else
            {
                padded.Clear();
                values.Slice(i, count).CopyTo(padded);
                others.Slice(i, count).CopyTo(padded[8..]);
                (a, b) = (Vector256.Create<float>(padded), Vector256.Create<float>(padded[8..]));
            }
            var (aLow, aHigh) = Vector256.Widen(a * Vector256.Create(factor));
            var (bLow, bHigh) = Vector256.Widen(b);
            low += aLow * bLow;
            high += aHigh * bHigh;
        }
        return TotalOf(low, high);
    }

    /// <summary>The total of eight running sums.</summary>
    public static double TotalOf(Vector256<double> low, Vector256<double> high) => new SquareSums { _low = low, _high = high }.Total;

    /// <summary>Sum of squares of gradients as an optimizer sees them.</summary>
    public static double Of<TGradient>(TGradient source, ReadOnlySpan<float> gradient, ReadOnlySpan<float> parameters)
        where TGradient : struct, IGradientSource
    {
        var sums = default(SquareSums);
        int i = 0;
        for (; i <= gradient.Length - 8; i += 8) sums.Add(source.Of(Vector256.Create(gradient[i..]), Vector256.Create(parameters[i..])), 8);
        if (i < gradient.Length)
        {
            Span<float> padded = stackalloc float[16];
            padded.Clear();
            gradient[i..].CopyTo(padded);
            parameters[i..].CopyTo(padded[8..]);
            sums.Add(source.Of(Vector256.Create<float>(padded), Vector256.Create<float>(padded[8..])), gradient.Length - i);
        }
        return sums.Total;
    }
}
