using System.Globalization;

namespace DistOpt;

/// <summary>How the command line writes numbers and times: the same everywhere, whatever the machine's language.</summary>
internal static class Format
{
    /// <summary>A metric: four significant places, more where the value is small.</summary>
    public static string Metric(double value) => value switch
    {
        double.NaN => "nan",
        double.PositiveInfinity => "inf",
        double.NegativeInfinity => "-inf",
        0 => "0",
        _ when Math.Abs(value) is >= 1e-3 and < 1e5 => value.ToString("0.0000", CultureInfo.InvariantCulture),
        _ => value.ToString("0.000e+0", CultureInfo.InvariantCulture),
    };

    public static string Count(double value) => value.ToString("#,0", CultureInfo.InvariantCulture);

    /// <summary>Such as <c>1 worker</c>, <c>1,797 samples</c>.</summary>
    public static string Plural(long count, string noun, string? plural = null) => $"{Count(count)} {(count == 1 ? noun : plural ?? noun + "s")}";

    /// <summary>Seconds as <c>3.2 s</c>, <c>4 min 05 s</c> or <c>2 h 07 min</c>.</summary>
    public static string Duration(double seconds) => seconds switch
    {
        < 60 => string.Create(CultureInfo.InvariantCulture, $"{seconds:0.0} s"),
        < 3600 => string.Create(CultureInfo.InvariantCulture, $"{(int)seconds / 60} min {(int)seconds % 60:00} s"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{(long)seconds / 3600} h {(long)seconds % 3600 / 60:00} min"),
    };

    public static string Bytes(double bytes) => bytes switch
    {
        >= 1L << 30 => string.Create(CultureInfo.InvariantCulture, $"{bytes / (1L << 30):0.0} GiB"),
        >= 1L << 20 => string.Create(CultureInfo.InvariantCulture, $"{bytes / (1L << 20):0.0} MiB"),
        >= 1L << 10 => string.Create(CultureInfo.InvariantCulture, $"{bytes / (1L << 10):0.0} KiB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes:0} B"),
    };

    /// <summary>Metrics as <c>loss 0.1234  accuracy 0.9512</c>.</summary>
    public static string Metrics(IEnumerable<KeyValuePair<string, double>> metrics, string prefix = "") =>
        string.Join("  ", metrics.Select(m => $"{prefix}{m.Key} {Metric(m.Value)}"));

    /// <summary>Columns padded to the widest cell, two spaces apart, no space at a line's end.</summary>
    public static IEnumerable<string> Table(IReadOnlyList<IReadOnlyList<string>> rows)
    {
        int columns = rows.Count == 0 ? 0 : rows.Max(r => r.Count);
        int[] widths = [.. Enumerable.Range(0, columns).Select(c => rows.Max(r => c < r.Count ? r[c].Length : 0))];
        return rows.Select(row => string.Join("  ", row.Select((cell, c) => cell.PadRight(widths[c]))).TrimEnd());
    }
}
