using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace DistOpt.Core.Randomness;

/// <summary>
/// The normal distribution's quantile function to about 16 digits: Wichura, "Algorithm AS 241: The Percentage Points of the Normal
/// Distribution", Applied Statistics 37(3), 1988 (PPND16). Uses + - * / and the square root alone, which IEEE 754 rounds alike everywhere,
/// since the C library's logarithm does not.
/// </summary>
internal static class NormalQuantile
{
    private static ReadOnlySpan<double> CentralNumerator =>
    [
        2.5090809287301226727e+3, 3.3430575583588128105e+4, 6.7265770927008700853e+4, 4.5921953931549871457e+4,
        1.3731693765509461125e+4, 1.9715909503065514427e+3, 1.3314166789178437745e+2, 3.3871328727963666080e+0,
    ];

    private static ReadOnlySpan<double> CentralDenominator =>
    [
        5.2264952788528545610e+3, 2.8729085735721942674e+4, 3.9307895800092710610e+4, 2.1213794301586595867e+4,
        5.3941960214247511077e+3, 6.8718700749205790830e+2, 4.2313330701600911252e+1, 1.0,
    ];

    private static ReadOnlySpan<double> MiddleNumerator =>
    [
        7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e+0,
        3.64784832476320460504e+0, 5.76949722146069140550e+0, 4.63033784615654529590e+0, 1.42343711074968357734e+0,
    ];

    private static ReadOnlySpan<double> MiddleDenominator =>
    [
        1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
        6.89767334985100004550e-1, 1.67638483018380384940e+0, 2.05319162663775882187e+0, 1.0,
    ];

    private static ReadOnlySpan<double> TailNumerator =>
    [
        2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
        2.96560571828504891230e-1, 1.78482653991729133580e+0, 5.46378491116411436990e+0, 6.65790464350110377720e+0,
    ];

    private static ReadOnlySpan<double> TailDenominator =>
    [
        2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
        1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0,
    ];

    /// <summary>The value below which a standard normal variable lies with probability <paramref name="p"/>, in (0, 1).</summary>
    public static double At(double p)
    {
        double q = p - 0.5;
        if (Math.Abs(q) <= 0.425)
        {
            double s = 0.180625 - q * q;
            return Horner(CentralNumerator, s) * q / Horner(CentralDenominator, s);
        }
        double r = Math.Sqrt(-Log(q < 0 ? p : 1 - p));
        double x = r <= 5
            ? Horner(MiddleNumerator, r - 1.6) / Horner(MiddleDenominator, r - 1.6)
            : Horner(TailNumerator, r - 5) / Horner(TailDenominator, r - 5);
        return q < 0 ? -x : x;
    }

    /// <summary>
    /// Replaces multiples u of 2^-24 in [0, 1) by the quantile at u + 2^-25, in float32. No fused multiply-add: vector and scalar values
    /// have the same bits.
    /// </summary>
    public static void FromUniform(Span<float> values)
    {
        int done = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            ref float start = ref MemoryMarshal.GetReference(values);
            var limit = Vector256.Create(0.425f);
            for (; done <= values.Length - Vector256<float>.Count; done += Vector256<float>.Count)
            {
                var q = Centre(Vector256.LoadUnsafe(ref start, (nuint)done));
                Central(q).StoreUnsafe(ref start, (nuint)done);
                // 3 of 20 values lie in the tails
                uint tails = Vector256.GreaterThan(Vector256.Abs(q), limit).ExtractMostSignificantBits();
                for (; tails != 0; tails &= tails - 1)
                {
                    int lane = System.Numerics.BitOperations.TrailingZeroCount(tails);
                    values[done + lane] = (float)At(q[lane] + 0.5);
                }
            }
        }
        for (; done < values.Length; done++)
        {
            float q = Centre(Vector256.Create(values[done]))[0];
            values[done] = Math.Abs(q) > 0.425f ? (float)At(q + 0.5) : Central(Vector256.Create(q))[0];
        }
    }

    /// <summary>u + 2^-25 - 1/2, without rounding.</summary>
    private static Vector256<float> Centre(Vector256<float> u) =>
        (u * (1 << 25) - Vector256.Create((float)(1 << 24)) + Vector256<float>.One) * (1f / (1 << 25));

    private static Vector256<float> Central(Vector256<float> q)
    {
        var s = Vector256.Create(0.180625f) - q * q;
        return Horner(CentralNumerator, s) * q / Horner(CentralDenominator, s);
    }

    private static Vector256<float> Horner(ReadOnlySpan<double> coefficients, Vector256<float> x)
    {
        var sum = Vector256<float>.Zero;
        foreach (double c in coefficients) sum = sum * x + Vector256.Create((float)c);
        return sum;
    }

    /// <summary>
    /// Natural logarithm of a positive normal number, within 1 ulp: x = 2^k m with m in [sqrt(1/2), sqrt(2)), then the series of
    /// log((1+s)/(1-s)) in s = (m-1)/(m+1), with fdlibm's (<c>e_log.c</c>) minimax coefficients.
    /// </summary>
    internal static double Log(double x)
    {
        long bits = BitConverter.DoubleToInt64Bits(x);
        int k = (int)(bits >> 52) - 1023;
        double m = BitConverter.Int64BitsToDouble(bits & 0xFFFFFFFFFFFFFL | 0x3FF0000000000000L);
        if (m >= 1.4142135623730951)
        {
            m *= 0.5;
            k++;
        }
        double f = m - 1;
        double s = f / (2 + f);
        double z = s * s;
        double series = z * Horner(
            [1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01, 2.222219843214978396e-01,
                2.857142874366239149e-01, 3.999999999940941908e-01, 6.666666666666735130e-01], z);
        double half = 0.5 * f * f;
        return k * 6.93147180369123816490e-01 - (half - (s * (half + series) + k * 1.90821492927058770002e-10) - f);
    }

    private static double Horner(ReadOnlySpan<double> coefficients, double x)
    {
        double sum = 0;
        foreach (double c in coefficients) sum = sum * x + c;
        return sum;
    }
}
