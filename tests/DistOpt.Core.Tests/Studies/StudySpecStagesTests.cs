using DistOpt.Core.Specs;
using static DistOpt.Core.Tests.Studies.StudyFixture;

namespace DistOpt.Core.Tests.Studies;

/// <summary>What is wrong with one part of a study spec hides nothing that is wrong with another, and is not told twice.</summary>
public sealed class StudySpecStagesTests
{
    [Fact]
    public void An_error_of_every_kind_is_named_at_once() => Assert.Equal(
        [
            "training.servrs (line 1): unknown field 'servrs': did you mean 'servers'?",
            "data.validation_fraction (line 2): is 2, but must be between 0 and 0.9",
            "study.metric (line 4): is 'vlidation.accuracy' with the unknown split 'vlidation'; did you mean 'validation.accuracy'?",
            "study.trials (line 5): is 0, but must be at least 1",
            "study.sampler.candidates (line 6): is 0, but must be at least 1",
            "study.trial_scheduler.min_resource (line 7): is 5, but trials end at 2; give at most that",
            "study.pruner (line 8): is median, which depends on the order of reports, but the study is deterministic; use threshold or none",
            "study.constraints[0].parameters (line 10): names 'model.hiden', which is no parameter of the space",
            "study.constraints[1].metric (line 11): is 'recall', but must be split.name, such as validation.loss or train.loss",
            "study.enqueue[0].batch.size (line 14): is 999, but must be one of 16, 32",
            "study.enqueue[1].batch.siz (line 15): is no parameter of the space; did you mean 'batch.size'?",
            "study.enqueue[4] (line 18): is 4, but must be a mapping of names to values",
            "space.model.dropout (line 21): goes from 0.5 to 0.1: the first must not be above the second",
            "space.model.activation.choices[1] (line 22): is 'swish', but must be one of relu, gelu, leaky-relu",
            "space.optimizer.beta1.when (line 24): has a condition on 'batch.size' that can never hold: 64 is none of its values (16, 32)",
            "space.optimizer.weight_decay.when (line 25): has a condition on 'batch.sise', which is no parameter of the space; did you mean 'batch.size'?",
            "space.training.epoch (line 27): unknown field 'epoch': did you mean 'epochs'?",
            "space.training.workers (line 28): where it is 4: training.workers is 4, but must be at most 2, the gradient_shards; "
                + "raise gradient_shards or set it to auto",
        ],
        Errors("""
            training: { servrs: 1, gradient_shards: 2 }
            data: { validation_fraction: 2 }
            study:
              metric: vlidation.accuracy
              trials: 0
              sampler: { kind: tpe, candidates: 0 }
              trial_scheduler: { kind: asha, min_resource: 5, max_resource: 2 }
              pruner: { kind: median, objective: validation.accuracy }
              constraints:
                - { parameters: model.hiden, at_most: 3 }
                - { metric: recall, at_least: 1 }
                - { parameters: model.dropout, at_least: 0 }
              enqueue:
                - { batch.size: 999 }
                - { batch.siz: 16 }
                - { model.dropout: 0.3, optimizer.beta1: 0.5 }
                - { training.epochs: 3 }
                - 4
              deterministic: true
            space:
              model.dropout: { float: [0.5, 0.1] }
              model.activation: { choices: [relu, swish] }
              batch.size: { choices: [16, 32] }
              optimizer.beta1: { float: [0.1, 0.9], when: { batch.size: 64 } }
              optimizer.weight_decay: { float: [0.1, 0.9], when: { batch.sise: 16 } }
              optimizer.learning_rate: { float: [0.1, 0.9], when: { model.activation: relu } }
              training.epoch: { int: [1, 3] }
              training.workers: { choices: [1, 4] }
            """));

    [Fact]
    public void A_condition_that_is_wrong_hides_no_bound_of_the_trial_scheduler() => Assert.Equal(
        [
            "study.enqueue[0].optimizer.beta1 (line 2): is 2, but must be between 0.1 and 0.9",
            "study.trial_scheduler.max_resource (line 2): is 8, but trials end by themselves at 7, and would never come to what lies above; give at most that, "
                + "leave it away for that, or make trials longer",
            "space.optimizer.beta1.when (line 5): has a condition on 'batch.size' that can never hold: 64 is none of its values (16, 32)",
        ],
        Errors("""
            training: { epochs: 7 }
            study: { metric: validation.loss, trial_scheduler: { kind: asha, max_resource: 8 }, enqueue: [{ optimizer.beta1: 2 }] }
            space:
              batch.size: { choices: [16, 32] }
              optimizer.beta1: { float: [0.1, 0.9], when: { batch.size: 64 } }
            """));

    /// <summary>Nothing is said of what may be as it should once the parameter is mended.</summary>
    [Theory]
    [InlineData("training.epochs: { int: [9, 1] }", "trial_scheduler: asha, constraints: [{ parameters: training.epochs, at_least: 3 }], enqueue: [{ training.epochs: 3 }]")]
    [InlineData("data: { choices: [nodata] }", "")]
    [InlineData("model.hidden: { list: { length: 1, each: { int: [9, 1] } } }",
        "enqueue: [{ model.hidden: [1, 2] }, { 'model.hidden[1]': 3 }], constraints: [{ parameters: 'model.hidden[0] - model.hidden[1]', at_least: 0 }]")]
    [InlineData("model.dropout: { float: [0.4, 0.1] }", "sampler: cma-es")]
    [InlineData("optimizer.kind: { choices: [adam, sgdd] }", "", "optimizer: { kind: adam, momentum: 0.5 }")]
    public void A_parameter_that_is_wrong_is_the_only_error(string parameter, string study, string fields = "")
    {
        string error = Assert.Single(Errors($"{fields}\nspace:\n  {parameter}\n  model.activation: {{ choices: [relu, gelu] }}\n"
            + $"study: {{ metric: validation.loss{(study.Length == 0 ? "" : ", " + study)} }}\n"));
        Assert.StartsWith("space." + parameter[..parameter.IndexOf(':', StringComparison.Ordinal)], error, StringComparison.Ordinal);
    }

    /// <summary>The copy of the objective's metric in select is nothing that the user has written, nor is it after the study was kept.</summary>
    [Theory]
    [InlineData("{ metric: validation.acc }", "study.metric")]
    [InlineData("{ objectives: [{ metric: validation.acc }] }", "study.objectives[0].metric")]
    public void What_is_wrong_with_the_metric_of_a_trial_is_said_of_the_objective(string study, string path)
    {
        var spec = Parse($"study: {study}\nspace: {{ model.dropout: {{ float: [0, 0.5] }} }}\n");
        var kept = Parse(Core.Studies.StudySpecWriter.Write(spec));
        var error = new SpecException([new SpecViolation("select.metric", "is not measured"), new SpecViolation("stop.target.metric", "neither")]);
        Assert.Equal([path, "stop.target.metric"], spec.Blamed(error).Violations.Select(v => v.Path));
        Assert.Equal(["study.objectives[0].metric", "stop.target.metric"], kept.Blamed(error).Violations.Select(v => v.Path));
        var own = Parse($"select: {{ metric: train.loss }}\nstudy: {study}\nspace: {{ model.dropout: {{ float: [0, 0.5] }} }}\n");
        Assert.Equal("select.metric", own.Blamed(error).Violations[0].Path);
    }
}
