using System.Globalization;

namespace DistOpt.Core.Datasets;

/// <summary>Numbers in a CSV cell: decimal point, optional exponent, no thousands separator; finite.</summary>
internal static class CsvNumber
{
    public static bool TryParse(ReadOnlySpan<char> cell, out float value) =>
        float.TryParse(cell, NumberStyles.Float, CultureInfo.InvariantCulture, out value) && float.IsFinite(value);

    public static bool TryParse(ReadOnlySpan<char> cell, out double value) =>
        double.TryParse(cell, NumberStyles.Float, CultureInfo.InvariantCulture, out value) && double.IsFinite(value);
}
