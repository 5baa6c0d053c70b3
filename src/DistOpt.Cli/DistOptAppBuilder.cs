using System.CommandLine;
using DistOpt.Core.Datasets;
using DistOpt.Core.Datasets.Augmentations;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Samplers;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch;
using static TorchSharp.torch;

namespace DistOpt;

/// <summary>
/// What your program adds to the command line: models, data sets, losses, observers, commands. The properties of an options record
/// (defaults, DataAnnotations ranges) are the fields of its entry in a spec.
/// </summary>
public sealed class DistOptAppBuilder
{
    private readonly List<ITrainingObserver> _observers = [];
    private readonly List<Command> _commands = [];
    private ITrainingHost? _host;
    private IJobRuntimeFactory? _runtimes;

    internal DistOptAppBuilder() { }

    /// <summary>The catalogue behind the methods below, with the built-in entries.</summary>
    public TorchCatalog Catalog { get; } = TorchCatalog.Default();

    /// <summary>The optimizers, with the built-in ones.</summary>
    public Catalog<Func<object, IOptimizer>> Optimizers { get; } = OptimizerCatalog.Create();

    /// <summary>The learning rate schedules, with the built-in ones.</summary>
    public Catalog<Func<object, ILearningRateSchedule>> Schedules { get; } = ScheduleCatalog.Create();

    /// <summary>The samplers of studies, with the built-in ones.</summary>
    public Catalog<Func<object, ISampler>> Samplers { get; } = SamplerCatalog.Create();

    /// <inheritdoc cref="TorchCatalog.AddModel{TOptions}"/>
    public DistOptAppBuilder AddModel<TOptions>(string name, Func<TOptions, DataInfo, nn.Module<Tensor, Tensor>> factory, string summary = "")
        where TOptions : class, new()
    {
        Catalog.AddModel(name, factory, summary);
        return this;
    }

    /// <inheritdoc cref="TorchCatalog.AddModel{TOptions, TModule, TBatch}"/>
    public DistOptAppBuilder AddModel<TOptions, TModule, TBatch>(string name, Func<TOptions, DataInfo, TModule> factory,
        TrainingStep<TModule, TBatch> step, EvaluationStep<TModule, TBatch>? evaluate = null, string summary = "")
        where TOptions : class, new()
        where TModule : nn.Module
        where TBatch : class
    {
        Catalog.AddModel(name, factory, step, evaluate, summary);
        return this;
    }

    /// <inheritdoc cref="TorchCatalog.AddDataset{TOptions}"/>
    public DistOptAppBuilder AddDataset<TOptions>(string name, Func<TOptions, DataEnvironment, Dataset<SupervisedBatch>> open, string summary = "")
        where TOptions : class, new() => AddDataset<TOptions, SupervisedBatch>(name, open, summary);

    /// <inheritdoc cref="TorchCatalog.AddDataset{TOptions, TBatch}"/>
    public DistOptAppBuilder AddDataset<TOptions, TBatch>(string name, Func<TOptions, DataEnvironment, Dataset<TBatch>> open, string summary = "")
        where TOptions : class, new()
        where TBatch : class
    {
        Catalog.AddDataset(name, open, summary);
        return this;
    }

    /// <inheritdoc cref="TorchCatalog.AddAugmentation{TOptions}"/>
    public DistOptAppBuilder AddAugmentation<TOptions>(string name, Func<TOptions, IAugmentation> create, string summary = "", string? source = null)
        where TOptions : class, new()
    {
        Catalog.AddAugmentation(name, create, summary, source);
        return this;
    }

    /// <inheritdoc cref="TorchCatalog.AddMetric{TOptions}"/>
    public DistOptAppBuilder AddMetric<TOptions>(string name, Func<TOptions, IMetric> create, string summary = "", string? source = null)
        where TOptions : class, new()
    {
        Catalog.AddMetric(name, create, summary, source);
        return this;
    }

    /// <inheritdoc cref="TorchCatalog.AddLoss{TOptions}"/>
    public DistOptAppBuilder AddLoss<TOptions>(string name, Func<TOptions, ILoss> create, string summary = "", string? source = null)
        where TOptions : class, new()
    {
        Catalog.AddLoss(name, create, summary, source);
        return this;
    }

    /// <summary>Adds an optimizer; <typeparamref name="TOptions"/> are its fields under <c>optimizer:</c>.</summary>
    public DistOptAppBuilder AddOptimizer<TOptions>(string name, Func<TOptions, IOptimizer> create, string summary = "", string? source = null)
        where TOptions : class, new()
    {
        Optimizers.Add(new(name, typeof(TOptions), options => create((TOptions)options), summary, source));
        return this;
    }

    /// <summary>Adds a learning rate schedule; <typeparamref name="TOptions"/> are its fields under <c>schedule:</c>.</summary>
    public DistOptAppBuilder AddSchedule<TOptions>(string name, Func<TOptions, ILearningRateSchedule> create, string summary = "", string? source = null)
        where TOptions : class, new()
    {
        Schedules.Add(new(name, typeof(TOptions), options => create((TOptions)options), summary, source));
        return this;
    }

    /// <summary>Adds a sampler; <typeparamref name="TOptions"/> are its fields under <c>study.sampler:</c>.</summary>
    public DistOptAppBuilder AddSampler<TOptions>(string name, Func<TOptions, ISampler> create, string summary = "", string? source = null)
        where TOptions : class, new()
    {
        Samplers.Add(new(name, typeof(TOptions), options => create((TOptions)options), summary, source));
        return this;
    }

    /// <summary>Tells the observer about every run that this program starts.</summary>
    public DistOptAppBuilder AddObserver(ITrainingObserver observer)
    {
        ArgumentNullException.ThrowIfNull(observer);
        _observers.Add(observer);
        return this;
    }

    /// <summary>Adds a command of your own, with its own action, beside the built-in ones.</summary>
    public DistOptAppBuilder AddCommand(Command command)
    {
        ArgumentNullException.ThrowIfNull(command);
        _commands.Add(command);
        return this;
    }

    /// <summary>Replaces what runs jobs: for tests, and for hosts other than this process.</summary>
    public DistOptAppBuilder UseHost(ITrainingHost host)
    {
        _host = host;
        return this;
    }

    /// <summary>Replaces what opens models and data: for tests without the tensor engine.</summary>
    internal DistOptAppBuilder UseRuntimes(IJobRuntimeFactory runtimes)
    {
        _runtimes = runtimes;
        return this;
    }

    internal DistOptAppDefinition Build() => new(Catalog, Optimizers, Schedules, _observers, _commands)
    {
        Samplers = Samplers,
        Host = _host,
        Runtimes = _runtimes,
    };
}

/// <summary>A program's catalogue, observers and commands; made by <see cref="DistOptApp.Define"/>.</summary>
public sealed class DistOptAppDefinition
{
    internal DistOptAppDefinition(TorchCatalog catalog, Catalog<Func<object, IOptimizer>> optimizers, Catalog<Func<object, ILearningRateSchedule>> schedules,
        IReadOnlyList<ITrainingObserver> observers, IReadOnlyList<Command> commands)
    {
        Optimizers = optimizers;
        Schedules = schedules;
        Catalog = catalog;
        Observers = observers;
        Commands = commands;
    }

    /// <summary>Models, data sets and losses.</summary>
    public TorchCatalog Catalog { get; }

    public Catalog<Func<object, IOptimizer>> Optimizers { get; }

    public Catalog<Func<object, ILearningRateSchedule>> Schedules { get; }

    public required Catalog<Func<object, ISampler>> Samplers { get; init; }

    /// <summary>Identity of the program's own code, which the trials of a study run; see <see cref="TorchCatalog.UserCode"/>.</summary>
    public string UserCode => Catalog.UserCode(((ICatalog[])[Optimizers, Schedules, Samplers]).SelectMany(c => c.Entries).Select(e => e.OptionsType.Assembly)
        .Concat(Observers.Select(o => o.GetType().Assembly)));

    internal IReadOnlyList<ITrainingObserver> Observers { get; }

    internal IReadOnlyList<Command> Commands { get; }

    /// <summary>What runs jobs, where it is not the default.</summary>
    internal ITrainingHost? Host { get; init; }

    /// <summary>What opens models and data, where it is not the default.</summary>
    internal IJobRuntimeFactory? Runtimes { get; init; }
}
