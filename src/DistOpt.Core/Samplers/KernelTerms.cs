using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace DistOpt.Core.Samplers;

/// <summary>Sums of mixtures: terms are the logarithms of what each kernel has of a density, most of which are nothing beside the largest.</summary>
internal static class KernelTerms
{
    /// <summary>Logarithm of what does not change a sum to which 1 belongs, also ten thousand times.</summary>
    public const double Negligible = -48;

    /// <summary>The sum of exp(term - largest) over the terms, without those that are too small to count: most kernels are far from a point.</summary>
    public static double SumExp(ReadOnlySpan<double> terms, double largest)
    {
        double sum = 0, least = largest + Negligible;
        int k = 0;
        ref double term = ref MemoryMarshal.GetReference(terms);
        for (; k <= terms.Length - Vector256<double>.Count; k += Vector256<double>.Count)
        {
            var some = Vector256.LoadUnsafe(ref term, (nuint)k);
            if (!Vector256.GreaterThanAny(some, Vector256.Create(least))) continue;
            for (int i = 0; i < Vector256<double>.Count; i++) sum += Math.Exp(some[i] - largest);
        }
        for (; k < terms.Length; k++) sum += Math.Exp(terms[k] - largest);
        return sum;
    }

    /// <summary>How many terms are above a bound, or no number.</summary>
    public static int Above(ReadOnlySpan<double> terms, double bound)
    {
        int count = terms.Length, k = 0;
        ref double term = ref MemoryMarshal.GetReference(terms);
        var bounds = Vector256.Create(bound);
        for (; k <= terms.Length - Vector256<double>.Count; k += Vector256<double>.Count)
            count -= BitOperations.PopCount(Vector256.LessThanOrEqual(Vector256.LoadUnsafe(ref term, (nuint)k), bounds).ExtractMostSignificantBits());
        for (; k < terms.Length; k++)
            if (terms[k] <= bound) count--;
        return count;
    }

    /// <summary>Moves the terms that are above a bound, or no number, to the front, and writes down whose they are.</summary>
    public static int Keep(Span<double> terms, Span<int> kept, double bound, int begin)
    {
        int left = 0, k = 0;
        ref double term = ref MemoryMarshal.GetReference(terms);
        var bounds = Vector256.Create(bound);
        for (; k <= terms.Length - Vector256<double>.Count; k += Vector256<double>.Count)
        {
            uint above = ~Vector256.LessThanOrEqual(Vector256.LoadUnsafe(ref term, (nuint)k), bounds).ExtractMostSignificantBits() & 0xF;
            for (; above != 0; above &= above - 1, left++)
            {
                int place = k + BitOperations.TrailingZeroCount(above);
                (kept[left], terms[left]) = (begin + place, terms[place]);
            }
        }
        for (; k < terms.Length; k++)
            if (!(terms[k] <= bound)) (kept[left], terms[left++]) = (begin + k, terms[k]);
        return left;
    }
}
