namespace DistOpt.Core.Randomness;

/// <summary>
/// The standard normal distribution. The error function is Cody's ("Rational Chebyshev approximations for the error function", Mathematics of
/// Computation 23, 1969), to about 16 digits.
/// </summary>
public static class NormalDistribution
{
    private const double SqrtHalf = 0.70710678118654752440;
    private const double InverseSqrtPi = 0.56418958354775628695;

    private static ReadOnlySpan<double> SmallNumerator =>
        [3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3, 1.85777706184603153e-1];

    private static ReadOnlySpan<double> SmallDenominator => [2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3];

    private static ReadOnlySpan<double> MiddleNumerator =>
    [
        5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1, 2.98635138197400131e2, 8.81952221241769090e2,
        1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3, 2.15311535474403846e-8,
    ];

    private static ReadOnlySpan<double> MiddleDenominator =>
    [
        1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3, 3.29079923573345963e3,
        4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
    ];

    private static ReadOnlySpan<double> LargeNumerator =>
        [3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1, 1.60837851487422766e-2, 6.58749161529837803e-4, 1.63153871373020978e-2];

    private static ReadOnlySpan<double> LargeDenominator =>
        [2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2, 2.33520497626869185e-3];

    /// <summary>1 - erf(<paramref name="x"/>), to full relative precision also where it is tiny.</summary>
    public static double Erfc(double x)
    {
        double y = Math.Abs(x);
        if (double.IsNaN(x)) return x;
        if (y <= 0.46875) return 1 - x * Small(y * y);
        if (y > 26.6) return x > 0 ? 0 : 2;
        // exp(-y^2) by parts, so that the rounding of the square does not grow
        double rough = Math.Truncate(y * 16) / 16;
        double tail = Tail(y) * (Math.Exp(-rough * rough) * Math.Exp(-(y - rough) * (y + rough)));
        return x > 0 ? tail : 2 - tail;
    }

    /// <summary>exp(x^2) erfc(x) of x from 0 on, which does not vanish: about 1 / (sqrt(pi) x) far out.</summary>
    public static double ScaledErfc(double x) => x <= 0.46875 ? Math.Exp(x * x) * (1 - x * Small(x * x)) : Tail(x);

    /// <summary>Probability of a value up to <paramref name="x"/>.</summary>
    public static double Cdf(double x) => 0.5 * Erfc(-x * SqrtHalf);

    /// <summary>Probability of a value from <paramref name="a"/> to <paramref name="b"/>, to full precision also far out in a tail.</summary>
    public static double Between(double a, double b)
    {
        if (a >= b) return 0;
        // the smaller ones of two tails
        return a > 0 ? 0.5 * (Erfc(a * SqrtHalf) - Erfc(b * SqrtHalf)) : 0.5 * (Erfc(-b * SqrtHalf) - Erfc(-a * SqrtHalf));
    }

    /// <summary>Logarithm of <see cref="Between"/>, which goes on where that is below the least positive number.</summary>
    public static double LogBetween(double a, double b)
    {
        // both in one tail, as distances from the middle
        var (near, far) = a > -b ? (a, b) : (-b, -a);
        if (!(near > 1) || a >= b) return Math.Log(Between(a, b));
        double fall = (far - near) * (far + near) / 2;
        double part = ScaledErfc(near * SqrtHalf);
        // beyond that the far end takes nothing off
        if (fall < 40) part -= Math.Exp(-fall) * ScaledErfc(far * SqrtHalf);
        return Math.Log(0.5 * part) - near * near / 2;
    }

    /// <summary>The value up to which the probability is <paramref name="p"/>, in (0, 1).</summary>
    public static double Quantile(double p) => NormalQuantile.At(p);

    /// <summary>exp(y^2) erfc(y) above 0.46875.</summary>
    private static double Tail(double y)
    {
        if (y <= 4)
        {
            var (p, q) = (MiddleNumerator[8] * y, y);
            for (int i = 0; i < 7; i++) (p, q) = ((p + MiddleNumerator[i]) * y, (q + MiddleDenominator[i]) * y);
            return (p + MiddleNumerator[7]) / (q + MiddleDenominator[7]);
        }
        else
        {
            double z = 1 / (y * y);
            var (p, q) = (LargeNumerator[5] * z, z);
            for (int i = 0; i < 4; i++) (p, q) = ((p + LargeNumerator[i]) * z, (q + LargeDenominator[i]) * z);
            return (InverseSqrtPi - z * (p + LargeNumerator[4]) / (q + LargeDenominator[4])) / y;
        }
    }

    private static double Small(double z)
    {
        var (p, q) = (SmallNumerator[4] * z, z);
        for (int i = 0; i < 3; i++) (p, q) = ((p + SmallNumerator[i]) * z, (q + SmallDenominator[i]) * z);
        return (p + SmallNumerator[3]) / (q + SmallDenominator[3]);
    }
}
