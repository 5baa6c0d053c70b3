using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Runtime.InteropServices;
using DistOpt.Core.Metrics;
using static TorchSharp.torch;

namespace DistOpt.Torch.Metrics;

/// <summary>A metric without fields.</summary>
public sealed record NoMetricOptions;

/// <summary>"accuracy": share of targets that are the predicted class.</summary>
public sealed class AccuracyMetric : IMetric
{
    public bool Fits(OutputReading reading) => reading != OutputReading.Values;

    public void Measure(MetricBatch batch, StepContext context)
    {
        long right = 0, count = 0;
        ReadOnlySpan<long> targets = batch.TargetClasses, predicted = batch.PredictedClasses;
        for (int i = 0; i < targets.Length; i++)
        {
            if (targets[i] < 0) continue;
            count++;
            if (targets[i] == predicted[i]) right++;
        }
        context.Log("accuracy", right, count);
    }
}

/// <summary>Fields of <c>{ kind: top-k }</c>.</summary>
public sealed record TopKOptions
{
    [Description("The target must be among so many classes with the highest scores; fewer than the classes")]
    [Range(1, 1_000_000)]
    public int K { get; init; } = 5;
}

/// <summary>
/// "top_K_accuracy": share of targets with fewer than K classes of a higher score, or of the same score and a lower index.
/// </summary>
public sealed class TopKMetric(TopKOptions options) : IMetric
{
    public bool Fits(OutputReading reading) => reading == OutputReading.Classes;

    public string? Refusal(MetricBatch batch) => options.K < batch.Classes ? null
        : $"has k = {options.K}, but there are {batch.Classes} classes: every target would be among them; choose a k below";

    public void Measure(MetricBatch batch, StepContext context)
    {
        using var scope = NewDisposeScope();
        int classes = batch.Classes;
        var scores = MemoryMarshal.Cast<byte, float>(batch.ClassScores().to(ScalarType.Float32).contiguous().bytes);
        var targets = batch.TargetClasses;
        long right = 0, count = 0;
        for (int i = 0; i < targets.Length; i++)
        {
            if (targets[i] < 0) continue;
            count++;
            int target = (int)targets[i], above = 0;
            var row = scores.Slice(i * classes, classes);
            float own = row[target];
            for (int c = 0; c < classes; c++)
                if (row[c] > own || (row[c] == own && c < target)) above++;
            if (above < options.K && !float.IsNaN(own)) right++;
        }
        context.Log(string.Create(CultureInfo.InvariantCulture, $"top_{options.K}_accuracy"), right, count);
    }
}

/// <summary>What precision, recall and f1 report.</summary>
public enum ScoreAverage
{
    /// <summary>The mean over the classes that occur.</summary>
    Macro,

    /// <summary>From counts over all classes.</summary>
    Micro,

    /// <summary>The mean weighted by the targets of each class.</summary>
    Weighted,

    /// <summary>Class 1 of two.</summary>
    Binary,

    /// <summary>A value for each class.</summary>
    PerClass,
}

/// <summary>Fields of precision, recall and f1.</summary>
public sealed record ClassScoreOptions
{
    [Description("macro = mean over classes, as 'f1'; micro, weighted, as 'f1_micro'; binary = class 1 of two, as 'f1_binary'; per-class, as 'f1/NAME'")]
    public ScoreAverage Average { get; init; } = ScoreAverage.Macro;
}

/// <summary>
/// Precision, recall or f1 as sklearn's with <c>zero_division=0</c> (<see cref="ClassScores"/>), from the counts of a confusion matrix.
/// </summary>
public sealed class ClassScoreMetric(ClassScoreKind kind, ClassScoreOptions options) : IMetric
{
    /// <summary>Most classes whose values are reported one by one, for they stand in every row.</summary>
    public const int PerClassMax = 100;

    private readonly string _name = kind switch { ClassScoreKind.F1 => "f1", ClassScoreKind.Recall => "recall", _ => "precision" };

    public bool Fits(OutputReading reading) => reading != OutputReading.Values;

    public string? Refusal(MetricBatch batch) => options.Average switch
    {
        ScoreAverage.PerClass when batch.Classes > PerClassMax =>
            $"has average per-class, but there are {batch.Classes} classes, and at most {PerClassMax} are reported one by one: use macro, or confusion-matrix",
        not ScoreAverage.Binary when batch is { Reading: OutputReading.Binary, TargetsPerSample: > 1 } =>
            $"has average {options.Average.ToString().ToLowerInvariant()}, but targets are {batch.TargetsPerSample} yes-or-no answers: use average binary, which counts "
            + "all of them together (sklearn's micro over labels), or auc, the mean over them",
        ScoreAverage.Binary when batch.Classes != 2 => $"has average binary, but there are {batch.Classes} classes: use macro, micro, weighted or per-class",
        _ => null,
    };

    public void Measure(MetricBatch batch, StepContext context)
    {
        batch.CountConfusion(context);
        switch (options.Average)
        {
            case ScoreAverage.PerClass:
                bool named = Enumerable.Range(0, batch.Classes).All(c => IsName(batch.ClassName(c)));
                for (int c = 0; c < batch.Classes; c++)
                    Ask($"{_name}/{(named ? batch.ClassName(c) : c.ToString(CultureInfo.InvariantCulture))}", null, c);
                break;
            case ScoreAverage.Binary:
                Ask(_name + "_binary", null, 1);
                break;
            case ScoreAverage.Micro:
                Ask(_name + "_micro", ClassAverage.Micro, 0);
                break;
            case ScoreAverage.Weighted:
                Ask(_name + "_weighted", ClassAverage.Weighted, 0);
                break;
            default:
                Ask(_name, ClassAverage.Macro, 0);
                break;
        }

        void Ask(string reported, ClassAverage? average, int index) =>
            HiddenMetrics.AskClasses(context.Metrics, reported, batch.Classes, kind, average, index);
    }

    /// <summary>Whether the class name can stand in a metric's name, which specs refer to.</summary>
    private static bool IsName(string name) => name.Length is > 0 and <= 60 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-');
}

/// <summary>The confusion matrix: no value of a row, but a file of the run, and shown by <c>evaluate</c>.</summary>
public sealed class ConfusionMatrixMetric : IMetric
{
    public bool Fits(OutputReading reading) => reading != OutputReading.Values;

    public string? Refusal(MetricBatch batch) => batch.Classes <= ConfusionMatrix.ClassesMax ? null
        : $"has {batch.Classes} classes, but a matrix of at most {ConfusionMatrix.ClassesMax} is written: use precision, recall or f1";

    public void Measure(MetricBatch batch, StepContext context)
    {
        batch.CountConfusion(context);
        HiddenMetrics.AskConfusion(context.Metrics, batch.Classes);
    }
}

/// <summary>
/// "auc": area under the ROC curve of all pairs, ties one half. Single scores and two classes (by the difference of their scores): one
/// area; several yes-or-no answers: the mean over them (sklearn's macro). More classes: the mean of each class against the rest by its log-softmax;
/// classes without positives or negatives are left out. NaN where no class is left.
/// </summary>
public sealed class AucMetric : IMetric
{
    public bool Fits(OutputReading reading) => reading != OutputReading.Values;

    public string? Refusal(MetricBatch batch)
    {
        long scores = checked(batch.Samples * batch.TargetsPerSample * (batch.Classes == 2 ? 1 : batch.Classes));
        return scores <= RankCounts.ScoresMax ? null
            : $"would rank {scores} scores (samples times classes), but at most {RankCounts.ScoresMax}: measure on fewer samples (data.validation_fraction), or use f1";
    }

    public void Measure(MetricBatch batch, StepContext context)
    {
        using var scope = NewDisposeScope();
        var counts = context.Metrics.CountsFor(HiddenMetrics.RankCounts);
        HiddenMetrics.AskAuc(context.Metrics, "auc");
        var targets = batch.TargetClasses;
        // several yes-or-no answers are ranked one by one
        int answers = batch.Reading == OutputReading.Binary ? checked((int)batch.TargetsPerSample) : 1;
        int rankings = batch.Classes == 2 ? 1 : batch.Classes;
        var ranked = batch.Reading == OutputReading.Binary ? batch.Output
            : rankings == 1 ? batch.ClassScores().select(1, 1) - batch.ClassScores().select(1, 0)
            : nn.functional.log_softmax(batch.ClassScores(), 1);
        var scores = MemoryMarshal.Cast<byte, float>(ranked.to(ScalarType.Float32).contiguous().bytes);
        for (int i = 0; i < targets.Length; i++)
        {
            if (targets[i] < 0) continue;
            for (int c = 0; c < rankings; c++)
                RankCounts.Add(counts, answers > 1 ? i % answers : c, scores[i * rankings + c], targets[i] == (rankings == 1 ? 1 : c));
        }
    }
}
