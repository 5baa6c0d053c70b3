using System.Collections.Immutable;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Tests.Specs;

public sealed record AdamOptions
{
    [Description("Step size")]
    [Range(0.0, double.MaxValue, MinimumIsExclusive = true)]
    public double LearningRate { get; init; } = 1e-3;

    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double Beta1 { get; init; } = 0.9;

    [Range(0.0, double.MaxValue)]
    public double WeightDecay { get; init; }
}

public sealed record SgdOptions
{
    [Range(0.0, double.MaxValue, MinimumIsExclusive = true)]
    public double LearningRate { get; init; } = 0.1;

    public double Momentum { get; init; }

    public bool Nesterov { get; init; }
}

public enum Activation
{
    Relu,
    Gelu,
    LeakyRelu,
}

public sealed record MlpOptions
{
    [Description("Sizes of the hidden layers")]
    [Range(1, 100_000)]
    [MinLength(1)]
    public ImmutableArray<int> Hidden { get; init; } = [256, 128];

    [Description("Activation after each hidden layer")]
    public Activation Activation { get; init; } = Activation.Relu;

    [Range(0.0, 0.95)]
    public double Dropout { get; init; }
}

public sealed record CnnOptions
{
    [Range(1, 4096)]
    public int Channels { get; init; } = 32;

    [Range(0.0, 0.95)]
    public double Dropout { get; init; } = 0.5;
}

public sealed record MnistOptions
{
    public string? Path { get; init; }

    public bool Normalize { get; init; } = true;
}

public sealed record CsvOptions
{
    [Required]
    public string Path { get; init; } = "";

    public string? Label { get; init; }
}

public sealed record CosineOptions
{
    [Range(0, long.MaxValue)]
    public long TotalSteps { get; init; }
}

public sealed record Nothing;

internal static class TestCatalogs
{
    public static SpecCatalogs All { get; } = new()
    {
        Models = Make("model", ("mlp", typeof(MlpOptions)), ("cnn", typeof(CnnOptions)), ("linear", typeof(Nothing))),
        Datasets = Make("data set", ("digits", typeof(Nothing)), ("mnist", typeof(MnistOptions)), ("csv", typeof(CsvOptions))),
        Losses = Make("loss", ("cross-entropy", typeof(Nothing)), ("mse", typeof(Nothing))),
        Optimizers = Make("optimizer", ("sgd", typeof(SgdOptions)), ("adam", typeof(AdamOptions)), ("adamw", typeof(AdamOptions))),
        Schedules = Make("schedule", ("constant", typeof(Nothing)), ("cosine", typeof(CosineOptions))),
    };

    public static SpecBinder Binder { get; } = new(All);

    public static Catalog<object> Make(string kind, params ReadOnlySpan<(string Name, Type Options)> entries)
    {
        var catalog = new Catalog<object>(kind);
        foreach (var (name, options) in entries)
            catalog.Add(new CatalogEntry<object>(name, options, new object(), $"The {kind} {name}"));
        return catalog;
    }

    /// <summary>The violations as the user reads them.</summary>
    public static string[] Errors(Func<object> action) =>
        [.. Assert.Throws<SpecException>(action).Violations.Select(v => v.ToString())];

    public static string[] Errors(string yaml, params string[] overrides) =>
        Errors(() => Binder.ParseTraining(yaml, "spec.yaml", overrides));
}
