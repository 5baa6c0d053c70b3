using DistOpt.Core.Datasets;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Tests.Specs;

namespace DistOpt.Core.Tests.Studies;

/// <summary>Studies over Core's own plug-ins and the models of <see cref="TestCatalogs"/>.</summary>
internal static class StudyFixture
{
    public static SpecBinder Binder { get; } = new(TestCatalogs.All with
    {
        Datasets = DatasetCatalog.Create(),
        Optimizers = OptimizerCatalog.Default,
        Schedules = ScheduleCatalog.Default,
    });

    /// <summary>Searched: a kind with fields of its own, a rate, a choice, and the structure of the model.</summary>
    public const string Digits = """
        name: digits-sweep
        seed: 7
        model: { kind: mlp, dropout: 0.1 }
        optimizer: { kind: adam, weight_decay: 0.01, momentum: 0.8 }
        training: { epochs: 3, workers: 2 }
        study:
          metric: validation.accuracy
          sampler: { kind: tpe, startup_trials: 5 }
          trials: 60
          parallel: 2
          enqueue:
            - { optimizer.kind: sgd, optimizer.momentum: 0.5, model.hidden: [64, 32] }
            - { optimizer.learning_rate: 1e-3 }
        space:
          optimizer.learning_rate: { float: [1e-5, 1e-1], log: true }
          optimizer.momentum: { float: [0, 0.95], step: 0.05, when: { optimizer.kind: sgd } }
          optimizer.beta1: { value: 0.85, when: { optimizer.kind: [adam, adamw] } }
          optimizer.kind: { choices: [sgd, adam, adamw] }
          model.hidden: { list: { length: { int: [1, 3] }, each: { int: [16, 512], log: true } } }
          model.activation: { choices: [relu, gelu, leaky_relu] }
          batch.size: { choices: [16, 32, 64, 128], ordered: true }
          training.epochs: 5
        """;

    public static StudySpec Parse(string yaml, params string[] overrides) => Binder.ParseStudy(yaml, "study.yaml", overrides);

    /// <summary>A study of one objective over a space.</summary>
    public static StudySpec OfSpace(string space, string fields = "") =>
        Parse($"{fields}\nstudy: {{ metric: validation.accuracy }}\nspace:\n  {space.ReplaceLineEndings("\n  ")}\n");

    public static string[] Errors(string yaml, params string[] overrides) => TestCatalogs.Errors(() => Parse(yaml, overrides));

    /// <summary>Errors of a space without lines, whose number depends on what stands before it.</summary>
    public static string[] SpaceErrors(string space, string fields = "") => [.. Assert.Throws<SpecException>(() => OfSpace(space, fields)).Violations
        .Select(v => $"{v.Path}: {v.Message}")];

    public static double[] Values(this StudySpec spec, params (string Name, object? Value)[] named) =>
        spec.Space.Configuration(named.Select(n => KeyValuePair.Create(n.Name, n.Value)), "");
}
