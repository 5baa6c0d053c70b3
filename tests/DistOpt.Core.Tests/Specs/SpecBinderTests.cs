using DistOpt.Core.Batching;
using DistOpt.Core.Specs;
using static DistOpt.Core.Tests.Specs.TestCatalogs;

namespace DistOpt.Core.Tests.Specs;

public sealed class SpecBinderTests
{
    /// <summary>The example of DESIGN section 7 without the fields that do not exist yet.</summary>
    private const string Example = """
        name: mnist-mlp
        seed: 42
        data: { name: mnist, path: null, validation_fraction: 0.1, normalize: true, prefetch: 2 }
        model: { kind: mlp, hidden: [256, 128], activation: relu, dropout: 0.0, weights: null, freeze: [] }
        loss: cross-entropy
        optimizer: { kind: adam, learning_rate: 1e-3, weight_decay: 0.0 }
        schedule: { kind: cosine, warmup_steps: 100 }
        batch: { kind: fixed, size: 64 }               # the global batch
        training: { epochs: 5, workers: 2, servers: 1, gradient_shards: auto, consistency: { kind: bsp }, device: cpu, bit_exact: true }
        evaluate: { every_epochs: 1, every_steps: null, batch_size: 256 }
        select: { metric: validation.loss, direction: minimize }
        stop: { target: { metric: validation.accuracy, at_least: 0.98 }, patience: { metric: validation.loss, evaluations: 5,
          min_delta: 0 }, max_steps: null, max_seconds: null }
        """;

    [Fact]
    public void The_example_of_the_design_is_read()
    {
        var spec = Binder.ParseTraining(Example);

        Assert.Equal("mnist-mlp", spec.Name);
        Assert.Equal("mnist", spec.Data.Kind);
        Assert.Equal(new MnistOptions(), spec.Data.OptionsAs<MnistOptions>());
        Assert.Equal(0.1, spec.Data.ValidationFraction);
        Assert.Equal([256, 128], spec.Model.OptionsAs<MlpOptions>().Hidden);
        Assert.Equal(new AdamOptions { LearningRate = 1e-3 }, spec.Optimizer.OptionsAs<AdamOptions>());
        Assert.Equal(100, spec.Schedule.WarmupSteps);
        Assert.Equal(64, spec.Batch.OptionsAs<FixedBatchOptions>().Size);
        Assert.Null(spec.Training.GradientShards);
        Assert.Equal(new TargetSection { Metric = "validation.accuracy", AtLeast = 0.98 }, spec.Stop.Target);
        Assert.Equal(2, spec.Resolve().Training.GradientShards);
        Assert.Equal(Direction.Minimize, spec.Resolve().Stop.Patience?.Direction);
    }

    [Fact]
    public void Fields_that_do_not_exist_yet_are_unknown_and_the_known_ones_are_named()
    {
        var errors = Errors("""
            distillation: { kind: none }
            simulation: { latency: null }
            training: { codec: none }
            """);

        Assert.Equal(3, errors.Length);
        Assert.Contains("distillation (line 1): unknown field 'distillation'; known are name, seed, data, model, loss, optimizer, "
            + "regularization, clip, averaging, schedule, batch, training, evaluate, select, stop, checkpoint, storage", errors);
        Assert.Contains(errors,
            e => e.StartsWith("training.codec (line 3): unknown field 'codec'; known are epochs, ", StringComparison.Ordinal));
    }

    [Fact]
    public void An_empty_file_is_the_default_spec_with_options_filled_in()
    {
        foreach (var spec in new[] { Binder.ParseTraining(""), Binder.Default(), Binder.ParseTraining("# nothing\n"),
            Binder.ParseTraining("training:\n") })
        {
            Assert.Equal(new TrainingSection() with { Consistency = spec.Training.Consistency }, spec.Training);
            Assert.IsType<MlpOptions>(spec.Model.Options);
            Assert.IsType<Nothing>(spec.Data.Options);
            Assert.IsType<FixedBatchOptions>(spec.Batch.Options);
            Assert.NotNull(spec.Training.Consistency.Options);
        }
    }

    [Fact]
    public void A_plug_in_is_a_bare_name_or_a_mapping_whose_kind_defaults_to_that_of_the_field()
    {
        Assert.Equal("sgd", Binder.ParseTraining("optimizer: sgd").Optimizer.Kind);
        Assert.Equal(0.1, Binder.ParseTraining("optimizer: sgd").Optimizer.OptionsAs<SgdOptions>().LearningRate);
        Assert.Equal(0.5, Binder.ParseTraining("optimizer: { learning_rate: 0.5 }").Optimizer.OptionsAs<AdamOptions>().LearningRate);
        Assert.Equal("mnist", Binder.ParseTraining("data: mnist").Data.Kind);
        Assert.Equal(["fc1.*"], Binder.ParseTraining("model: { kind: cnn, freeze: ['fc1.*'] }").Model.Freeze);
    }

    [Fact]
    public void All_violations_are_reported_together_with_path_and_line()
    {
        var errors = Errors("""
            optimzer: adam
            training:
              workers: 0
              epochs: 2.5
              servers: "3"
            model:
              kind: mlp
              hidden: [64, 0]
              activation: rely
            batch: { size: -1 }
            optimizer: { kind: adam, learning_rate: .nan }
            """);

        Assert.Equal(
        [
            "optimzer (line 1): unknown field 'optimzer': did you mean 'optimizer'?",
            "training.workers (line 3): is 0, but must be at least 1",
            "training.epochs (line 4): 2.5 is not a whole number",
            "training.servers (line 5): is the text '3', but must be a whole number; remove the quotes",
            "model.hidden[1] (line 8): is 0, but must be at least 1",
            "model.activation (line 9): is 'rely', but must be one of relu, gelu, leaky-relu; did you mean 'relu'?",
            "batch.size (line 10): is -1, but must be at least 1",
            "optimizer.learning_rate (line 11): is .nan, but must be a finite number",
        ], errors);
    }

    [Theory]
    [InlineData("optimizer: adm", "optimizer (line 1): optimizer 'adm' is not known. Available: sgd, adam, adamw. Did you mean 'adam'?")]
    [InlineData("model: { kind: transformer }", "model.kind (line 1): model 'transformer' is not known. Available: mlp, cnn, linear")]
    [InlineData("model: [mlp]", "model (line 1): is a list, but must be a name or a mapping with 'kind'. Available: mlp, cnn, linear")]
    [InlineData("data: { kind: mnist }",
        "data.kind (line 1): unknown field 'kind' of data set 'digits': the data set's name stands under 'name'")]
    [InlineData("data: csv", "data.path (line 1): is missing; it must be given (text)")]
    [InlineData("data: { name: csv, path: '' }", "data.path (line 1): is empty, but must be given")]
    [InlineData("epochs: 5", "epochs (line 1): unknown field 'epochs': did you mean 'training.epochs'?")]
    [InlineData("learning_rate: 5", "learning_rate (line 1): unknown field 'learning_rate': did you mean 'optimizer.learning_rate'?")]
    [InlineData("optimizer: { lr: 0.1 }", "optimizer.lr (line 1): unknown field 'lr' of optimizer 'adam': did you mean 'learning_rate'?")]
    [InlineData("optimizer: { momentum: 0.1 }",
        "optimizer.momentum (line 1): unknown field 'momentum' of optimizer 'adam': "
        + "it belongs to optimizer 'sgd'; known are kind, decay_biases, groups, learning_rate, beta1, weight_decay")]
    [InlineData("training: 5",
        "training (line 1): is 5, but must be a mapping of fields: epochs, workers, workers_min, worker_memory, worker_gpus, servers, gradient_shards, "
        + "micro_batch, log_every_steps, consistency, replicas, bit_exact, worker_timeout, node_timeout, start_timeout, coordinator_grace, "
        + "gradient_precision, precision, device")]
    [InlineData("training: { workers: null }", "training.workers (line 1): is null, but must be a whole number")]
    [InlineData("training: { workers: 3000000000 }", "training.workers (line 1): is 3000000000, but must be at most 2147483647")]
    [InlineData("training: { worker_gpus: -1 }", "training.worker_gpus (line 1): is -1, but must be at least 0")]
    [InlineData("training: { worker_gpus: 0.5 }", "training.worker_gpus (line 1): 0.5 is not a whole number")]
    [InlineData("training: { workers: 200000 }", "training.workers (line 1): is 200000, but must be at most 100000")]
    [InlineData("training: { workers: { min: 2 } }", "training.workers (line 1): has no max: write workers: {min: 2, max: 8}, or one number")]
    [InlineData("training: { workers: { max: 4, most: 5 } }", "training.workers.most (line 1): is no field of it; it has min and max")]
    [InlineData("training: { workers: { min: 0, max: 4 } }", "training.workers_min (line 1): is 0, but must be at least 1")]
    [InlineData("training: { workers: { min: 2, max: 4 }, workers_min: 3 }",
        "training.workers_min (line 1): is set, and so is training.workers.min: leave one of them out")]
    [InlineData("training: { workers: many }", "training.workers (line 1): is 'many', but must be a whole number")]
    [InlineData("training: { gradient_shards: automatic }",
        "training.gradient_shards (line 1): is 'automatic', but must be a whole number or auto")]
    [InlineData("training: { bit_exact: yes }", "training.bit_exact (line 1): is 'yes', but must be true or false")]
    [InlineData("training: { device: cuda }", "training.device (line 1): is 'cuda', but must be cpu")]
    [InlineData("seed: 99999999999999999999", "seed (line 1): is 99999999999999999999, but must be at most 9223372036854775807")]
    [InlineData("seed: -1", "seed (line 1): is -1, but must be at least 0")]
    [InlineData("data: { validation_fraction: 1.5 }", "data.validation_fraction (line 1): is 1.5, but must be between 0 and 0.9")]
    [InlineData("optimizer: { learning_rate: 0 }", "optimizer.learning_rate (line 1): is 0, but must be above 0")]
    [InlineData("optimizer: { learning_rate: 1e999 }", "optimizer.learning_rate (line 1): is 1e999, but must be a finite number")]
    [InlineData("optimizer: { beta1: 1.0 }", "optimizer.beta1 (line 1): is 1.0, but must be at least 0 and below 1")]
    [InlineData("model: { hidden: 64 }", "model.hidden (line 1): is 64, but must be a list such as [1, 2]; write [64] for one value")]
    [InlineData("model: { hidden: [] }", "model.hidden (line 1): has 0 values, but must have at least 1")]
    [InlineData("model: { hidden: [a, [1]] }",
        "model.hidden[0] (line 1): is 'a', but must be a whole number|model.hidden[1] (line 1): is a list, but must be a whole number")]
    [InlineData("name: a b",
        "name (line 1): is 'a b', but must begin with a letter or digit and have only letters, digits, '.', '_' and '-', at most 100")]
    [InlineData("[1, 2]", "spec.yaml (line 1): is a list, but must be fields such as 'name: ...'")]
    public void Bad_input_gets_one_clear_line_for_each_violation(string yaml, string expected) =>
        Assert.Equal(expected.Split('|'), Errors(yaml));

    [Theory]
    [InlineData("seed: 0x10", 16)]
    [InlineData("seed: 0o17", 15)]
    [InlineData("seed: +7", 7)]
    [InlineData("seed: 1e3", 1000)]
    [InlineData("seed: 5.0", 5)]
    [InlineData("seed: 9223372036854775807", long.MaxValue)]
    public void Whole_numbers_have_the_spellings_of_YAML(string yaml, long expected) =>
        Assert.Equal(expected, Binder.ParseTraining(yaml).Seed);

    [Theory]
    [InlineData("1e-4", 1e-4)]
    [InlineData(".5", 0.5)]
    [InlineData("1", 1.0)]
    [InlineData("2.", 2.0)]
    [InlineData("1E-05", 1e-5)]
    public void Numbers_have_the_spellings_of_YAML(string text, double expected) =>
        Assert.Equal(expected,
            Binder.ParseTraining($"optimizer: {{ learning_rate: {text} }}").Optimizer.OptionsAs<AdamOptions>().LearningRate);

    [Fact]
    public void Digits_are_text_where_text_is_wanted()
    {
        var csv = Binder.ParseTraining("data: { name: csv, path: 2024, label: 3 }").Data.OptionsAs<CsvOptions>();
        Assert.Equal(new CsvOptions { Path = "2024", Label = "3" }, csv);
        Assert.Equal("null", Binder.ParseTraining("data: { name: csv, path: 'null' }").Data.OptionsAs<CsvOptions>().Path);
    }

    [Fact]
    public void Workers_that_may_come_and_go_have_a_least_and_a_most()
    {
        var training = Binder.ParseTraining("training: { epochs: 3, workers: { min: 2, max: 8 } }").Training;
        Assert.Equal((3, 2, 8), (training.Epochs, training.WorkersMin!.Value, training.Workers));
        Assert.Equal((null, 8), (Binder.ParseTraining("training: { workers: { max: 8 } }").Training.WorkersMin, training.Workers));
        Assert.Equal(5, Binder.ParseTraining("training: { workers: { min: 2, max: 8 } }", null, ["training.workers=5"]).Training.Workers);
    }

    [Fact]
    public void A_spec_made_in_code_is_checked_like_a_file_and_gets_its_options()
    {
        var spec = Binder.Check(new TrainingSpec { Optimizer = new OptimizerSpec("sgd", new SgdOptions { Momentum = 0.9 }) });
        Assert.Equal(0.9, spec.Optimizer.OptionsAs<SgdOptions>().Momentum);
        Assert.IsType<MlpOptions>(spec.Model.Options);

        var errors = Errors(() => Binder.Check(new TrainingSpec
        {
            Training = new TrainingSection { Workers = 0, WorkerTimeout = double.NaN },
            Optimizer = new OptimizerSpec("sgd", new AdamOptions()),
            Select = new SelectSection { Direction = (Direction)7 },
            Name = null!,
        }));
        Assert.Contains("training.workers: is 0, but must be at least 1", errors);
        Assert.Contains("training.worker_timeout: is .nan, but must be a finite number", errors);
        Assert.Contains("name: is null, but must be text", errors);
        Assert.Contains(errors, e => e.StartsWith("optimizer.beta1: unknown field 'beta1' of optimizer 'sgd'", StringComparison.Ordinal));
        Assert.Contains("select.direction: is 7, but must be one of minimize, maximize", errors);
    }
}
