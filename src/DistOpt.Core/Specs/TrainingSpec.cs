using System.Collections.Immutable;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Batching;
using DistOpt.Core.Specs.Binding;
using DistOpt.Core.Training;

namespace DistOpt.Core.Specs;

/// <summary>
/// What to train (DESIGN section 7). Immutable; in a resolved spec every default is filled in and <c>gradient_shards</c> is a number.
/// Property names become snake_case fields of the YAML file.
/// </summary>
public sealed record TrainingSpec
{
    [Description("Name of the job and of its run directory: letters, digits, '-', '_' and '.'")]
    [OutsideIdentity]
    [RegularExpression("[A-Za-z0-9][A-Za-z0-9._-]{0,99}",
        ErrorMessage = "must begin with a letter or digit and have only letters, digits, '.', '_' and '-', at most 100")]
    public string Name { get; init; } = "digits-mlp";

    [Description("The random seed of everything but the data splits")]
    [Range(0, long.MaxValue)]
    public long Seed { get; init; } = 42;

    [Description("The data set, its splits and how it is loaded")]
    [Plugin("datasets", Key = "name")]
    public DataSpec Data { get; init; } = new();

    [Description("The model")]
    [Plugin("models")]
    public ModelSpec Model { get; init; } = new();

    [Description("Training loss on (input, target); a model with its own training step ignores it")]
    [Plugin("losses")]
    public PluginSpec Loss { get; init; } = new("cross-entropy");

    [Description("The update rule and its learning rate")]
    [Plugin("optimizers")]
    public OptimizerSpec Optimizer { get; init; } = new();

    [Description("Penalties on the weights, and the maximum norm")]
    public RegularizationSection Regularization { get; init; } = new();

    [Description("Bounds of the gradient")]
    public ClipSection Clip { get; init; } = new();

    [Description("The running average of the weights that is evaluated, selected and kept in place of the weights")]
    [Plugin("averagings")]
    public PluginSpec Averaging { get; init; } = new("none");

    [Description("The learning rate over the steps")]
    [Plugin("schedules")]
    public ScheduleSpec Schedule { get; init; } = new();

    [Description("The global batch, over all workers")]
    [Plugin("batches")]
    public BatchSpec Batch { get; init; } = new();

    [Description("Length of the run, workers and servers")]
    public TrainingSection Training { get; init; } = new();

    [Description("When the validation part is evaluated")]
    public EvaluateSection Evaluate { get; init; } = new();

    [Description("Which weights are kept")]
    public SelectSection Select { get; init; } = new();

    [Description("What ends the run before its epochs do")]
    public StopSection Stop { get; init; } = new();

    [Description("When checkpoints are written and how many are kept")]
    [OutsideIdentity]
    public CheckpointSection Checkpoint { get; init; } = new();

    [Description("Where checkpoints are written")]
    [OutsideIdentity]
    public StorageSection Storage { get; init; } = new();

    /// <summary>
    /// The spec with what depends on other fields filled in: <c>gradient_shards</c> = workers, <c>select.direction</c>,
    /// <c>patience.direction</c>.
    /// </summary>
    public TrainingSpec Resolve() => this with
    {
        Training = Training with { GradientShards = Training.GradientShards ?? Training.Workers },
        Select = Select with { Direction = Select.DirectionInForce() },
        Stop = Stop with
        {
            Patience = Stop.Patience is { } patience ? patience with { Direction = patience.DirectionBeside(Select) } : null,
        },
    };
}

/// <summary>A plug-in by name with its options record (null only before the binder has resolved it).</summary>
public record PluginSpec(string Kind, object? Options = null)
{
    /// <summary>The options as the type that the catalogue entry declares.</summary>
    /// <exception cref="InvalidOperationException">The spec was not resolved, or holds other options.</exception>
    public T OptionsAs<T>() => Options is T options ? options
        : throw new InvalidOperationException(
            $"'{Kind}' has options of type {Options?.GetType().Name ?? "none"}, not {typeof(T).Name}: the spec is not resolved");
}

/// <summary>
/// <c>data:</c>. The plug-in's name stands under <c>name</c>, and the fields of its options record beside the common ones.
/// </summary>
public sealed record DataSpec() : PluginSpec("digits")
{
    [Description("Share of the training part that is held out for validation, stratified where there are classes")]
    [Range(0.0, 0.9)]
    public double ValidationFraction { get; init; } = 0.1;

    [Description("Share of all samples held out for the test, where the data set has no test part of its own")]
    [Range(0.0, 0.9)]
    public double TestFraction { get; init; } = 0.15;

    [Description("Cut what is not test into so many parts, each the validation part of one run (k-fold cross-validation), instead of "
        + "validation_fraction; null = not")]
    [Range(2, 1000)]
    public int? Folds { get; init; }

    [Description("With folds: the one of them, from 0, that this run leaves out; null = 'train' runs all of them")]
    [Range(0, 999)]
    public int? Fold { get; init; }

    [Description("Seed of the splits, apart from the job's seed, so that runs with other seeds are measured on the same samples")]
    [Range(0, long.MaxValue)]
    public long SplitSeed { get; init; }

    [Description("Random changes of training pictures, in their order, before normalization; evaluation sees the pictures as they are")]
    [Plugin("augmentations")]
    [MaxLength(32)]
    public ImmutableArray<PluginSpec> Augment { get; init; } = [];

    [Description("Batches that are prepared ahead for each worker on separate threads; 0 = none")]
    [Range(0, 64)]
    [OutsideIdentity]
    public int Prefetch { get; init; } = 2;
}

/// <summary><c>model:</c>. The plug-in's name stands under <c>kind</c>, the fields of its options record beside the common ones.</summary>
public sealed record ModelSpec() : PluginSpec("mlp")
{
    [Description("A safetensors file to start from, under state_dict names; null = initial weights from the seed")]
    public string? Weights { get; init; }

    [Description("Patterns ('*' matches any characters) of parameter names that are not trained")]
    public ImmutableArray<string> Freeze { get; init; } = [];
}

/// <summary>
/// <c>schedule:</c>. The plug-in's name stands under <c>kind</c>, the fields of its options record beside the warm-up, which every schedule has.
/// </summary>
public sealed record ScheduleSpec() : PluginSpec("constant"), IValidatableObject
{
    [Description("Steps of the linear warm-up in front of the schedule; 0 = none")]
    [Range(0, long.MaxValue)]
    public long WarmupSteps { get; init; }

    [Description("The same in epochs, rounded up to whole steps; null = by warmup_steps")]
    [Range(0.0, 1_000_000.0)]
    public double? WarmupEpochs { get; init; }

    [Description("Factor of the warm-up's first step (torch's LinearLR; 0 as transformers); auto = the first of warmup_steps equal parts")]
    [NullName("auto")]
    [Range(0.0, 1.0)]
    public double? WarmupStartFactor { get; init; }

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (WarmupSteps > 0 && WarmupEpochs is not null)
            yield return new ValidationResult("is set, and so is warmup_steps; leave one of them out", [nameof(WarmupEpochs)]);
        if (WarmupStartFactor is { } factor && WarmupSteps == 0 && WarmupEpochs is null or 0)
        {
            yield return new ValidationResult($"is {FieldRules.Display(factor)}, but there is no warm-up; set warmup_steps or warmup_epochs, "
                + "or leave warmup_start_factor away", [nameof(WarmupStartFactor)]);
        }
    }
}

/// <summary>
/// <c>batch:</c>. The plug-in's name stands under <c>kind</c>, the fields of its options record beside the learning rate's scaling, which every strategy
/// has.
/// </summary>
public sealed record BatchSpec : PluginSpec, IValidatableObject
{
    private const double UsualSmoothing = 0.99;

    public BatchSpec() : base("fixed") { }

    public BatchSpec(string kind, object? options = null) : base(kind, options) { }

    [Description("Factor on the learning rate: none; linear = size / base_size; square-root of that; adascale = AdaScale's gain (Johnson et al. 2020), "
        + "by whose sum in steps of base_size schedule and training.epochs then go")]
    public LearningRateScaling LearningRateScaling { get; init; } = LearningRateScaling.None;

    [Description("Samples in the batch that the optimizer's learning rate is meant for; auto = what the strategy begins with (random: its mean)")]
    [NullName("auto")]
    [Range(1, 10_000_000)]
    public int? BaseSize { get; init; }

    [Description("Share of the running means of the gradient noise that is kept each step, where it is measured: noise-scale, adascale")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double NoiseSmoothing { get; init; } = UsualSmoothing;

    [Description("Norm in which the gradient noise is measured: plain; preconditioned = of gradients divided by the root of the optimizer's mean of their "
        + "squares; auto = preconditioned where the optimizer keeps such a mean (adam and its relatives), else plain")]
    public NoiseNorm NoiseNorm { get; init; } = NoiseNorm.Auto;

    /// <summary>Whether anything here follows the gradient's noise, so that it is measured.</summary>
    internal bool FollowsNoise => LearningRateScaling == LearningRateScaling.Adascale || Options is IMeasuresNoise;

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (BaseSize is { } size && LearningRateScaling == LearningRateScaling.None)
            yield return new ValidationResult($"is {size}, but learning_rate_scaling is none; set linear, square-root or adascale, or leave base_size away",
                [nameof(BaseSize)]);
        if (NoiseSmoothing != UsualSmoothing && !FollowsNoise)
        {
            yield return new ValidationResult($"is {FieldRules.Display(NoiseSmoothing)}, but nothing here follows the noise; set kind to noise-scale or "
                + "learning_rate_scaling to adascale, or leave noise_smoothing away", [nameof(NoiseSmoothing)]);
        }
        if (NoiseNorm != NoiseNorm.Auto && !FollowsNoise)
        {
            yield return new ValidationResult($"is {NoiseNorm.ToString().ToLowerInvariant()}, but nothing here follows the noise; set kind to noise-scale or "
                + "learning_rate_scaling to adascale, or leave noise_norm away", [nameof(NoiseNorm)]);
        }
    }
}

/// <summary><c>optimizer:</c>. The plug-in's name stands under <c>kind</c>, the fields of its options record beside the common ones.</summary>
public sealed record OptimizerSpec : PluginSpec
{
    public OptimizerSpec() : base("adam") { }

    public OptimizerSpec(string kind, object? options = null) : base(kind, options) { }

    [Description("Whether weight decay also holds for biases and norms: tensors of fewer than two dimensions")]
    public bool DecayBiases { get; init; } = true;

    [Description("Parameters with settings of their own, by name; the first group that matches holds")]
    public ImmutableArray<ParameterGroup> Groups { get; init; } = [];
}

/// <summary>One of <c>optimizer.groups</c>.</summary>
public sealed record ParameterGroup
{
    [Description("Patterns ('*' matches any characters) of parameter names")]
    [Required]
    public ImmutableArray<string> Match { get; init; } = [];

    [Description("Factor on the learning rate; 0 = these are not trained")]
    [Range(0.0, 1e6)]
    public double LearningRateScale { get; init; } = 1;

    [Description("Weight decay in place of the optimizer's; null = as the optimizer's")]
    [Range(0.0, 1000.0)]
    public double? WeightDecay { get; init; }
}

/// <summary>How the L1 penalty acts.</summary>
public enum L1Mode
{
    /// <summary>Its subgradient is added to the gradient.</summary>
    Subgradient,

    /// <summary>
    /// After the update, weights move towards 0 by penalty times the length of the update's own step and no further, so that they become exactly 0.
    /// </summary>
    Proximal,
}

/// <summary>
/// <c>regularization:</c>. Penalties are terms of the loss (<c>train.loss</c> is told without them), so they come before clipping; weight decay
/// belongs to the optimizer. L1 and L2 together are the elastic net.
/// </summary>
public sealed record RegularizationSection : IValidatableObject
{
    private const double UsualExponent = 4;

    [Description("Factor of the sum of absolute weights")]
    [Range(0.0, 1e6)]
    public double L1 { get; init; }

    [Description("Whether the L1 penalty acts by its subgradient or by a proximal step, which makes weights exactly 0 (gd, sgd, momentum, nesterov, adagrad, "
        + "rmsprop unless centered, adam, adamw, nadam, radam: in the lengths of their own steps)")]
    public L1Mode L1Mode { get; init; } = L1Mode.Subgradient;

    [Description("Factor of the sum of squared weights, whose gradient is twice the weights")]
    [Range(0.0, 1e6)]
    public double L2 { get; init; }

    [Description("Factor of the sum of |w|^power_exponent")]
    [Range(0.0, 1e6)]
    public double Power { get; init; }

    [Description("Exponent of that penalty; whole numbers are the fastest")]
    [Range(1.0, 16.0)]
    public double PowerExponent { get; init; } = UsualExponent;

    [Description("Largest norm of the weights into one unit (a row); longer ones are shortened after each update; null = no bound")]
    [Range(0.0, 1e9, MinimumIsExclusive = true)]
    public double? MaxNorm { get; init; }

    [Description("Whether penalties also hold for biases and norms: tensors of fewer than two dimensions")]
    public bool Biases { get; init; }

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (L1Mode != L1Mode.Subgradient && L1 == 0)
            yield return new ValidationResult("is proximal, but l1 is 0; set l1 above 0, or leave l1_mode away", [nameof(L1Mode)]);
        if (PowerExponent != UsualExponent && Power == 0)
            yield return new ValidationResult($"is {FieldRules.Display(PowerExponent)}, but power is 0; set power above 0, or leave power_exponent away", [nameof(PowerExponent)]);
    }
}

/// <summary><c>clip:</c>, in this order.</summary>
public sealed record ClipSection
{
    [Description("Bound of each element of the gradient; null = none")]
    [Range(0.0, 1e9, MinimumIsExclusive = true)]
    public double? Value { get; init; }

    [Description("Bound of the norm of each tensor's gradient; null = none")]
    [Range(0.0, 1e9, MinimumIsExclusive = true)]
    public double? Norm { get; init; }

    [Description("Bound of the norm of the whole gradient; null = none")]
    [Range(0.0, 1e9, MinimumIsExclusive = true)]
    public double? GlobalNorm { get; init; }
}

public sealed record TrainingSection
{
    public const string Float32 = "float32";
    public const string Bf16 = "bf16";

    [Description("Passes over the training part; with learning_rate_scaling adascale those that the base batch would make")]
    [Range(1, 1_000_000)]
    public int Epochs { get; init; } = 20;

    [Description("Worker actors")]
    [Range(1, 100_000)]
    [OutsideIdentity]
    public int Workers { get; init; } = 2;

    [Description("Fewest workers to begin with, where workers may come and go: workers: {min: 2, max: 8} sets both; null = as many as workers")]
    [Range(1, 100_000)]
    [OutsideIdentity]
    public int? WorkersMin { get; init; }

    [Description("GiB of memory that a worker takes of a cluster node, which gets it only where so much is left; a trial in a child process may have no more; null = not counted, and such a trial has an equal share")]
    [Range(0.001, 1e6)]
    [OutsideIdentity]
    public double? WorkerMemory { get; init; }

    [Description("GPUs that a worker takes of a cluster node, which gets it only where so many are free; a trial in a child process sees those it was given and no others. For model code of your own: training.device is cpu")]
    [Range(0, 1024)]
    [OutsideIdentity]
    public int WorkerGpus { get; init; }

    /// <summary><see cref="WorkerMemory"/> in bytes.</summary>
    public long? WorkerMemoryBytes() => WorkerMemory is { } gibibytes ? (long)(gibibytes * (1L << 30)) : null;

    [Description("Parameter servers; at most one per 1,024 parameters")]
    [Range(1, 10_000)]
    [OutsideIdentity]
    public int Servers { get; init; } = 1;

    [Description("G, the fixed number of gradient shards of every global batch; auto = as many as workers")]
    [NullName("auto")]
    [Range(1, 100_000)]
    public int? GradientShards { get; init; }

    [Description("Most samples in one forward and backward pass; a larger gradient shard is accumulated in order; null = no limit")]
    [Range(1, int.MaxValue)]
    public int? MicroBatch { get; init; }

    [Description("A row of training metrics every so many steps, beside those of evaluations and epochs; targets and patience on train metrics go by the latest row; null = those alone")]
    [Range(1, long.MaxValue)]
    public long? LogEverySteps { get; init; }

    [Description("Consistency of the parameter server")]
    [Plugin("consistencies")]
    public PluginSpec Consistency { get; init; } = new("bsp");

    [Description("Backups of each parameter server on other nodes: 1 = a server can be lost without going back to a checkpoint")]
    [Range(0, 1)]
    [OutsideIdentity]
    public int Replicas { get; init; }

    [Description("Whether nodes whose numeric fingerprint differs are refused")]
    [OutsideIdentity]
    public bool BitExact { get; init; } = true;

    [Description("Seconds without progress after which the job goes on without whom it waits for, or fails with that name")]
    [Range(1.0, 86_400.0)]
    [OutsideIdentity]
    public double WorkerTimeout { get; init; } = 60;

    [Description("Seconds that a job which has lost nodes waits for others, where those that are left cannot go on")]
    [Range(1.0, 604_800.0)]
    [OutsideIdentity]
    public double NodeTimeout { get; init; } = 600;

    [Description("Seconds that a job may take to open its data and model, and as many that it waits for room before it begins; then it fails")]
    [Range(1.0, 604_800.0)]
    [OutsideIdentity]
    public double StartTimeout { get; init; } = 604_800;

    [Description("Seconds for which a job goes on without its coordinator before it waits at its next barrier")]
    [Range(1.0, 604_800.0)]
    [OutsideIdentity]
    public double CoordinatorGrace { get; init; } = 600;

    [Description("What gradient sums are kept in: bf16 = in bfloat16, rounded at every node of the reduction tree, and half the bytes between nodes")]
    [AllowedValues(Float32, Bf16)]
    public string GradientPrecision { get; init; } = Float32;

    [Description("bf16 = forward and backward in bfloat16, norms, loss, gradient sums and master weights in float32; needs a CPU that gains by it")]
    [AllowedValues(Float32, Bf16)]
    public string Precision { get; init; } = Float32;

    /// <summary>The tree over the gradient shards that are in the spec.</summary>
    /// <exception cref="InvalidOperationException">Their number was not decided.</exception>
    public ReductionTree Tree() => new(GradientShards ?? throw new InvalidOperationException("the number of gradient shards was not decided"),
        GradientPrecision == Bf16 ? Batching.GradientPrecision.Bfloat16 : Batching.GradientPrecision.Float32);

    [Description("Device of the tensors")]
    [AllowedValues("cpu")]
    public string Device { get; init; } = "cpu";
}

public sealed record EvaluateSection
{
    /// <summary>Name of the metric that is a file of the run.</summary>
    public const string ConfusionMatrix = "confusion-matrix";

    [Description("Evaluate on the validation part every so many epochs; null = not by epochs")]
    [Range(1, 1_000_000)]
    public int? EveryEpochs { get; init; } = 1;

    [Description("Evaluate every so many steps; null = not by steps")]
    [Range(1, long.MaxValue)]
    public long? EverySteps { get; init; }

    [Description("Samples in one evaluation slice")]
    [Range(1, 1_000_000)]
    public int BatchSize { get; init; } = 256;

    [Description("Metrics beside the loss; [] = what fits the loss: accuracy for classes, mse and mae for values")]
    [Plugin("metrics")]
    [OutsideIdentity]
    public ImmutableArray<PluginSpec> Metrics { get; init; } = [];
}

public enum Direction
{
    Minimize,
    Maximize,
}

public static class DirectionExtensions
{
    /// <summary>The value, or its opposite where more is better: of what comes out, less is better.</summary>
    public static double Loss(this Direction direction, double value) => direction == Direction.Maximize ? -value : value;
}

public sealed record SelectSection
{
    [Description("Metric by which the kept weights are selected, as split.name")]
    public string Metric { get; init; } = "validation.loss";

    [Description("Whether a smaller or a larger value is better; null: by the name (a loss or an error is minimized, an accuracy, f1, auc ... maximized)")]
    public Direction? Direction { get; init; }

    /// <summary>The direction that holds: the given one, else the usual one of the metric, without which rules refuse the spec; in code minimize.</summary>
    public Direction DirectionInForce() => Direction ?? TrainingSpecRules.UsualDirection(Metric) ?? Specs.Direction.Minimize;
}

public sealed record StopSection
{
    [Description("Stop when a metric reaches a bound")]
    public TargetSection? Target { get; init; }

    [Description("Stop when a metric no longer improves")]
    public PatienceSection? Patience { get; init; }

    [Description("Stop after so many steps; with AdaScale the horizon of schedules stays that of the epochs")]
    [Range(1, long.MaxValue)]
    public long? MaxSteps { get; init; }

    [Description("Stop once so many samples have been trained on, counted again in every epoch; the step that reaches it is whole; with AdaScale as max_steps")]
    [Range(1, long.MaxValue)]
    public long? MaxSamples { get; init; }

    [Description("Stop after so many seconds; schedules do not know of it: their horizon stays that of epochs, max_steps and max_samples")]
    [Range(0.001, 1e9)]
    public double? MaxSeconds { get; init; }

    [Description("A step's loss, or the last validation loss, has diverged above so many times the first step's (at least 0.01); null = never by its size")]
    [Range(1.0, double.MaxValue, MinimumIsExclusive = true)]
    public double? DivergenceFactor { get; init; } = Divergence.UsualFactor;
}

/// <summary>
/// Stop when a metric reaches a bound; exactly one of the bounds is set. Looked at where there would be an evaluation; a train metric is the
/// mean over the steps since the train row before.
/// </summary>
public sealed record TargetSection
{
    [Description("Metric as split.name")]
    [Required]
    public string Metric { get; init; } = "";

    [Description("Stop when the metric is at least this")]
    public double? AtLeast { get; init; }

    [Description("Stop when the metric is at most this")]
    public double? AtMost { get; init; }
}

/// <summary>Stop when a metric has not improved for so many evaluations.</summary>
public sealed record PatienceSection
{
    public const string Absolute = "abs";
    public const string Relative = "rel";

    [Description("Metric as split.name")]
    public string Metric { get; init; } = "validation.loss";

    [Description("Evaluations without an improvement")]
    [Range(1, 1_000_000)]
    public int Evaluations { get; init; } = 5;

    [Description("An improvement that is not larger than this does not count")]
    [Range(0.0, double.MaxValue)]
    public double MinDelta { get; init; }

    [Description("abs: min_delta is a difference; rel: it is a share of the best value so far")]
    [AllowedValues(Absolute, Relative)]
    public string MinDeltaMode { get; init; } = Absolute;

    [Description("Null: taken from select.direction when the metric is the same, else by the name (a loss or an error is minimized, an accuracy, f1, auc ... maximized)")]
    public Direction? Direction { get; init; }

    /// <summary>The direction that holds beside the given selection; where nothing tells it rules refuse the spec, in code it is maximize.</summary>
    public Direction DirectionBeside(SelectSection select)
    {
        ArgumentNullException.ThrowIfNull(select);
        if (Direction is { } given)
            return given;
        return Metric == select.Metric ? select.DirectionInForce() : TrainingSpecRules.UsualDirection(Metric) ?? Specs.Direction.Maximize;
    }
}

/// <summary><c>checkpoint:</c>. Whichever of the three intervals comes first causes one; a run that is interrupted ends with one.</summary>
public sealed record CheckpointSection
{
    [Description("A checkpoint every so many steps; null = not by steps")]
    [Range(1, long.MaxValue)]
    public long? EverySteps { get; init; }

    [Description("A checkpoint every so many seconds; null = not by time")]
    [Range(0.1, 1e7)]
    public double? EverySeconds { get; init; }

    [Description("Interval from what a checkpoint costs and how often nodes fail, as measured (Young 1974; Daly 2006)")]
    public bool Auto { get; init; } = true;

    [Description("The latest checkpoints that are kept, each with the selected weights of its time")]
    [Range(1, 1000)]
    public int Keep { get; init; } = 3;
}

/// <summary><c>storage:</c>.</summary>
public sealed record StorageSection
{
    public const string Coordinator = "coordinator";
    public const string Shared = "shared";

    [Description("coordinator = the coordinator's disk, to which servers stream; shared = a folder that every server node sees and writes to itself")]
    [AllowedValues(Coordinator, Shared)]
    public string Kind { get; init; } = Coordinator;

    [Description("With kind shared: a folder that coordinator and server nodes see under this path; a job's checkpoints lie in <path>/<job id>")]
    public string? Path { get; init; }
}
