using DistOpt.Core.Specs;
using static DistOpt.Core.Tests.Specs.TestCatalogs;

namespace DistOpt.Core.Tests.Specs;

public sealed class TrainingSpecRulesTests
{
    [Theory]
    [InlineData("data: { validation_fraction: 0.5, test_fraction: 0.5 }",
        "data.validation_fraction (line 1): is 0.5 beside a test_fraction of 0.5, but their sum must be below 1")]
    [InlineData("training: { workers: 5, gradient_shards: 4 }",
        "training.workers (line 1): is 5, but must be at most 4, the gradient_shards; raise gradient_shards or set it to auto")]
    [InlineData("select: { metric: test.loss }",
        "select.metric (line 1): is 'test.loss', but test data is measured once at the end and decides nothing; use validation or train")]
    [InlineData("select: { metric: test }",
        "select.metric (line 1): is 'test', but test data is measured once at the end and decides nothing; use validation or train")]
    [InlineData("select: { metric: loss }",
        "select.metric (line 1): is 'loss', but must be split.name, such as validation.loss or train.loss")]
    [InlineData("select: { metric: val.loss }",
        "select.metric (line 1): is 'val.loss' with the unknown split 'val'; did you mean 'validation.loss'?")]
    [InlineData("select: { metric: validaton.loss }",
        "select.metric (line 1): is 'validaton.loss' with the unknown split 'validaton'; did you mean 'validation.loss'?")]
    [InlineData("select: { metric: validation.accuracy, direction: minimize }",
        "select.direction (line 1): is minimize, which would keep the worst weights by validation.accuracy; set it to maximize")]
    [InlineData("data: { validation_fraction: 0 }",
        "select.metric: is 'validation.loss', but data.validation_fraction is 0; use train.loss, or a fraction above 0")]
    [InlineData("stop: { target: { metric: validation.loss } }", "stop.target (line 1): has no bound; set one of at_least and at_most")]
    [InlineData("stop: { target: { metric: validation.loss, at_least: 1, at_most: 2 } }",
        "stop.target (line 1): has both at_least and at_most; set one of them to null")]
    [InlineData("stop: { target: { at_most: 2 } }", "stop.target.metric (line 1): is missing; it must be given (text)")]
    [InlineData("stop: { patience: { metric: test.loss } }",
        "stop.patience.metric (line 1): is 'test.loss', but test data is measured once at the end and decides nothing; "
        + "use validation or train")]
    [InlineData("stop: { patience: { evaluations: 0 } }", "stop.patience.evaluations (line 1): is 0, but must be at least 1")]
    [InlineData("evaluate: { every_epochs: null }\nstop: { patience: { evaluations: 3 } }",
        "evaluate.every_epochs (line 1): is null like every_steps, but stop.patience waits for evaluations; set one of the two")]
    [InlineData("storage: { kind: shared }",
        "storage.path (line 1): is not set, but storage.kind is shared; name a folder that every node sees under this path")]
    [InlineData("storage: { kind: shared, path: checkpoints }",
        "storage.path (line 1): is 'checkpoints', but must begin at the root, since nodes run in different folders")]
    [InlineData("storage: { path: /mnt/dist }",
        "storage.path (line 1): is '/mnt/dist', but storage.kind is coordinator; set storage.kind to shared or leave the path away")]
    [InlineData("averaging: { kind: ema, start_epoch: 5 }\ntraining: { epochs: 5 }",
        "averaging.start_epoch (line 1): is 5, but must be below 5, the training.epochs, or nothing is averaged")]
    [InlineData("averaging: { kind: swa, start_step: 9 }\nstop: { max_steps: 8 }",
        "averaging.start_step (line 1): is 9, but must be below 8, the stop.max_steps, or nothing is averaged")]
    [InlineData("averaging: { kind: swa, start_step: 9, start_epoch: 1 }",
        "averaging.start_step (line 1): is set, and so is start_epoch; leave one of them out")]
    [InlineData("averaging: { kind: ema, start_epoch: 2 }\nbatch: random",
        "averaging.start_epoch (line 1): is 2, but with batch.kind random the steps of an epoch are not known before the run; "
        + "give averaging.start_step in its place")]
    [InlineData("averaging: { kind: swa, every_steps: 5 }\nbatch: growing",
        "averaging.start_step (line 1): is not set, and swa then begins with the last quarter, but with batch.kind growing the run's steps are not known before it; "
        + "set averaging.start_step")]
    [InlineData("averaging: { kind: swa, start_step: 5 }\nbatch: { kind: fixed, base_size: 8, learning_rate_scaling: adascale }",
        "averaging.every_steps (line 1): is not set, and swa then goes by the ends of epochs, but with batch.learning_rate_scaling adascale their steps are not known "
        + "before the run; set averaging.every_steps")]
    [InlineData("select: { metric: validation.score }",
        "select.direction (line 1): is null, but the name 'validation.score' does not tell it; set minimize or maximize")]
    [InlineData("stop: { patience: { metric: validation.score } }",
        "stop.patience.direction (line 1): is null, but the name 'validation.score' does not tell it; set minimize or maximize")]
    [InlineData("stop: { patience: { metric: validation.score } }\nselect: { metric: validation.score }",
        "select.direction (line 2): is null, but the name 'validation.score' does not tell it; set minimize or maximize")]
    [InlineData("averaging: ema\nselect: { metric: train.loss }",
        "select.metric (line 2): is 'train.loss', which is measured on the weights of the steps, but with averaging 'ema' their average is kept; "
        + "use a metric of validation, such as validation.loss")]
    [InlineData("stop: { divergence_factor: 1 }", "stop.divergence_factor (line 1): is 1, but must be above 1")]
    [InlineData("averaging: { kind: ema, decay: 1 }", "averaging.decay (line 1): is 1, but must be at least 0 and below 1")]
    [InlineData("averaging: polyak", "averaging (line 1): averaging 'polyak' is not known. Available: none, ema, swa")]
    [InlineData("storage: { kind: s3 }", "storage.kind (line 1): is 's3', but must be one of coordinator, shared")]
    public void A_contradiction_between_fields_is_one_clear_line(string yaml, string expected) => Assert.Equal([expected], Errors(yaml));

    [Theory]
    [InlineData("data: { validation_fraction: 0 }\nselect: { metric: train.loss }")]
    [InlineData("averaging: { kind: ema }\nbatch: random")]
    [InlineData("averaging: ema\nselect: { metric: train.loss }\ndata: { validation_fraction: 0 }")]
    [InlineData("stop: { patience: { metric: validation.score, direction: minimize }, divergence_factor: null }")]
    [InlineData("averaging: { kind: swa, start_step: 10, every_steps: 5 }\nbatch: noise-scale")]
    [InlineData("evaluate: { every_epochs: null }")]
    [InlineData("evaluate: { every_epochs: null, every_steps: 10 }\nstop: { patience: { evaluations: 3 } }")]
    [InlineData("select: { metric: validation.top_5_accuracy, direction: maximize }")]
    [InlineData("select: { metric: validation.my-score/x, direction: maximize }")]
    [InlineData("training: { workers: 4, gradient_shards: 4 }")]
    [InlineData("storage: { kind: shared, path: /mnt/dist }")]
    [InlineData("stop: { target: { metric: train.loss, at_most: 0.1 }, max_steps: 100, max_seconds: 0.5 }")]
    public void What_a_user_may_want_is_no_contradiction(string yaml) => Assert.NotNull(Binder.ParseTraining(yaml));

    [Fact]
    public void A_rule_is_silent_while_a_field_it_reads_is_wrong_by_itself() => Assert.Equal(
        ["training.gradient_shards (line 1): is 0, but must be at least 1"], Errors("training: { gradient_shards: 0, workers: 9 }"));

    [Theory]
    [InlineData("validation.loss", Direction.Minimize)]
    [InlineData("train.log_loss", Direction.Minimize)]
    [InlineData("validation.accuracy", Direction.Maximize)]
    public void The_name_of_a_metric_tells_its_usual_direction(string metric, Direction expected)
    {
        Assert.Equal(expected, TrainingSpecRules.UsualDirection(metric));
        Assert.Equal(expected, new PatienceSection { Metric = metric }.DirectionBeside(new SelectSection { Metric = "train.x" }));
    }

    [Fact]
    public void Patience_on_the_metric_of_the_selection_has_its_direction()
    {
        var spec = Binder.ParseTraining(
            "select: { metric: validation.score, direction: minimize }\nstop: { patience: { metric: validation.score } }");
        Assert.Equal(Direction.Minimize, spec.Resolve().Stop.Patience?.Direction);
        Assert.Null(TrainingSpecRules.UsualDirection("validation.score"));
    }
}
