using System.Globalization;
using System.Text;
using DistOpt.Core.Training;

namespace DistOpt.Core.Metrics;

/// <summary>How many samples of each class were predicted to be of each class. Kept sparse.</summary>
/// <param name="classes">Number of classes, at least 2.</param>
/// <param name="counts">Counts under <see cref="Key"/>.</param>
public sealed class ConfusionMatrix(int classes, MetricCounts counts)
{
    private readonly (long Key, long Count)[] _cells = counts.Sorted();

    /// <summary>Most classes of a matrix that is written out: a million cells and some.</summary>
    public const int ClassesMax = 1024;

    public int Classes => classes;

    /// <summary>Cells with a count: target, prediction, samples; ascending.</summary>
    public IEnumerable<(int Target, int Predicted, long Count)> Cells =>
        _cells.Select(c => ((int)(c.Key / classes), (int)(c.Key % classes), c.Count));

    /// <summary>Samples of class <paramref name="target"/> that were predicted to be <paramref name="predicted"/>.</summary>
    public long this[int target, int predicted]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)target, (uint)classes, nameof(target));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)predicted, (uint)classes, nameof(predicted));
            int at = Array.BinarySearch(_cells, (Key(target, predicted, classes), long.MinValue));
            return ~at is var next && next < _cells.Length && _cells[next].Key == Key(target, predicted, classes) ? _cells[next].Count : 0;
        }
    }

    public static long Key(int target, int predicted, int classes) => (long)target * classes + predicted;

    /// <summary>The matrix of the sums' counts.</summary>
    public static ConfusionMatrix Of(MetricSums sums, int classes) =>
        new(classes, sums.CountsOf(HiddenMetrics.ConfusionCounts) ?? new MetricCounts());

    /// <summary>
    /// CSV: a head line <c>target,</c> and the predicted classes; then a line for each class, with the number of its samples that were
    /// predicted to be of each.
    /// </summary>
    /// <param name="names">Class names by index; classes beyond them are called by their index.</param>
    public string ToCsv(IReadOnlyList<string> names)
    {
        var text = new StringBuilder("target");
        for (int c = 0; c < classes; c++) text.Append(',').Append(Quoted(Name(names, c)));
        text.Append('\n');
        int cell = 0;
        for (int target = 0; target < classes; target++)
        {
            text.Append(Quoted(Name(names, target)));
            for (int predicted = 0; predicted < classes; predicted++)
            {
                bool counted = cell < _cells.Length && _cells[cell].Key == Key(target, predicted, classes);
                text.Append(',').Append(CultureInfo.InvariantCulture, $"{(counted ? _cells[cell++].Count : 0)}");
            }
            text.Append('\n');
        }
        return text.ToString();
    }

    /// <summary>A class as people read it.</summary>
    public static string Name(IReadOnlyList<string> names, int index) =>
        index < names.Count ? names[index] : index.ToString(CultureInfo.InvariantCulture);

    private static string Quoted(string name) =>
        name.AsSpan().ContainsAny(",\"\r\n") ? $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : name;
}
