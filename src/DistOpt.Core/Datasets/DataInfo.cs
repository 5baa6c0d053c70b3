using System.Collections.Immutable;

namespace DistOpt.Core.Datasets;

public enum TaskKind
{
    /// <summary>The target of a sample is one class index.</summary>
    Classification,

    /// <summary>The target of a sample is a vector of numbers.</summary>
    Regression,

    /// <summary>Whatever the user's data set and training step make of it.</summary>
    Other,
}

/// <summary>Which values share one mean and one standard deviation.</summary>
public enum NormalizationKind
{
    /// <summary>Values are used as they are stored.</summary>
    None,

    /// <summary>Every input value has its own (tables).</summary>
    PerFeature,

    /// <summary>All values of a channel, the first dimension of the input shape, share them (images).</summary>
    PerChannel,
}

/// <summary>What a model, a predictor and the user need to know about a data set.</summary>
public sealed record DataInfo
{
    /// <summary>Name in the catalogue.</summary>
    public required string Name { get; init; }

    public required TaskKind Task { get; init; }

    /// <summary>Shape of one input: [1, 28, 28] (channels, height, width) for an image, [13] for a row of a table.</summary>
    public required ImmutableArray<long> InputShape { get; init; }

    /// <summary>Names of the classes by class index; empty unless the task is classification.</summary>
    public ImmutableArray<string> Classes { get; init; } = [];

    /// <summary>Shape of one target of a regression, [1] for one column; empty otherwise.</summary>
    public ImmutableArray<long> TargetShape { get; init; } = [];

    /// <summary>
    /// Whether the run's loss reads one score for two classes, above 0 for the second: a model then gives one output for a sample in place of two.
    /// </summary>
    public bool SingleScore { get; init; }

    /// <summary>Names of the input values in order; empty where they have none (pixels).</summary>
    public ImmutableArray<string> Columns { get; init; } = [];

    /// <summary>
    /// Stored pixel value that stands for full brightness: pictures that a predictor decodes are scaled to it. Null where inputs are no
    /// pictures.
    /// </summary>
    public int? PixelMax { get; init; }

    /// <summary>How inputs are to be normalized; the statistics come from the training part alone.</summary>
    public NormalizationKind Normalization { get; init; } = NormalizationKind.None;

    /// <summary>Inputs of one shape, each of one class; the rest can be added by <c>with</c>.</summary>
    public static DataInfo Classification(string name, ImmutableArray<long> inputShape, ImmutableArray<string> classes) =>
        new() { Name = name, Task = TaskKind.Classification, InputShape = inputShape, Classes = classes };

    /// <summary>Inputs of one shape, each with values of one shape to be predicted; the rest can be added by <c>with</c>.</summary>
    public static DataInfo Regression(string name, ImmutableArray<long> inputShape, ImmutableArray<long> targetShape) =>
        new() { Name = name, Task = TaskKind.Regression, InputShape = inputShape, TargetShape = targetShape };

    /// <summary>Number of values in one input.</summary>
    public int InputLength => Product(InputShape);

    /// <summary>Number of values in one target of a regression; 0 otherwise.</summary>
    public int TargetLength => TargetShape.IsEmpty ? 0 : Product(TargetShape);

    private static int Product(ImmutableArray<long> shape)
    {
        long product = 1;
        foreach (long size in shape) product = checked(product * size);
        return checked((int)product);
    }
}
