using System.Collections.Immutable;
using System.Text.RegularExpressions;
using DistOpt.Core.Averaging;
using DistOpt.Core.Batching;
using DistOpt.Core.Functions;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs.Binding;

namespace DistOpt.Core.Specs;

/// <summary>
/// Rules over several fields of a training spec. Rules that need more than the spec (the size of the model or of the data) are checked
/// where the job is prepared, and throw the same <see cref="SpecException"/>.
/// </summary>
public static partial class TrainingSpecRules
{
    private static readonly string[] Splits = ["train", "validation", "test"];

    public static ImmutableArray<SpecRule<TrainingSpec>> All { get; } =
    [
        new(["model", "data.name"], FunctionModel.Violations),
        new(["data.validation_fraction", "data.test_fraction"], Fractions),
        new(["data.folds", "data.fold"], Folds),
        new(["training.workers", "training.gradient_shards"], Workers),
        new(["training.workers", "training.workers_min"], WorkersMin),
        new(["model", "select", "stop.target", "stop.patience"], FunctionModel.Metrics),
        new(["select"], s => Metric("select.metric", s.Select.Metric, s)),
        new(["select"], Direction),
        new(["stop.target"], Target),
        new(["stop.patience", "select"], Patience),
        new(["stop", "evaluate.every_epochs", "evaluate.every_steps"], Evaluations),
        new(["storage.kind", "storage.path"], Storage),
        new(["averaging", "training.epochs", "stop.max_steps"], Averaging),
        new(["select", "averaging", "data"], AveragedSelection),
        new(["schedule", "optimizer"], Schedule),
        new(["regularization", "optimizer"], Proximal),
        new(["schedule", "optimizer", "regularization"], MomentumCycle.Violations),
        new(["batch", "optimizer"], GradientDescent.Violations),
        new(["batch", "optimizer"], Preconditioned),
        new(["schedule", "evaluate.every_epochs", "evaluate.every_steps", "data.validation_fraction"], Plateau),
    ];

    /// <summary>Whether a smaller value of the metric is better, as far as the name's last part tells; null when it does not.</summary>
    public static Direction? UsualDirection(string metric)
    {
        ArgumentNullException.ThrowIfNull(metric);
        var words = metric[(metric.LastIndexOf('.') + 1)..].ToLowerInvariant().Split('_', '-', '/');
        // what follows is the name of a class, as in f1/loss
        if (words[0] is "precision" or "recall" or "f1") return Specs.Direction.Maximize;
        if (words.Any(w => w is "loss" or "error" or "mse" or "mae" or "rmse" or "perplexity" or "nll"))
            return Specs.Direction.Minimize;
        return words.Any(w => w is "accuracy" or "acc" or "f1" or "auc" or "r2" or "precision" or "recall" or "bleu")
            ? Specs.Direction.Maximize : null;
    }

    private static IEnumerable<SpecViolation> Fractions(TrainingSpec spec)
    {
        var (validation, test) = (spec.Data.ValidationFraction, spec.Data.TestFraction);
        if (spec.Data.Folds is null && validation + test >= 1)
        {
            yield return new("data.validation_fraction",
                $"is {Show(validation)} beside a test_fraction of {Show(test)}, but their sum must be below 1");
        }
    }

    private static IEnumerable<SpecViolation> Folds(TrainingSpec spec)
    {
        if (spec.Data is { Fold: { } alone, Folds: null })
            yield return new("data.fold", $"is {alone}, but data.folds is not set; set it to the number of folds, such as 5");
        else if (spec.Data is { Fold: { } fold, Folds: { } folds } && fold >= folds)
            yield return new("data.fold", $"is {fold}, but must be below {folds}, the folds; they count from 0");
        if (spec.Data is { Folds: not null, Kind: FunctionModel.NoData })
            yield return new("data.folds", $"is {spec.Data.Folds}, but model '{spec.Model.Kind}' takes no data; leave it away");
    }

    private static IEnumerable<SpecViolation> Workers(TrainingSpec spec)
    {
        if (spec.Training is { GradientShards: { } shards, Workers: var workers } && workers > shards)
        {
            yield return new("training.workers",
                $"is {workers}, but must be at most {shards}, the gradient_shards; raise gradient_shards or set it to auto");
        }
    }

    /// <summary>What is wrong with a metric that decides something.</summary>
    internal static IEnumerable<SpecViolation> Metric(string path, string metric, TrainingSpec spec)
    {
        var dot = metric.IndexOf('.', StringComparison.Ordinal);
        var split = dot < 0 ? metric : metric[..dot];
        if (split == "test")
            yield return new(path,
                $"is '{metric}', but test data is measured once at the end and decides nothing; use validation or train");
        else if (dot < 0 || !MetricName().IsMatch(metric[(dot + 1)..]))
            yield return new(path, $"is '{metric}', but must be split.name, such as validation.loss or train.loss");
        else if (!Splits.Contains(split))
            yield return new(path, $"is '{metric}' with the unknown split '{split}'; did you mean '{NearestSplit(split)}{metric[dot..]}'?");
        else if (split == "validation" && spec.Data is { ValidationFraction: 0, Folds: null })
            yield return new(path, $"is '{metric}', but data.validation_fraction is 0; use train{metric[dot..]}, or a fraction above 0");
    }

    private static IEnumerable<SpecViolation> Direction(TrainingSpec spec)
    {
        if (spec.Select.Direction is null && UsualDirection(spec.Select.Metric) is null && IsSplitAndName(spec.Select.Metric))
            yield return Undirected("select.direction", spec.Select.Metric);
        if (spec.Select.Direction is { } given && UsualDirection(spec.Select.Metric) is { } usual && usual != given)
        {
            var (is_, other) = (Name(given), Name(usual));
            yield return new("select.direction",
                $"is {is_}, which would keep the worst weights by {spec.Select.Metric}; set it to {other}");
        }
    }

    private static IEnumerable<SpecViolation> Patience(TrainingSpec spec)
    {
        if (spec.Stop.Patience is not { } patience) yield break;
        foreach (var violation in Metric("stop.patience.metric", patience.Metric, spec)) yield return violation;
        // on the metric of the selection it has the selection's direction
        if (patience.Direction is null && patience.Metric != spec.Select.Metric && UsualDirection(patience.Metric) is null && IsSplitAndName(patience.Metric))
            yield return Undirected("stop.patience.direction", patience.Metric);
    }

    private static SpecViolation Undirected(string path, string metric) =>
        new(path, $"is null, but the name '{metric}' does not tell it; set minimize or maximize");

    private static bool IsSplitAndName(string metric) =>
        metric.IndexOf('.', StringComparison.Ordinal) is > 0 and var dot && Splits.Contains(metric[..dot]) && MetricName().IsMatch(metric[(dot + 1)..]);

    /// <summary>Train metrics are those of the weights that the steps had; without a validation part there are no others, and the run warns.</summary>
    private static IEnumerable<SpecViolation> AveragedSelection(TrainingSpec spec)
    {
        if (spec.Averaging.Options is not AveragingOptions || spec.Data is { ValidationFraction: 0, Folds: null }) yield break;
        if (spec.Select.Metric.StartsWith("train.", StringComparison.Ordinal))
        {
            yield return new("select.metric", $"is '{spec.Select.Metric}', which is measured on the weights of the steps, but with averaging "
                + $"'{spec.Averaging.Kind}' their average is kept; use a metric of validation, such as validation.loss");
        }
    }

    private static IEnumerable<SpecViolation> Target(TrainingSpec spec)
    {
        if (spec.Stop.Target is not { } target)
            yield break;
        if (target.AtLeast is null && target.AtMost is null)
            yield return new("stop.target", "has no bound; set one of at_least and at_most");
        else if (target.AtLeast is not null && target.AtMost is not null)
            yield return new("stop.target", "has both at_least and at_most; set one of them to null");
        foreach (var violation in Metric("stop.target.metric", target.Metric, spec))
            yield return violation;
    }

    /// <summary>
    /// With both null there is still the evaluation at the end of the run, so selection works (it has one candidate, the last weights);
    /// a target or patience would never fire.
    /// </summary>
    private static IEnumerable<SpecViolation> Evaluations(TrainingSpec spec)
    {
        if (spec.Evaluate is { EveryEpochs: null, EverySteps: null } && spec.Stop is not { Target: null, Patience: null })
        {
            var waiting = spec.Stop.Target is null ? "stop.patience" : "stop.target";
            yield return new("evaluate.every_epochs", $"is null like every_steps, but {waiting} waits for evaluations; set one of the two");
        }
    }

    private static IEnumerable<SpecViolation> WorkersMin(TrainingSpec spec)
    {
        if (spec.Training is { WorkersMin: { } least, Workers: var most } && least > most)
            yield return new("training.workers_min", $"is {least}, but must be at most {most}, the workers; lower it or raise workers");
    }

    private static IEnumerable<SpecViolation> Storage(TrainingSpec spec)
    {
        bool isShared = spec.Storage.Kind == StorageSection.Shared;
        if (isShared && string.IsNullOrWhiteSpace(spec.Storage.Path))
            yield return new("storage.path", "is not set, but storage.kind is shared; name a folder that every node sees under this path");
        else if (isShared && !Path.IsPathRooted(spec.Storage.Path!))
            yield return new("storage.path", $"is '{spec.Storage.Path}', but must begin at the root, since nodes run in different folders");
        else if (!isShared && spec.Storage.Path is { } path)
            yield return new("storage.path", $"is '{path}', but storage.kind is coordinator; set storage.kind to shared or leave the path away");
    }

    /// <summary>An average that nothing can enter would stand for the weights without a word.</summary>
    private static IEnumerable<SpecViolation> Averaging(TrainingSpec spec)
    {
        if (spec.Averaging.Options is not AveragingOptions options) yield break;
        if (options.StartEpoch >= spec.Training.Epochs)
            yield return new("averaging.start_epoch",
                $"is {options.StartEpoch}, but must be below {spec.Training.Epochs}, the training.epochs, or nothing is averaged");
        if (options.StartStep >= spec.Stop.MaxSteps)
            yield return new("averaging.start_step",
                $"is {options.StartStep}, but must be below {spec.Stop.MaxSteps}, the stop.max_steps, or nothing is averaged");
        foreach (var violation in AveragingInSteps(spec, options)) yield return violation;
    }

    /// <summary>Where batches vary nobody knows before the run in which step an epoch ends.</summary>
    private static IEnumerable<SpecViolation> AveragingInSteps(TrainingSpec spec, AveragingOptions options)
    {
        bool scales = spec.Batch.LearningRateScaling == LearningRateScaling.Adascale;
        if (!scales && spec.Batch.Options is null or FixedBatchOptions or FullBatchOptions) yield break;
        string why = scales ? "with batch.learning_rate_scaling adascale" : $"with batch.kind {spec.Batch.Kind}";
        if (options.StartEpoch is { } epoch)
        {
            yield return new("averaging.start_epoch",
                $"is {epoch}, but {why} the steps of an epoch are not known before the run; give averaging.start_step in its place");
        }
        if (options is not StochasticAverageOptions) yield break;
        if (options is { StartEpoch: null, StartStep: null })
        {
            yield return new("averaging.start_step",
                $"is not set, and swa then begins with the last quarter, but {why} the run's steps are not known before it; set averaging.start_step");
        }
        if (options.EverySteps is null)
        {
            yield return new("averaging.every_steps",
                $"is not set, and swa then goes by the ends of epochs, but {why} their steps are not known before the run; set averaging.every_steps");
        }
    }

    private static IEnumerable<SpecViolation> Preconditioned(TrainingSpec spec)
    {
        // all at once go into a node's queue of frames
        const int framesMax = 2048;
        long frames = (long)(spec.Training.GradientShards ?? spec.Training.Workers) * spec.Training.Servers;
        if (BatchPlanner.SourceOf(spec) == NoiseSource.PreconditionedLeaves && frames > framesMax)
        {
            yield return new("batch.noise_norm", $"is {(spec.Batch.NoiseNorm == NoiseNorm.Auto ? "auto" : "preconditioned")}, by which every gradient shard is "
                + $"pushed to every server by itself, but these are {frames} frames a step, and must be at most {framesMax}; lower training.gradient_shards, or "
                + "set it to plain");
        }
        if (spec.Batch is not { NoiseNorm: NoiseNorm.Preconditioned, FollowsNoise: true }) yield break;
        if (spec.Optimizer.Options is ILearningRateOptions { KeepsMeanSquares: true }) yield break;
        yield return new("batch.noise_norm", $"is preconditioned, but optimizer '{spec.Optimizer.Kind}' keeps no mean of squared gradients for every "
            + "parameter that they could be divided by; set it to auto or plain, or use an optimizer such as adam");
    }

    private static IEnumerable<SpecViolation> Schedule(TrainingSpec spec)
    {
        var schedule = spec.Schedule;
        if (schedule.Options is IHorizonOptions { TotalSteps: { } total } && schedule.WarmupSteps >= total)
            yield return new("schedule.warmup_steps",
                $"is {schedule.WarmupSteps}, but must be below {total}, the total_steps, which begin with the warm-up");
        if (spec.Optimizer.Options is not ILearningRateOptions { LearningRate: var rate }) yield break;
        if (schedule.Options is CyclicScheduleOptions { MaxLearningRate: { } most } && most < rate)
            yield return new("schedule.max_learning_rate",
                $"is {Show(most)}, but must be at least {Show(rate)}, the optimizer's learning_rate, from which it rises");
        (string Field, double Value) low = schedule.Options switch
        {
            CosineScheduleOptions cosine => ("eta_min", cosine.EtaMin),
            CosineRestartsScheduleOptions cosine => ("eta_min", cosine.EtaMin),
            PolynomialScheduleOptions polynomial => ("end_learning_rate", polynomial.EndLearningRate),
            ReduceOnPlateauOptions plateau => ("min_learning_rate", plateau.MinLearningRate),
            _ => ("", 0),
        };
        if (low.Value > rate)
            yield return new($"schedule.{low.Field}", $"is {Show(low.Value)}, but must be at most {Show(rate)}, the optimizer's learning_rate, from which it falls");
    }

    /// <summary>Soft thresholding minimizes the penalized loss only in the lengths in which the update steps.</summary>
    private static IEnumerable<SpecViolation> Proximal(TrainingSpec spec)
    {
        if (spec.Regularization is not { L1: > 0, L1Mode: L1Mode.Proximal }) yield break;
        // in code the section may have no options record yet
        if (spec.Optimizer.Options is null or ILearningRateOptions { TakesProximalStep: true }) yield break;
        var taking = OptimizerCatalog.Default.Entries
            .Where(e => Activator.CreateInstance(e.OptionsType) is ILearningRateOptions { TakesProximalStep: true }).Select(e => e.Name);
        string with = spec.Optimizer.Options is RmsPropOptions { Centered: true } ? " with centered" : "";
        yield return new("regularization.l1_mode", $"is proximal, but the steps of optimizer '{spec.Optimizer.Kind}'{with} are no length times gradient in which "
            + $"that step could be taken; set l1_mode to subgradient, or use one of {string.Join(", ", taking)}");
    }

    private static IEnumerable<SpecViolation> Plateau(TrainingSpec spec)
    {
        if (spec.Schedule.Options is not ReduceOnPlateauOptions) yield break;
        if (spec.Data is { ValidationFraction: 0, Folds: null })
            yield return new("schedule.kind",
                $"is '{spec.Schedule.Kind}', which follows a validation metric, but data.validation_fraction is 0; set a fraction above 0");
        else if (spec.Evaluate is { EveryEpochs: null, EverySteps: null })
            yield return new("schedule.kind",
                $"is '{spec.Schedule.Kind}', which waits for evaluations, but evaluate.every_epochs and every_steps are null; set one of the two");
    }

    private static string NearestSplit(string split) => split switch
    {
        "val" or "valid" or "dev" or "eval" => "validation",
        "training" => "train",
        _ => FieldNames.Nearest(split, Splits.Take(2)) ?? "validation",
    };

    private static string Name(Direction direction) => direction == Specs.Direction.Minimize ? "minimize" : "maximize";

    private static string Show(double value) => FieldRules.Display(value);

    [GeneratedRegex(@"^[A-Za-z_][A-Za-z0-9_./@-]{0,99}\z")]
    private static partial Regex MetricName();
}
