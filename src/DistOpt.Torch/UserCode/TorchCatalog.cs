using System.Reflection;
using DistOpt.Core.Datasets;
using DistOpt.Core.Datasets.Augmentations;
using DistOpt.Core.Specs;
using DistOpt.Torch.Engine;
using DistOpt.Torch.Losses;
using DistOpt.Torch.Metrics;
using DistOpt.Torch.Models;

using static TorchSharp.torch;

namespace DistOpt.Torch;

/// <summary>The models, data sets, losses and metrics that specs can name: the built-in ones and yours.</summary>
public sealed class TorchCatalog
{
    private TorchCatalog() { }

    public Catalog<ModelDefinition> Models { get; } = new("model");

    public Catalog<DatasetDefinition> Datasets { get; } = new("data set");

    /// <summary>What <c>data.augment</c> may list; the built-in ones are always there.</summary>
    public Catalog<Func<object, IAugmentation>> Augmentations { get; } = AugmentationCatalog.Create();

    public Catalog<Func<object, ILoss>> Losses { get; } = new("loss");

    public Catalog<Func<object, IMetric>> Metrics { get; } = new("metric");

    /// <summary>A new catalogue with the built-in models, data sets, losses and metrics, to add your own to.</summary>
    public static TorchCatalog Default()
    {
        var catalog = new TorchCatalog();
        foreach (var model in ModelCatalog.Create().Entries)
            catalog.Models.Add(new(model.Name, model.OptionsType, ModelDefinition.Supervised(model.Factory), model.Summary, model.Source));
        foreach (var loss in LossCatalog.Create().Entries) catalog.Losses.Add(loss);
        foreach (var metric in MetricCatalog.Create().Entries) catalog.Metrics.Add(metric);
        foreach (var data in DatasetCatalog.Create().Entries)
        {
            var open = data.Factory;
            var definition = new DatasetDefinition((options, environment) => new SupervisedDataset(open(options, environment)),
                typeof(SupervisedBatch), open.Method.Module.Assembly);
            catalog.Datasets.Add(new(data.Name, data.OptionsType, definition, data.Summary, data.Source));
        }
        return catalog;
    }

    /// <summary>
    /// Identity of the user code behind the entries: names of assemblies with ids that a deterministic compiler derives from their source; <c>none</c> = all is
    /// built in. What these assemblies call in others does not count.
    /// </summary>
    /// <param name="others">Assemblies of user code that no entry here comes from, such as an observer's.</param>
    public string UserCode(IEnumerable<Assembly> others)
    {
        ArgumentNullException.ThrowIfNull(others);
        ICatalog[] all = [Models, Datasets, Augmentations, Losses, Metrics];
        return Fingerprints.UserCode(Models.Entries.SelectMany(e => e.Factory.Code)
            .Concat(Datasets.Entries.Select(e => e.Factory.Code))
            // the factories of these may be ours around the user's
            .Concat(all.SelectMany(c => c.Entries).Select(e => e.OptionsType.Assembly))
            .Concat(others));
    }

    /// <summary>A new catalogue without anything in it.</summary>
    public static TorchCatalog Empty() => new();

    /// <summary>Adds a model that is trained by the spec's loss on (input, target).</summary>
    /// <typeparam name="TOptions">
    /// A record with defaults; its properties are the fields under <c>model:</c> (snake case), its DataAnnotations their bounds.
    /// </typeparam>
    /// <param name="name">Name in specs: <c>model: { kind: NAME }</c>.</param>
    /// <param name="factory">Builds the module; it is a <c>Module&lt;Tensor, Tensor&gt;</c>.</param>
    /// <param name="summary">One line for <c>distopt list</c>.</param>
    public TorchCatalog AddModel<TOptions>(string name, Func<TOptions, DataInfo, nn.Module<Tensor, Tensor>> factory, string summary = "")
        where TOptions : class, new()
    {
        ArgumentNullException.ThrowIfNull(factory);
        var definition = new ModelDefinition((options, data) => factory((TOptions)options, data), null, null, null,
            factory.Method.Module.Assembly);
        Models.Add(new CatalogEntry<ModelDefinition>(name, typeof(TOptions), definition, summary));
        return this;
    }

    /// <summary>Adds a model with a training step of its own, on batches of any type.</summary>
    /// <param name="name">Name in specs: <c>model: { kind: NAME }</c>.</param>
    /// <param name="factory">Builds the module.</param>
    /// <param name="step">Forward pass and loss: gives loss sum and weight.</param>
    /// <param name="evaluate">Loss and metrics in eval mode; null = <paramref name="step"/>, with what it logs.</param>
    /// <param name="summary">One line for <c>distopt list</c>.</param>
    public TorchCatalog AddModel<TOptions, TModule, TBatch>(string name, Func<TOptions, DataInfo, TModule> factory,
        TrainingStep<TModule, TBatch> step, EvaluationStep<TModule, TBatch>? evaluate = null, string summary = "")
        where TOptions : class, new()
        where TModule : nn.Module
        where TBatch : class
    {
        ArgumentNullException.ThrowIfNull(factory);
        ArgumentNullException.ThrowIfNull(step);
        var definition = new ModelDefinition(
            (options, data) => factory((TOptions)options, data),
            typeof(TBatch),
            (module, batch, context) => step((TModule)module, (TBatch)batch, context),
            evaluate is null ? null : (module, batch, context) => evaluate((TModule)module, (TBatch)batch, context),
            factory.Method.Module.Assembly, step.Method.Module.Assembly, typeof(TModule).Assembly, typeof(TBatch).Assembly);
        Models.Add(new CatalogEntry<ModelDefinition>(name, typeof(TOptions), definition, summary));
        return this;
    }

    /// <summary>Adds a data set of (input, target), for the models and losses of the catalogue.</summary>
    /// <typeparam name="TOptions">A record with defaults; its properties are fields under <c>data:</c>.</typeparam>
    /// <param name="name">Name in specs: <c>data: { name: NAME }</c>.</param>
    /// <param name="open">Opens it; blocking. Throws a <see cref="SpecException"/> where the options or files are wrong.</param>
    /// <param name="summary">One line for <c>distopt list</c>.</param>
    public TorchCatalog AddDataset<TOptions>(string name, Func<TOptions, DataEnvironment, Dataset<SupervisedBatch>> open, string summary = "")
        where TOptions : class, new() => AddDataset<TOptions, SupervisedBatch>(name, open, summary);

    /// <summary>Adds a data set with batches of any type.</summary>
    /// <typeparam name="TOptions">A record with defaults; its properties are fields under <c>data:</c>.</typeparam>
    /// <typeparam name="TBatch">A class or record whose tensors are public properties.</typeparam>
    /// <param name="name">Name in specs: <c>data: { name: NAME }</c>.</param>
    /// <param name="open">Opens it; blocking. Throws a <see cref="SpecException"/> where the options or files are wrong.</param>
    /// <param name="summary">One line for <c>distopt list</c>.</param>
    public TorchCatalog AddDataset<TOptions, TBatch>(string name, Func<TOptions, DataEnvironment, Dataset<TBatch>> open,
        string summary = "")
        where TOptions : class, new()
        where TBatch : class
    {
        ArgumentNullException.ThrowIfNull(open);
        var definition = new DatasetDefinition((options, environment) => open((TOptions)options, environment), typeof(TBatch),
            open.Method.Module.Assembly);
        Datasets.Add(new CatalogEntry<DatasetDefinition>(name, typeof(TOptions), definition, summary));
        return this;
    }

    /// <summary>Adds a loss on (output, target).</summary>
    public TorchCatalog AddLoss<TOptions>(string name, Func<TOptions, ILoss> create, string summary = "", string? source = null)
        where TOptions : class, new()
    {
        ArgumentNullException.ThrowIfNull(create);
        Losses.Add(new CatalogEntry<Func<object, ILoss>>(name, typeof(TOptions), options => create((TOptions)options), summary, source));
        return this;
    }

    /// <summary>Adds an augmentation of pictures.</summary>
    /// <typeparam name="TOptions">A record with defaults; its properties are the fields beside <c>kind</c>.</typeparam>
    /// <param name="name">Name in specs: <c>data: { augment: [{ kind: NAME }] }</c>.</param>
    /// <param name="create">Makes it from its options.</param>
    /// <param name="summary">One line for <c>distopt list</c>.</param>
    /// <param name="source">Paper it comes from, or null.</param>
    public TorchCatalog AddAugmentation<TOptions>(string name, Func<TOptions, IAugmentation> create, string summary = "", string? source = null)
        where TOptions : class, new()
    {
        ArgumentNullException.ThrowIfNull(create);
        Augmentations.Add(new(name, typeof(TOptions), options => create((TOptions)options), summary, source));
        return this;
    }

    /// <summary>Adds a metric, for specs to name under <c>evaluate.metrics</c>.</summary>
    public TorchCatalog AddMetric<TOptions>(string name, Func<TOptions, IMetric> create, string summary = "", string? source = null)
        where TOptions : class, new()
    {
        ArgumentNullException.ThrowIfNull(create);
        Metrics.Add(new CatalogEntry<Func<object, IMetric>>(name, typeof(TOptions), options => create((TOptions)options), summary, source));
        return this;
    }
}
