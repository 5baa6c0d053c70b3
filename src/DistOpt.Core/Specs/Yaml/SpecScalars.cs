using System.Globalization;
using System.Numerics;
using System.Text.RegularExpressions;

namespace DistOpt.Core.Specs.Yaml;

/// <summary>Plain scalars by the core schema of YAML 1.2 (section 10.3.2), so <c>1e-4</c> is a number and <c>yes</c> is text.</summary>
internal static partial class SpecScalars
{
    /// <summary>Longer numbers are no numbers that a field could hold.</summary>
    private const int NumberLengthMax = 400;

    public static bool IsNull(string text) => text is "" or "~" or "null" or "Null" or "NULL";

    public static bool IsBool(string text, out bool value)
    {
        value = text is "true" or "True" or "TRUE";
        return value || text is "false" or "False" or "FALSE";
    }

    /// <summary>Digits, or a prefixed octal or hexadecimal number.</summary>
    public static bool IsInteger(string text, out BigInteger value)
    {
        value = default;
        if (text.Length > NumberLengthMax)
            return false;
        if (Decimal().IsMatch(text))
            return BigInteger.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);
        if (!Prefixed().IsMatch(text))
            return false;
        var bits = text[1] == 'x' ? 4 : 3;
        foreach (var digit in text.AsSpan(2))
            value = (value << bits) + (char.IsAsciiDigit(digit) ? digit - '0' : (digit | 0x20) - 'a' + 10);
        return true;
    }

    /// <summary>A number with point or exponent, <c>.inf</c> or <c>.nan</c>, or digits alone.</summary>
    public static bool IsNumber(string text, out double value)
    {
        value = 0;
        if (text.Length > NumberLengthMax)
            return false;
        if (Float().IsMatch(text))
            return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value);
        if (Infinite().IsMatch(text))
            value = text[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity;
        else if (text is ".nan" or ".NaN" or ".NAN")
            value = double.NaN;
        else
            return false;
        return true;
    }

    /// <summary>Whether the plain spelling means text, here and in readers of YAML 1.1 (where <c>yes</c> is true).</summary>
    public static bool IsUnmistakablyText(string text) =>
        PlainText().IsMatch(text) && !IsNull(text) && !IsBool(text, out _) && !IsNumber(text, out _) && !IsInteger(text, out _)
        && text.ToLowerInvariant() is not ("yes" or "no" or "on" or "off" or "y" or "n" or "true" or "false" or "null");

    /// <summary>The shortest spelling that reads back as the same bits, with point and signed exponent as YAML 1.1 wants it too.</summary>
    public static string Format(double value)
    {
        if (double.IsNaN(value))
            return ".nan";
        if (double.IsInfinity(value))
            return value > 0 ? ".inf" : "-.inf";
        var text = value.ToString("R", CultureInfo.InvariantCulture);
        var exponent = text.IndexOf('E', StringComparison.Ordinal);
        var mantissa = exponent < 0 ? text : text[..exponent];
        if (!mantissa.Contains('.', StringComparison.Ordinal))
            mantissa += ".0";
        return exponent < 0 ? mantissa : mantissa + "e" + text[(exponent + 1)..];
    }

    [GeneratedRegex(@"^[-+]?[0-9]+\z")]
    private static partial Regex Decimal();

    [GeneratedRegex(@"^0(o[0-7]+|x[0-9a-fA-F]+)\z")]
    private static partial Regex Prefixed();

    [GeneratedRegex(@"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\z")]
    private static partial Regex Float();

    [GeneratedRegex(@"^[-+]?(\.inf|\.Inf|\.INF)\z")]
    private static partial Regex Infinite();

    [GeneratedRegex(@"^[A-Za-z_/][A-Za-z0-9_./+-]*( [A-Za-z0-9_./+-]+)*\z")]
    private static partial Regex PlainText();
}
