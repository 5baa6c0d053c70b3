using System.Collections.Immutable;
using System.ComponentModel.DataAnnotations;

namespace DistOpt.Core.Specs;

/// <summary>
/// What to train (DESIGN section 7). Immutable; in a resolved spec every default is filled in and <c>gradient_shards</c> is a number.
/// Property names become snake_case fields of the YAML file.
/// </summary>
public sealed record TrainingSpec
{
    /// <summary>Name of the job and of its run directory: letters, digits, '-', '_' and '.'.</summary>
    [RegularExpression("[A-Za-z0-9][A-Za-z0-9._-]{0,99}")]
    public string Name { get; init; } = "digits-mlp";

    /// <summary>The random seed of everything but the data splits.</summary>
    [Range(0, long.MaxValue)]
    public long Seed { get; init; } = 42;

    public DataSpec Data { get; init; } = new();

    public ModelSpec Model { get; init; } = new();

    /// <summary>Training loss on (input, target); a model with its own training step ignores it.</summary>
    public PluginSpec Loss { get; init; } = new("cross-entropy");

    public PluginSpec Optimizer { get; init; } = new("adam");

    public PluginSpec Schedule { get; init; } = new("constant");

    public PluginSpec Batch { get; init; } = new("fixed");

    public TrainingSection Training { get; init; } = new();

    public EvaluateSection Evaluate { get; init; } = new();

    public SelectSection Select { get; init; } = new();

    public StopSection Stop { get; init; } = new();
}

/// <summary>A plug-in by name with its options record (null only before the binder has resolved it).</summary>
public record PluginSpec(string Kind, object? Options = null)
{
    /// <summary>The options as the type that the catalogue entry declares.</summary>
    /// <exception cref="InvalidOperationException">The spec was not resolved, or holds other options.</exception>
    public T OptionsAs<T>() => Options is T options ? options
        : throw new InvalidOperationException($"'{Kind}' has options of type {Options?.GetType().Name ?? "none"}, not {typeof(T).Name}: the spec is not resolved");
}

/// <summary><c>data:</c>. The plug-in's name stands under <c>name</c>, and the fields of its options record beside the common ones.</summary>
public sealed record DataSpec() : PluginSpec("digits")
{
    /// <summary>Share of the training part that is held out for validation, stratified where there are classes.</summary>
    [Range(0.0, 0.9)]
    public double ValidationFraction { get; init; } = 0.1;

    /// <summary>Share of all samples held out for the test, where the data set has no test part of its own.</summary>
    [Range(0.0, 0.9)]
    public double TestFraction { get; init; } = 0.15;

    /// <summary>Seed of the splits, apart from the job's seed, so that runs with other seeds are measured on the same samples.</summary>
    [Range(0, long.MaxValue)]
    public long SplitSeed { get; init; }

    /// <summary>Batches that are prepared ahead for each worker on separate threads; 0 = none.</summary>
    [Range(0, 64)]
    public int Prefetch { get; init; } = 2;
}

/// <summary><c>model:</c>. The plug-in's name stands under <c>kind</c>, the fields of its options record beside the common ones.</summary>
public sealed record ModelSpec() : PluginSpec("mlp")
{
    /// <summary>A safetensors file to start from, under state_dict names; null = initial weights from the seed.</summary>
    public string? Weights { get; init; }

    /// <summary>Patterns ('*' matches any characters) of parameter names that are not trained.</summary>
    public ImmutableArray<string> Freeze { get; init; } = [];
}

public sealed record TrainingSection
{
    /// <summary>Passes over the training part.</summary>
    [Range(1, 1_000_000)]
    public int Epochs { get; init; } = 20;

    /// <summary>Worker actors.</summary>
    [Range(1, 100_000)]
    public int Workers { get; init; } = 2;

    /// <summary>Parameter servers; at most one per 1,024 parameters.</summary>
    [Range(1, 10_000)]
    public int Servers { get; init; } = 1;

    /// <summary>G, the fixed number of gradient shards of every global batch; null in a file = <c>auto</c> = the spec's workers.</summary>
    [Range(1, 100_000)]
    public int? GradientShards { get; init; }

    /// <summary>Largest number of samples in one forward and backward pass; a larger gradient shard is accumulated in order. Null = no limit.</summary>
    [Range(1, int.MaxValue)]
    public int? MicroBatch { get; init; }

    /// <summary>Consistency of the parameter server.</summary>
    public PluginSpec Consistency { get; init; } = new("bsp");

    /// <summary>Whether nodes whose numeric fingerprint differs are refused.</summary>
    public bool BitExact { get; init; } = true;

    /// <summary>Seconds without progress after which the job names whom it waits for and fails.</summary>
    [Range(1.0, 86_400.0)]
    public double WorkerTimeout { get; init; } = 60;

    /// <summary>Device of the tensors.</summary>
    [AllowedValues("cpu")]
    public string Device { get; init; } = "cpu";
}

public sealed record EvaluateSection
{
    /// <summary>Evaluate on the validation part every so many epochs; null = not by epochs.</summary>
    [Range(1, 1_000_000)]
    public int? EveryEpochs { get; init; } = 1;

    /// <summary>Evaluate every so many steps; null = not by steps.</summary>
    [Range(1, long.MaxValue)]
    public long? EverySteps { get; init; }

    /// <summary>Samples in one evaluation slice.</summary>
    [Range(1, 1_000_000)]
    public int BatchSize { get; init; } = 256;
}

public enum Direction
{
    Minimize,
    Maximize,
}

public sealed record SelectSection
{
    /// <summary>Metric by which the kept weights are selected, as <c>split.name</c>.</summary>
    public string Metric { get; init; } = "validation.loss";

    public Direction Direction { get; init; } = Direction.Minimize;
}

public sealed record StopSection
{
    public TargetSection? Target { get; init; }

    public PatienceSection? Patience { get; init; }

    [Range(1, long.MaxValue)]
    public long? MaxSteps { get; init; }

    [Range(0.001, 1e9)]
    public double? MaxSeconds { get; init; }
}

/// <summary>Stop when a validation metric reaches a bound; exactly one of the bounds is set.</summary>
public sealed record TargetSection
{
    [Required]
    public string Metric { get; init; } = "";

    public double? AtLeast { get; init; }

    public double? AtMost { get; init; }
}

/// <summary>Stop when a validation metric has not improved for so many evaluations.</summary>
public sealed record PatienceSection
{
    public string Metric { get; init; } = "validation.loss";

    [Range(1, 1_000_000)]
    public int Evaluations { get; init; } = 5;

    /// <summary>An improvement smaller than this does not count.</summary>
    [Range(0.0, double.MaxValue)]
    public double MinDelta { get; init; }

    /// <summary>Null: taken from <c>select.direction</c> when the metric is the same, else by name (a loss is minimized, the rest maximized).</summary>
    public Direction? Direction { get; init; }
}
