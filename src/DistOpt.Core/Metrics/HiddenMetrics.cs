using System.Globalization;
using DistOpt.Core.Training;

namespace DistOpt.Core.Metrics;

/// <summary>
/// Metrics that are no sum over samples. A slice carries what they are made of, additively: marks <c>#formula=reported name</c>, further sums
/// under <c>#.name</c>, and counts. Once everything is added, <see cref="Finish"/> gives the values. All of it is a pure function of the
/// sums, so a value does not depend on slices, workers or servers.
/// </summary>
public static class HiddenMetrics
{
    /// <summary>Counts of a <see cref="ConfusionMatrix"/>.</summary>
    public const string ConfusionCounts = "#confusion";

    /// <summary>Counts of <see cref="RankCounts"/>.</summary>
    public const string RankCounts = "#rank";

    private const string ConfusionMark = "#confusion ";

    /// <summary>Whether the name is of something that is not reported as it is.</summary>
    public static bool IsHidden(string name) => name.Length > 0 && name[0] == MetricSums.HiddenMark;

    /// <summary>Asks for the square root of the quotient that is added under this mark.</summary>
    public static void AskRoot(MetricSums sums, string reported, double sum, double weight) => sums.Add($"#root={reported}", sum, weight);

    /// <summary>Asks for precision, recall or f1 from the confusion counts.</summary>
    /// <param name="classes">Number of classes, at least 2.</param>
    /// <param name="kind">Which one.</param>
    /// <param name="average">How classes are put together; null: the class of <paramref name="index"/> alone.</param>
    public static void AskClasses(MetricSums sums, string reported, int classes, ClassScoreKind kind, ClassAverage? average, int index = 0) =>
        sums.Add(string.Create(CultureInfo.InvariantCulture, $"#classes {classes} {kind} {average?.ToString() ?? "one"} {index}={reported}"), 0, 0);

    /// <summary>Asks that the confusion matrix be kept; it is no value of a row.</summary>
    public static void AskConfusion(MetricSums sums, int classes) =>
        sums.Add(ConfusionMark + classes.ToString(CultureInfo.InvariantCulture) + "=", 0, 0);

    /// <summary>Asks for the area under the ROC curve from the rank counts.</summary>
    public static void AskAuc(MetricSums sums, string reported) => sums.Add($"#auc={reported}", 0, 0);

    /// <summary>Asks for r2 from sums that <see cref="AddR2"/> adds.</summary>
    public static void AskR2(MetricSums sums, string reported, int columns) =>
        sums.Add(string.Create(CultureInfo.InvariantCulture, $"#r2 {columns}={reported}"), 0, 0);

    /// <summary>Adds what r2 of one column is made of.</summary>
    public static void AddR2(MetricSums sums, int column, double count, double sum, double squares, double squaredErrors)
    {
        string name = "#.r2 " + column.ToString(CultureInfo.InvariantCulture);
        sums.Add(name + " y", sum, count);
        sums.Add(name + " yy", squares, count);
        sums.Add(name + " ee", squaredErrors, count);
    }

    /// <summary>
    /// What is reported, in the order in which it was asked for: sums as they are, and what the marks ask for with weight 1. Sums without
    /// marks are given back as they are.
    /// </summary>
    public static MetricSums Finish(MetricSums sums)
    {
        if (sums.Counts.Count == 0 && !sums.Any(s => IsHidden(s.Key))) return sums;
        var finished = new MetricSums();
        ClassScores? scores = null;
        foreach (var (name, sum) in sums)
        {
            if (!IsHidden(name))
            {
                finished.Add(name, sum);
                continue;
            }
            int end = name.IndexOf('=', StringComparison.Ordinal);
            if (end < 0 || end == name.Length - 1) continue;
            string[] formula = name[1..end].Split(' ');
            double value = formula[0] switch
            {
                "root" => Math.Sqrt(sum.Value),
                "classes" => (scores ??= new ClassScores(ConfusionMatrix.Of(sums, Number(formula[1]))))
                    .Value(Enum.Parse<ClassScoreKind>(formula[2]), formula[3] == "one" ? null : Enum.Parse<ClassAverage>(formula[3]), Number(formula[4])),
                "auc" => Metrics.RankCounts.MeanAuc(sums.CountsOf(RankCounts)),
                "r2" => R2(sums, Number(formula[1])),
                _ => throw new InvalidDataException($"the metric '{name}' comes from another version of DistOpt"),
            };
            finished.Add(name[(end + 1)..], value, 1);
        }
        return finished;
    }

    /// <summary>The confusion matrix, where it was asked for.</summary>
    public static ConfusionMatrix? Confusion(MetricSums sums)
    {
        foreach (var (name, _) in sums)
            if (name.StartsWith(ConfusionMark, StringComparison.Ordinal)) return ConfusionMatrix.Of(sums, Number(name[ConfusionMark.Length..^1]));
        return null;
    }

    /// <summary>
    /// The mean over columns of 1 - squared errors / squared distances from the mean, as sklearn's <c>r2_score</c>: where all targets of a
    /// column are equal, 1 if every prediction is right and 0 otherwise. NaN below two samples.
    /// </summary>
    private static double R2(MetricSums sums, int columns)
    {
        // the rounding of sums of squares: targets that differ by less than 3e-7 of their size count as equal
        const double equal = 1e-13;
        double total = 0;
        for (int column = 0; column < columns; column++)
        {
            string name = "#.r2 " + column.ToString(CultureInfo.InvariantCulture);
            var (y, yy, ee) = (sums[name + " y"], sums[name + " yy"], sums[name + " ee"]);
            if (y.Weight < 2) return double.NaN;
            double spread = yy.Sum - y.Sum * y.Sum / y.Weight;
            if (double.IsNaN(spread) || double.IsNaN(ee.Sum)) return double.NaN;
            if (spread > equal * yy.Sum) total += 1 - ee.Sum / spread;
            else if (ee.Sum == 0) total += 1;
        }
        return total / columns;
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
