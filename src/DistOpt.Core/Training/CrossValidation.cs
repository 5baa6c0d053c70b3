namespace DistOpt.Core.Training;

/// <summary>How a fold of a cross-validation stands.</summary>
/// <param name="Fold">From 0.</param>
/// <param name="Run">Its run directory, or the id of its job; null where it has none.</param>
/// <param name="Summary">How it ended; null = it has not begun.</param>
public sealed record FoldResult(int Fold, string? Run, RunSummary? Summary);

/// <summary>
/// What the folds of a cross-validation come to. Means and deviations are over the folds, each with the metrics of its selected weights, and
/// are there once every fold is complete.
/// </summary>
public sealed class CrossValidation
{
    /// <param name="job">Id of the whole.</param>
    /// <param name="folds">Every fold, in order; at least 1.</param>
    /// <param name="wallSeconds">Of the whole.</param>
    public CrossValidation(string job, IReadOnlyList<FoldResult> folds, double wallSeconds)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(folds.Count, 1);
        Folds = folds;
        bool isComplete = folds.All(f => f.Summary is { Status: RunStatus.Completed });
        foreach (var split in Enum.GetValues<DataSplit>())
        {
            var (mean, deviation) = (new Dictionary<string, double>(), new Dictionary<string, double>());
            foreach (string name in isComplete ? Common(split) : [])
            {
                double[] values = [.. folds.Select(f => Of(f, split)[name])];
                mean[name] = values.Average();
                deviation[name] = values.Length == 1 ? double.NaN : Math.Sqrt(values.Sum(v => (v - mean[name]) * (v - mean[name])) / (values.Length - 1));
            }
            Mean[split] = mean;
            Deviation[split] = deviation;
        }
        Summary = Summarize(job, isComplete, wallSeconds);
    }

    public IReadOnlyList<FoldResult> Folds { get; }

    /// <summary>Arithmetic mean of each metric that every fold has.</summary>
    public Dictionary<DataSplit, IReadOnlyDictionary<string, double>> Mean { get; } = [];

    /// <summary>Sample standard deviation (divisor: folds - 1) of each metric that every fold has; NaN for a single fold.</summary>
    public Dictionary<DataSplit, IReadOnlyDictionary<string, double>> Deviation { get; } = [];

    /// <summary>The whole as one run: metrics are the means, counts are sums.</summary>
    public RunSummary Summary { get; }

    private RunSummary Summarize(string job, bool isComplete, double wallSeconds)
    {
        RunSummary[] begun = [.. Folds.Select(f => f.Summary).OfType<RunSummary>()];
        var failed = Folds.FirstOrDefault(f => f.Summary is { Status: RunStatus.Failed });
        StopReason[] reasons = [.. begun.Select(s => s.StopReason).OfType<StopReason>().Distinct()];
        long samples = begun.Sum(s => s.Samples);
        return new RunSummary
        {
            Job = job,
            Status = isComplete ? RunStatus.Completed : failed is not null ? RunStatus.Failed
                : begun.Any(s => s.Status == RunStatus.Cancelled) ? RunStatus.Cancelled : RunStatus.Interrupted,
            StopReason = failed is not null ? StopReason.Failed : isComplete ? reasons.Length == 1 ? reasons[0] : null : StopReason.Interrupted,
            Error = failed is null ? null : $"fold {failed.Fold}: {failed.Summary!.Error}",
            Steps = begun.Sum(s => s.Steps),
            Epochs = begun.Sum(s => s.Epochs),
            Samples = samples,
            Train = Mean[DataSplit.Train],
            Validation = Mean[DataSplit.Validation],
            Test = Mean[DataSplit.Test],
            WallSeconds = wallSeconds,
            SamplesPerSecond = wallSeconds > 0 ? samples / wallSeconds : 0,
            Workers = begun is [var first, ..] ? first.Workers : 0,
            Servers = begun is [var one, ..] ? one.Servers : 0,
            Processes = begun is [var any, ..] ? any.Processes : 1,
            GradientShards = begun is [var same, ..] ? same.GradientShards : 0,
            WorkerFailures = begun.Sum(s => s.WorkerFailures),
            ServerFailures = begun.Sum(s => s.ServerFailures),
            CoordinatorRestarts = begun.Sum(s => s.CoordinatorRestarts),
            Rollbacks = begun.Sum(s => s.Rollbacks),
            StepsComputed = begun.Sum(s => s.StepsComputed),
        };
    }

    private IEnumerable<string> Common(DataSplit split) => Of(Folds[0], split).Keys.Where(n => Folds.All(f => Of(f, split).ContainsKey(n)));

    private static IReadOnlyDictionary<string, double> Of(FoldResult fold, DataSplit split) => split switch
    {
        DataSplit.Train => fold.Summary!.Train,
        DataSplit.Validation => fold.Summary!.Validation,
        _ => fold.Summary!.Test,
    };
}
