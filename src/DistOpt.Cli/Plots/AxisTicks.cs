using System.Globalization;
using ScottPlot;
using ScottPlot.TickGenerators;

namespace DistOpt.Plots;

/// <summary>Ticks of logarithmic and linear axes.</summary>
internal static class AxisTicks
{
    private const string Superscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹";

    /// <summary>
    /// Ticks at powers of ten for an axis that shows decimal logarithms; at 2 and 5 times them as well where the axis has less than two decades.
    /// </summary>
    public static ITickGenerator Logarithmic(double minimum, double maximum)
    {
        var ticks = new NumericManual();
        foreach (var (at, label) in Decades(minimum, maximum))
        {
            if (label is not null) ticks.AddMajor(at, label);
            else ticks.AddMinor(at);
        }
        return ticks;
    }

    /// <summary>Where the ticks are, and what the major ones say.</summary>
    internal static IEnumerable<(double At, string? Label)> Decades(double minimum, double maximum)
    {
        double decades = maximum - minimum;
        int stride = Math.Max(1, (int)Math.Ceiling(decades / 8));
        for (int power = (int)Math.Floor(minimum); power <= Math.Ceiling(maximum); power++)
        {
            for (int digit = 1; digit < 10; digit++)
            {
                double at = power + Math.Log10(digit);
                if (at < minimum - 1e-9 || at > maximum + 1e-9) continue;
                bool isLabelled = digit == 1 ? power % stride == 0 : decades < 2 && digit is (2 or 5);
                if (isLabelled) yield return (at, digit == 1 ? Power(power) : power is 0 or 1 ? $"{digit}{(power == 1 ? "0" : "")}" : $"{digit}·{Power(power)}");
                else if (decades <= 6) yield return (at, null);
            }
        }
    }

    /// <summary>Ticks at round numbers, with separated thousands.</summary>
    public static ITickGenerator Linear(bool integersOnly) =>
        new NumericAutomatic { LabelFormatter = Label, IntegerTicksOnly = integersOnly, TickDensity = 0.7 };

    /// <summary>Ticks where they are given.</summary>
    public static ITickGenerator Named(IReadOnlyList<PlotTick> ticks) =>
        new NumericManual([.. ticks.Select(t => t.At)], [.. ticks.Select(t => t.Label)]);

    internal static string Label(double value) => value == 0 ? "0" : Math.Abs(value) switch
    {
        >= 1e6 or < 1e-4 => Scientific(value),
        >= 1e3 => value.ToString("#,0.##", CultureInfo.InvariantCulture),
        _ => value.ToString("0.######", CultureInfo.InvariantCulture),
    };

    internal static string Power(int exponent) => exponent switch
    {
        0 => "1",
        1 => "10",
        _ => "10" + Raised(exponent),
    };

    private static string Scientific(double value)
    {
        int exponent = (int)Math.Floor(Math.Log10(Math.Abs(value)) + 1e-9);
        string digits = (value / Math.Pow(10, exponent)).ToString("0.##", CultureInfo.InvariantCulture);
        return digits == "1" ? "10" + Raised(exponent) : $"{digits}·10{Raised(exponent)}";
    }

    private static string Raised(int exponent) =>
        (exponent < 0 ? "⁻" : "") + string.Concat(Math.Abs(exponent).ToString(CultureInfo.InvariantCulture).Select(d => Superscripts[d - '0']));
}
