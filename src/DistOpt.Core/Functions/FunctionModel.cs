using DistOpt.Core.Optimizers;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Yaml;
using DistOpt.Core.Training;

namespace DistOpt.Core.Functions;

/// <summary>No fields: there is nothing to say of no data.</summary>
public sealed record NoDataOptions;

/// <summary>
/// The model <c>function</c> and the data set <c>none</c> that goes with it: they need no tensor engine, and so stand beside its catalogues.
/// </summary>
public static class FunctionModel
{
    /// <summary>Name of the model in specs.</summary>
    public const string Name = "function";

    /// <summary>Name of its data set, which a spec need not mention.</summary>
    public const string NoData = "none";

    /// <summary>The engine's models and this one.</summary>
    /// <exception cref="ArgumentException">The engine has a model of this name.</exception>
    public static ICatalog Models(ICatalog engine) =>
        With(engine, Name, typeof(FunctionOptions), "a function of named variables, to watch an optimizer find its minimum; takes no data",
            "DistOpt.Core/Functions/ExpressionParser.cs");

    /// <summary>The engine's data sets and <c>none</c>.</summary>
    /// <exception cref="ArgumentException">The engine has a data set of this name.</exception>
    public static ICatalog Datasets(ICatalog engine) =>
        With(engine, NoData, typeof(NoDataOptions), "no data, for model function: one step is an epoch", "DistOpt.Core/Functions/FunctionRuntime.cs");

    /// <summary>What is wrong with model and data together.</summary>
    internal static IEnumerable<SpecViolation> Violations(TrainingSpec spec)
    {
        bool isFunction = spec.Model.Options is FunctionOptions;
        if (isFunction && spec.Data.Kind != NoData)
            yield return new("data.name", $"is '{spec.Data.Kind}', but model '{spec.Model.Kind}' takes no data; leave 'data' away");
        else if (!isFunction && spec.Data.Kind == NoData)
            yield return new("data.name", $"is '{NoData}', but model '{spec.Model.Kind}' needs data; 'distopt list datasets' shows what there is");
        if (spec.Model.Options is not FunctionOptions function) yield break;
        foreach (var violation in function.Violations("model")) yield return violation;
        var penalties = spec.Regularization;
        if (!penalties.Biases && (penalties.L1 != 0 || penalties.L2 != 0 || penalties.Power != 0))
        {
            yield return new("regularization.biases", "is false, but a function's variables are single numbers, which count as biases: "
                + "no penalty would reach them; set it to true");
        }
        if (penalties.MaxNorm is { } bound)
            yield return new("regularization.max_norm", $"is {bound}, but a function's variables are single numbers and have no rows; leave it away");
    }

    /// <summary>A function has one value, the loss of its only step an epoch, and its variables, which are metrics too.</summary>
    internal static IEnumerable<SpecViolation> Metrics(TrainingSpec spec)
    {
        if (spec.Model.Options is not FunctionOptions function) yield break;
        if (!spec.Evaluate.Metrics.IsEmpty)
            yield return new("evaluate.metrics", "is given, but of a function its value (loss) and its variables are measured, and nothing else; leave it away");
        if (spec.Training.Precision == TrainingSection.Bf16)
            yield return new("training.precision", "is bf16, but a function is computed in float64, with float32 weights; use float32");
        (string Path, string? Metric)[] deciding =
            [("select.metric", spec.Select.Metric), ("stop.target.metric", spec.Stop.Target?.Metric), ("stop.patience.metric", spec.Stop.Patience?.Metric),
                ("schedule.metric", (spec.Schedule.Options as ReduceOnPlateauOptions)?.Metric)];
        string[] names = [MetricSums.Loss, .. function.Variables.Keys];
        foreach (var (path, metric) in deciding)
        {
            if (metric?.Split('.', 2) is not [("train" or "validation") and var split, var name] || names.Contains(name)) continue;
            if (split == "train" && name == TensorNormSums.Metric) continue;
            yield return new(path, $"is '{metric}', but all that is measured of a function is its value ({split}.{MetricSums.Loss}), its variables "
                + $"({string.Join(", ", function.Variables.Keys.Select(v => $"{split}.{v}"))}) and train.{TensorNormSums.Metric}; choose one of them");
        }
    }

    /// <summary>The spec with <c>data.name: none</c> where the model is a function and no data set is named.</summary>
    internal static MappingNode FillData(MappingNode spec, SpecCatalogs catalogs)
    {
        var model = spec.Get("model") is MappingNode fields ? fields.Get("kind") : spec.Get("model");
        if (model is not ScalarNode { Text: Name } || !catalogs.Models.TryGet(Name, out var entry) || entry.OptionsType != typeof(FunctionOptions))
            return spec;
        return spec.Get("data") switch
        {
            null or ScalarNode { IsNull: true } => spec.With("data", new ScalarNode(NoData, plain: true)),
            MappingNode data when data.Get("name") is null => spec.With("data", data.With("name", new ScalarNode(NoData, plain: true))),
            _ => spec,
        };
    }

    private static Catalog<object> With(ICatalog engine, string name, Type options, string summary, string source)
    {
        var all = new Catalog<object>(engine.Kind);
        foreach (var entry in engine.Entries) all.Add(new(entry.Name, entry.OptionsType, entry, entry.Summary, entry.Source));
        return all.Add(new(name, options, options, summary, source));
    }
}
