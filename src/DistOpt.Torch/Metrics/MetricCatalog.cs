using DistOpt.Core.Metrics;
using DistOpt.Core.Specs;

namespace DistOpt.Torch.Metrics;

/// <summary>The built-in metrics. Adding one is one class and one line here.</summary>
public static class MetricCatalog
{
    /// <summary>Name of the confusion matrix.</summary>
    public const string ConfusionMatrix = EvaluateSection.ConfusionMatrix;

    /// <summary>A new catalogue, for an application to add its own to. A factory takes the entry's options record.</summary>
    public static Catalog<Func<object, IMetric>> Create() => new Catalog<Func<object, IMetric>>("metric")
        .Add(new("accuracy", typeof(NoMetricOptions), _ => new AccuracyMetric(), "classes: share of right predictions", "sklearn accuracy_score"))
        .Add(new("top-k", typeof(TopKOptions), o => new TopKMetric((TopKOptions)o),
            "classes: share of targets among the k highest scores, as 'top_5_accuracy'", "sklearn top_k_accuracy_score"))
        .Add(new("precision", typeof(ClassScoreOptions), o => new ClassScoreMetric(ClassScoreKind.Precision, (ClassScoreOptions)o),
            "classes: right ones among the predictions of a class", "sklearn precision_score, zero_division=0"))
        .Add(new("recall", typeof(ClassScoreOptions), o => new ClassScoreMetric(ClassScoreKind.Recall, (ClassScoreOptions)o),
            "classes: right ones among the samples of a class", "sklearn recall_score, zero_division=0"))
        .Add(new("f1", typeof(ClassScoreOptions), o => new ClassScoreMetric(ClassScoreKind.F1, (ClassScoreOptions)o),
            "classes: harmonic mean of precision and recall", "sklearn f1_score, zero_division=0"))
        .Add(new("auc", typeof(NoMetricOptions), _ => new AucMetric(),
            "classes: area under the ROC curve; above two classes the mean of each against the rest, of several yes-or-no answers the mean over them", "sklearn roc_auc_score, multi_class='ovr'"))
        .Add(new(ConfusionMatrix, typeof(NoMetricOptions), _ => new ConfusionMatrixMetric(),
            "classes: counts by target and prediction, in confusion.csv", "sklearn confusion_matrix"))
        .Add(new("mse", typeof(NoMetricOptions), _ => new ErrorMetric(ErrorKind.Mse), "values: mean squared error", "sklearn mean_squared_error"))
        .Add(new("rmse", typeof(NoMetricOptions), _ => new ErrorMetric(ErrorKind.Rmse), "values: root of the mean squared error, over all values of all targets",
            "torchmetrics MeanSquaredError(squared=False)"))
        .Add(new("mae", typeof(NoMetricOptions), _ => new ErrorMetric(ErrorKind.Mae), "values: mean absolute error", "sklearn mean_absolute_error"))
        .Add(new("r2", typeof(NoMetricOptions), _ => new R2Metric(), "values: coefficient of determination", "sklearn r2_score"));
}
