namespace DistOpt.Core.Metrics;

public enum ClassScoreKind
{
    Precision,
    Recall,
    F1,
}

/// <summary>How scores of several classes become one, as sklearn's <c>average</c>.</summary>
public enum ClassAverage
{
    /// <summary>The mean over the classes that occur among targets or predictions.</summary>
    Macro,

    /// <summary>From counts over all classes; with one class a sample this is the accuracy.</summary>
    Micro,

    /// <summary>The mean weighted by the targets of each class.</summary>
    Weighted,
}

/// <summary>
/// Precision, recall and f1 from a confusion matrix, as sklearn's with <c>zero_division=0</c>: where nothing was predicted to be of a class
/// its precision is 0, where no sample is of it its recall is 0, where both its f1 is 0.
/// </summary>
public sealed class ClassScores
{
    private readonly long[] _right;
    private readonly long[] _predicted;
    private readonly long[] _targets;

    public ClassScores(ConfusionMatrix matrix)
    {
        (_right, _predicted, _targets) = (new long[matrix.Classes], new long[matrix.Classes], new long[matrix.Classes]);
        foreach (var (target, predicted, count) in matrix.Cells)
        {
            _targets[target] += count;
            _predicted[predicted] += count;
            if (target == predicted) _right[target] += count;
        }
    }

    /// <param name="average">Null: the class of <paramref name="index"/> alone.</param>
    public double Value(ClassScoreKind kind, ClassAverage? average, int index = 0) => average switch
    {
        null => Of(kind, _right[index], _predicted[index], _targets[index]),
        ClassAverage.Micro => Of(kind, _right.Sum(), _predicted.Sum(), _targets.Sum()),
        ClassAverage.Weighted => Mean(kind, c => _targets[c]),
        _ => Mean(kind, c => _targets[c] + _predicted[c] > 0 ? 1 : 0),
    };

    private double Mean(ClassScoreKind kind, Func<int, double> weight)
    {
        double sum = 0, weights = 0;
        for (int c = 0; c < _right.Length; c++)
        {
            double w = weight(c);
            if (w == 0) continue;
            sum += w * Of(kind, _right[c], _predicted[c], _targets[c]);
            weights += w;
        }
        return weights == 0 ? 0 : sum / weights;
    }

    private static double Of(ClassScoreKind kind, long right, long predicted, long targets)
    {
        var (part, whole) = kind switch
        {
            ClassScoreKind.Precision => (right, predicted),
            ClassScoreKind.Recall => (right, targets),
            _ => (2 * right, predicted + targets),
        };
        return whole == 0 ? 0 : (double)part / whole;
    }
}
