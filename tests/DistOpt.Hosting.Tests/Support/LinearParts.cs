using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Hosting.Api;
using DistOpt.Hosting.Local;
using DistOpt.Hosting.Studies;

namespace DistOpt.Hosting.Tests.Support;

/// <summary>A build whose only model and data set is <see cref="LinearRuntime"/>.</summary>
internal sealed class LinearParts : ISpecReader
{
    private static readonly SpecBinder Binder = new(new SpecCatalogs
    {
        Models = Single("model", "mlp"),
        Datasets = Single("data set", "digits"),
        Losses = Single("loss", "cross-entropy"),
        Optimizers = OptimizerCatalog.Default,
        Schedules = ScheduleCatalog.Default,
    });

    public TrainingSpec Read(string yaml) => Binder.ParseTraining(yaml).Resolve();

    public string Write(TrainingSpec spec) => SpecWriter.Write(spec);

    public static JobParts Of(LinearRuntime runtime) => new(runtime, new LinearParts(),
        spec => OptimizerCatalog.Default.Get(spec.Optimizer.Kind)(spec.Optimizer.Options!),
        spec => ScheduleCatalog.Default.Get(spec.Schedule.Kind)(spec.Schedule.Options!))
    {
        Studies = new StudyParts(yaml => Binder.ParseStudy(yaml), spec => StudySetup.Of(spec, Binder.Catalogs), spec => new TrialSpecs(Binder, spec),
            SpecWriter.Write,
            (_, model, _) => new Dictionary<string, double> { ["bytes"] = new FileInfo(model).Length }),
    };

    /// <summary>A study over the linear model.</summary>
    public static string StudyYaml(int trials, int epochs = 2) => Yaml(workers: 1, epochs: epochs, shards: 1) + $$"""

        checkpoint: { every_steps: 5 }
        study: { metric: validation.loss, trials: {{trials}}, parallel: 2, seed: 1, isolation: none }
        space: { optimizer.learning_rate: { float: [1e-4, 1e-2], log: true } }
        """;

    public static string Yaml(int workers = 2, int servers = 1, int epochs = 2, int shards = 4) => $$"""
        name: linear
        batch: { size: 10 }
        evaluate: { batch_size: 7 }
        training: { workers: {{workers}}, servers: {{servers}}, epochs: {{epochs}}, gradient_shards: {{shards}} }
        """;

    private static Catalog<object> Single(string kind, string name) => new Catalog<object>(kind).Add(new(name, typeof(NoOptions), new object(), "for tests"));

    public sealed record NoOptions;
}
