using System.Text.RegularExpressions;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.TrialSchedulers;
using static DistOpt.Core.Tests.Studies.StudyFixture;

namespace DistOpt.Core.Tests.Studies;

/// <summary>What is wrong with study specs, all at once and each with its place.</summary>
public sealed class StudySpecErrorTests
{
    private const string Space = "\nspace: { training.epochs: { int: [1, 5] }, model.hidden: { list: { length: { int: [1, 2] }, each: { int: [1, 9] } } }, "
        + "model.activation: { choices: [relu, gelu] } }\n";

    [Fact]
    public void A_trial_is_one_run_and_no_cross_validation()
    {
        const string study = "study: { metric: validation.loss, sampler: random }";
        Assert.Equal(["data.folds (line 1): is 5, but a trial is one run and not 5; leave it away, or say which fold trials are judged by (data.fold), and use "
            + "study.repeats for several runs of a configuration"], Errors($"data: {{ folds: 5 }}\n{study}" + Space));
        Assert.Equal(2, StudyFixture.Binder.ParseStudy($"data: {{ folds: 5, fold: 2 }}\n{study}" + Space).Training.Data.Fold);
    }

    [Fact]
    public void Trials_keep_their_states_in_the_studys_folder_and_not_on_shared_storage() => Assert.Equal(
        ["storage.kind (line 1): is shared, but the states of trials are kept in the study's folder; leave it away"],
        Errors("storage: { kind: shared, path: /mnt/x }\nstudy: { metric: validation.loss, sampler: random }" + Space));

    [Fact]
    public void A_grid_ends_by_itself_and_needs_no_number_of_trials() =>
        Assert.Null(StudyFixture.Binder.ParseStudy("""
            study: { metric: validation.loss, sampler: grid, trials: null }
            space: { model.activation: { choices: [relu, gelu] } }
            """).Study.Trials);

    /// <summary>One that is evaluated between any two rungs is not refused.</summary>
    [Theory]
    [InlineData("{ kind: asha, max_resource: 9, reduction_factor: 3 }", "every_epochs: 3", "evaluate.every_epochs (line 3): is 3, but asha has rungs at 1 and 3 epochs, "
        + "which one report passes both, so that nobody is judged at the first; evaluate every 2 epochs or more often, or raise study.trial_scheduler.min_resource to 3")]
    [InlineData("{ kind: asha, max_resource: 9, reduction_factor: 3, variant: stopping }", "every_epochs: 20",
        "evaluate.every_epochs (line 3): is 20, but asha has rungs at 1 and 3 epochs, *evaluate every 2 epochs *")]
    [InlineData("{ kind: hyperband, max_resource: 9 }", "every_epochs: 4", "evaluate.every_epochs (line 3): is 4, but hyperband has rungs at 1 and 3 epochs, *every 2 epochs *")]
    [InlineData("{ kind: hyperband, max_resource: 9 }", "every_epochs: null", "evaluate.every_epochs (line 3): is null like every_steps, so that a trial reports once, at its "
        + "end, and passes all rungs of hyperband with that; set one of the two, or use fifo")]
    [InlineData("{ kind: asha, max_resource: 9, reduction_factor: 3 }", "every_epochs: 2")]
    [InlineData("{ kind: asha, min_resource: 3, max_resource: 9, reduction_factor: 3 }", "every_epochs: 3")]
    [InlineData("{ kind: asha, max_resource: 9, reduction_factor: 3 }", "{ every_epochs: null, every_steps: 50 }")]
    [InlineData("{ kind: asha, max_resource: 1 }", "every_epochs: 1")]
    [InlineData("{ kind: asha, max_resource: 9, reduction_factor: 3 }", "every_epochs: 9", null, true)]
    [InlineData("fifo", "every_epochs: 3")]
    public void Rungs_that_one_report_passes_judge_nobody(string scheduler, string evaluate, string? error = null, bool isSearched = false)
    {
        string spec = $$"""
            training: { epochs: 9 }
            study: { metric: validation.loss, sampler: random, trial_scheduler: {{scheduler}} }
            evaluate: {{(evaluate[0] == '{' ? evaluate : $"{{ {evaluate} }}")}}
            space: { model.dropout: { float: [0, 0.5] }{{(isSearched ? ", evaluate.every_epochs: { int: [1, 2] }" : "")}} }
            """;
        if (error is null) Assert.NotNull(StudyFixture.Binder.ParseStudy(spec));
        else Assert.Matches("^" + Regex.Escape(error).Replace("\\*", ".*", StringComparison.Ordinal) + "$", Assert.Single(Errors(spec)));
    }

    [Fact]
    public void All_parts_of_a_spec_report_at_once() => Assert.Equal(
        [
            "epochs (line 1): unknown field 'epochs': did you mean 'training.epochs'?",
            "sampler (line 2): unknown field 'sampler': did you mean 'study.sampler'?",
            "optimizer.learning_rat (line 3): unknown field 'learning_rat' of optimizer 'adam': did you mean 'learning_rate'?",
            "study.trails (line 5): unknown field 'trails': did you mean 'trials'?",
            "study.parallel (line 6): is 0, but must be at least 1",
            "study.sampler.candidates (line 7): is 0, but must be at least 1",
            "study.enqueue[1] (line 8): is 4, but must be a mapping of names to values",
            "space.model.dropout.float[1] (line 10): is 1, but must be between 0 and 0.95",
        ],
        Errors("""
            epochs: 3
            sampler: tpe
            optimizer: { learning_rat: 0.1 }
            study:
              trails: 3
              parallel: 0
              sampler: { kind: tpe, candidates: 0 }
              enqueue: [{ model.dropout: 1 }, 4]
            space:
              model.dropout: { float: [0, 1] }
            """));

    [Theory]
    [InlineData("{ metric: test.accuracy }", "study.metric: is 'test.accuracy', but test data is measured once at the end and decides nothing; use validation or train")]
    [InlineData("{ metric: validation.accuracy, direction: minimize }",
        "study.direction: is minimize, which would look for the worst validation.accuracy; set it to maximize")]
    [InlineData("{ metric: validation.speed }", "study.direction: must be given, minimize or maximize: the name 'validation.speed' does not tell")]
    [InlineData("{ metric: validation.accuracy, objectives: [{ metric: train.loss }] }", "study.metric: is given, and so is objectives; leave one of them out")]
    [InlineData("{ direction: minimize, objectives: [{ metric: train.loss }] }", "study.direction: belongs to metric; give each of objectives its own direction")]
    [InlineData("{ sampler: random, objectives: [{ metric: train.loss }, { metric: test.accuracy }, { metric: train.x }] }",
        "study.objectives[2].direction: must be given, minimize or maximize: the name 'train.x' does not tell",
        "study.objectives[1].metric: is 'test.accuracy', but test data is measured once at the end and decides nothing; use validation or train")]
    [InlineData("{ sampler: random, objectives: [{ metric: train.loss }, { metric: train.loss }] }",
        "study.objectives[1].metric: is 'train.loss', which is an objective already; remove one of them")]
    [InlineData("{ sampler: cma-es, objectives: [{ metric: train.loss }, { metric: validation.accuracy }] }",
        "study.sampler: is cma-es, which is for one objective, but the study has 2")]
    [InlineData("{ sampler: gp, objectives: [{ metric: train.loss }, { metric: validation.loss }, { metric: train.accuracy }, { metric: validation.accuracy }, "
        + "{ metric: train.x, direction: minimize }] }", "study.sampler: is gp, which is for at most 4 objectives, but the study has 5; use tpe or nsga2")]
    [InlineData("{ sampler: random, stop: { target: 1, patience: {} }, objectives: [{ metric: train.loss }, { metric: validation.accuracy }] }",
        "study.stop.target: is for one objective, but the study has 2; leave it away, and use trials or stop.max_seconds",
        "study.stop.patience: is for one objective, but the study has 2; leave it away, and use trials or stop.max_seconds")]
    [InlineData("{ sampler: bohb }", "study.sampler: learns from trials that pause at rungs (bohb), and trial_scheduler has none; use hyperband, "
        + "or asha with promotion, or sampler tpe")]
    [InlineData("{ trials: null }", "study.trials: is null, and stop has no target, max_seconds, patience or expected_improvement: the study would never end; set one of them")]
    [InlineData("{ trials: 1, enqueue: [{}, {}] }", "study.enqueue: has 2 points to try first, but study.trials is 1; raise it, or remove some")]
    [InlineData("{ trials: 20, stop: { expected_improvement: { at_most: -1, every_trials: 0 } } }",
        "study.stop.expected_improvement.at_most: is -1, but must be at least 0",
        "study.stop.expected_improvement.every_trials: is 0, but must be at least 1")]
    [InlineData("{ sampler: random, trials: 20, stop: { expected_improvement: {} }, objectives: [{ metric: train.loss }, { metric: validation.accuracy }] }",
        "study.stop.expected_improvement: is for one objective, but the study has 2; leave it away, and use trials or stop.max_seconds",
        "study.stop.expected_improvement.min_trials: is 30, but study.trials is 20, so that it would never be asked; give less",
        "study.stop.expected_improvement: knows only parameters that always have a value, and model.hidden[1] has a condition; "
            + "leave it away, and use stop.patience")]
    [InlineData("{ sampler: tpee }", "study.sampler: sampler 'tpee' is not known. Available: {samplers}. Did you mean 'tpe'?")]
    [InlineData("{ sampler: { kind: tpe, startup: 3 } }", "study.sampler.startup: unknown field 'startup' of sampler 'tpe': did you mean 'startup_trials'?")]
    [InlineData("{ trials: 0, repeats: 0, value: mean, seed: -1, max_attempts: 0, trial_timeout: 0, isolation: docker, stop: { max_failures: 0, patience: { trials: 0 } } }",
        "study.trials: is 0, but must be at least 1", "study.repeats: is 0, but must be between 1 and 1000", "study.value: is 'mean', but must be one of best, last",
        "study.seed: is -1, but must be at least 0", "study.max_attempts: is 0, but must be between 1 and 1000",
        "study.trial_timeout: is 0, but must be at least 0.001", "study.isolation: is 'docker', but must be one of none, process or auto",
        "study.stop.patience.trials: is 0, but must be at least 1", "study.stop.max_failures: is 0, but must be at least 1")]
    [InlineData("{ constraints: [{ parameters: training.epochs, at_least: 9 }] }",
        "study.constraints: leave no configuration: 10000 random ones all break one; widen them, or the space")]
    [InlineData("{ constraints: [{ metric: recall, at_least: 1 }, { metric: a.b, parameters: x, at_most: 1 }, {}, { parameters: training.epochs, at_least: 3, at_most: 2 }] }",
        "study.constraints[0].metric: is 'recall', but must be split.name, such as validation.loss or train.loss",
        "study.constraints[1]: must have one of metric and parameters", "study.constraints[2]: must have one of metric and parameters",
        "study.constraints[2]: has no bound; set at_least, at_most or both", "study.constraints[3].at_least: is 3, above at_most: nothing would be feasible")]
    [InlineData("{ constraints: [{ metric: recall, at_least: 1 }, { metric: test.loss, at_most: 1 }] }",
        "study.constraints[0].metric: is 'recall', but must be split.name, such as validation.loss or train.loss",
        "study.constraints[1].metric: is 'test.loss', but test data is measured once at the end and decides nothing; use validation or train")]
    [InlineData("{ constraints: [{ parameters: 'model.hidden[0] - model.hidden[7]', at_least: 0 }, { parameters: 'training.epochs +', at_most: 3 }, "
        + "{ parameters: model.activation, at_most: 2 }, { parameters: '3', at_most: 2 }] }",
        "study.constraints[0].parameters: names 'model.hidden[7]', which is no parameter of the space; did you mean 'model.hidden[0]'?",
        "study.constraints[1].parameters: is no expression: the expression ends where a number, a name or '(' must follow, at character 18",
        "study.constraints[2].parameters: names 'model.activation', whose values are no numbers",
        "study.constraints[3].parameters: names no parameter of the space")]
    [InlineData("{ enqueue: [{ training.epoch: 1 }, { training.epochs: 9 }, { model.hidden: [1, 2, 3] }, { model.activation: swish }, { training.epochs: 1.5 }, "
        + "{ 'model.hidden[1]': 3 }, { model.hidden.length: 1, 'model.hidden[1]': 3 }, { model.hidden: 3 }, { training.epochs: '3' }] }",
        "study.enqueue[0].training.epoch: is no parameter of the space; did you mean 'training.epochs'?",
        "study.enqueue[1].training.epochs: is 9, but must be between 1 and 5",
        "study.enqueue[2].model.hidden.length: is 3, but must be between 1 and 2",
        "study.enqueue[2].model.hidden[2]: is no parameter of the space; did you mean 'model.hidden[0]'?",
        "study.enqueue[3].model.activation: is 'swish', but must be one of relu, gelu",
        "study.enqueue[4].training.epochs: is 1.5, but must be between 1 and 5 in steps of 1",
        "study.enqueue[5].model.hidden[1]: has a value only by that of 'model.hidden.length', which is not given; give it too, or leave both away",
        "study.enqueue[6].model.hidden[1]: is given, but has no value where model.hidden.length is 1; leave it away",
        "study.enqueue[7].model.hidden: is no parameter of the space; did you mean 'model.hidden[0]'?",
        "study.enqueue[8].training.epochs: is '3', but must be a number")]
    [InlineData("{ constraints: [{ parameters: training.epochs, at_least: 3 }], enqueue: [{ training.epochs: 2 }] }",
        "study.enqueue[0]: breaks the constraint on 'training.epochs'; change the point or the constraint")]
    [InlineData("3", "study: is 3, but must be a mapping of fields: metric, direction, objectives, sampler, trial_scheduler, resource, pruner, trials, parallel, value, repeats, "
        + "deterministic, seed, stop, constraints, enqueue, isolation, max_attempts, trial_timeout, disk_limit")]
    public void The_section_of_the_study_is_checked(string study, params string[] errors)
    {
        string samplers = string.Join(", ", Binder.Catalogs.Samplers.Entries.Select(e => e.Name));
        Assert.Equal(errors.Select(e => e.Replace("{samplers}", samplers, StringComparison.Ordinal)).Order(StringComparer.Ordinal),
            Assert.Throws<SpecException>(() => Parse($"study: {study}{Space}")).Violations.Select(v => $"{v.Path}: {v.Message}").Order(StringComparer.Ordinal));
    }

    /// <summary>Those that take the length of a trial from the training spec, and those that a deterministic study cannot have.</summary>
    [Theory]
    [InlineData("{ trial_scheduler: asha, pruner: median, deterministic: true, objectives: [{ metric: train.loss }, { metric: validation.accuracy }] }",
        "study.trial_scheduler: is asha, which ranks trials by one objective, but the study has 2; use fifo",
        "study.pruner: is median, which depends on the order of reports, but the study is deterministic; use threshold or none")]
    [InlineData("{ trial_scheduler: asha, resource: steps }", "study.trial_scheduler.max_resource: is auto, but the length of a trial is not known; give it")]
    [InlineData("{ trial_scheduler: { kind: asha, min_resource: 9 } }", "study.trial_scheduler.min_resource: is 9, but trials end at 7; give at most that")]
    [InlineData("{ trial_scheduler: { kind: asha, max_resource: 8 } }", "study.trial_scheduler.max_resource: is 8, but trials end by themselves at 7, and would never come "
        + "to what lies above; give at most that, leave it away for that, or make trials longer")]
    [InlineData("{ trial_scheduler: { kind: hyperband, max_resource: 70 } }", "study.trial_scheduler.max_resource: is 70, but trials end by themselves at 7, and would never "
        + "come to what lies above; give at most that, leave it away for that, or make trials longer")]
    [InlineData("{ trial_scheduler: { kind: pbt, max_resource: 100, perturbation_interval: 2 } }", "study.trial_scheduler.max_resource: is 100, but trials end by themselves "
        + "at 7, and would never come to what lies above; give at most that, leave it away for that, or make trials longer")]
    [InlineData("{ trial_scheduler: { kind: asha, variant: stopping }, deterministic: true }",
        "study.trial_scheduler.variant: is stopping, which depends on the order of reports, but the study is deterministic; use promotion")]
    [InlineData("{ trial_scheduler: { kind: pbt, population: 30, perturbation_interval: 2 }, trials: 20 }",
        "study.trial_scheduler.population: is 30, but the study has 20 trials; give at most that")]
    [InlineData("{ pruner: { kind: patient, wrapped: median }, deterministic: true, sampler: tpe }",
        "study.pruner: is median, which depends on the order of reports, but the study is deterministic; use threshold or none")]
    [InlineData("{ pruner: { kind: median, objective: validation.los } }",
        "study.pruner.objective: is 'validation.los', which is no objective of the study; give one of validation.loss")]
    [InlineData("{ pruner: { kind: patient, wrapped: { kind: median, objective: validation.loss } } }",
        "study.pruner.wrapped.objective: is 'validation.loss', but both judge by the same one; give it as objective of patient")]
    [InlineData("{ trial_scheduler: { kind: asha, reduction_factor: 2.5 }, trials: 4 }", // rungs 1, 3, 7: of 4 two are sent on at most, of two none
        "study.trials: is 4, but asha has 3 rungs and reduction_factor 2.5: with fewer than 5 trials none can become complete; raise it, or min_resource, "
        + "or use fifo")]
    [InlineData("{ trial_scheduler: { kind: asha, reduction_factor: 2.5 }, trials: 5 }")]
    [InlineData("{ trial_scheduler: { kind: asha, variant: stopping }, trials: 1 }")]
    [InlineData("{ trial_scheduler: { kind: pbt, perturbation_interval: 2 }, trials: 8, disk_limit: 1.5 }",
        "study.disk_limit: is 1.5 GiB, but pbt keeps only states that a trial goes on from or another one may copy: there is none that could go; "
        + "leave it away, or give a smaller population")]
    [InlineData("{ trial_scheduler: { kind: pb2, perturbation_interval: 2 }, trials: 8, pruner: { kind: patient } }", Compares)]
    [InlineData("{ trial_scheduler: { kind: pbt, perturbation_interval: 2 }, trials: 8, pruner: median }", Compares)]
    [InlineData("{ trial_scheduler: { kind: pbt, perturbation_interval: 2 }, trials: 8, pruner: { kind: threshold, upper: 9 } }")]
    [InlineData("{ resource: seconds, deterministic: true }",
        "study.resource: is seconds, in which a machine gets as far as it gets, but the study is deterministic; use epochs, steps or samples")]
    public void Trial_schedulers_and_pruners_that_cannot_be_used_for_the_study_say_so_with_the_rest(string study, params string[] errors)
    {
        const string space = "space: { model.dropout: { float: [0, 0.5] } }";
        string text = $"training: {{ epochs: 7 }}\n{space}\nstudy: {study}\n";
        if (errors.Length == 0)
        {
            Parse(text);
            return;
        }
        string[] found = Errors(text);
        Assert.Equal(errors, found.Select(e => Regex.Replace(e, @" \(line \d+\)", "")));
    }

    private const string Compares = "study.pruner: compares a trial's reports with earlier ones, but the trial scheduler (pbt, pb2) lets trials go on from "
        + "others' weights, of which those say nothing; use threshold or none";

    [Fact]
    public void A_trial_that_goes_on_from_another_ones_weights_keeps_its_model_and_its_optimizer()
    {
        string[] found = Errors("""
            training: { epochs: 7 }
            space:
              model.hidden: { list: { length: { int: [1, 2] }, each: { int: [8, 32] } } }
              model.dropout: { float: [0, 0.5] }
              optimizer.kind: { choices: [sgd, adam] }
              optimizer.learning_rate: { float: [1e-4, 1e-1], log: true }
            study: { trial_scheduler: { kind: pbt, perturbation_interval: 2 }, trials: 8 }
            """);
        const string why = "changes what a checkpoint is of, but pbt lets a trial go on from another one's; fix it, or use asha";
        Assert.Equal(
        [
            $"space.model.hidden.length: {why}", $"space.model.hidden[0]: {why}", $"space.model.hidden[1]: {why}",
            "space.optimizer.kind: changes what a trial's state consists of (with sgd of sgd without vectors, with adam of adam with exp_avg, exp_avg_sq), but pbt lets "
                + "a trial go on from another one's; keep to values with the same state, leave it out of the space, or use asha",
        ], found.Select(e => Regex.Replace(e, @" \(line \d+\)", "")).Order(StringComparer.Ordinal));
    }

    /// <summary>Whatever decides it: the optimizer itself is asked.</summary>
    [Theory]
    [InlineData("sgd", "optimizer.momentum: { choices: [0.0, 0.5, 0.9] }",
        "with 0.0 of sgd without vectors, with 0.5 of sgd with momentum_buffer", "keep to values with the same state")]
    [InlineData("sgd", "optimizer.momentum: { float: [0, 0.9] }",
        "with 0.0 of sgd without vectors, with 0.9 of sgd with momentum_buffer", "give it a lower bound above 0")]
    [InlineData("sgd", "optimizer.momentum: { float: [0.1, 0.9] }")]
    [InlineData("sgd", "optimizer.weight_decay: { float: [0, 0.9] }")]
    [InlineData("adam", "optimizer.amsgrad: { choices: [true, false] }",
        "with true of adam with exp_avg, exp_avg_sq, max_exp_avg_sq, with false of adam with exp_avg, exp_avg_sq", "keep to values with the same state")]
    [InlineData("adam", "averaging.kind: { choices: [none, ema] }",
        "with none of adam with exp_avg, exp_avg_sq, with ema of adam with exp_avg, exp_avg_sq and an average by ema", "keep to values with the same state")]
    public void A_population_does_not_explore_what_changes_the_vectors_of_a_state(string optimizer, string space, params string[] told)
    {
        foreach (string scheduler in (string[])["pbt", "asha"])
        {
            string text = $"training: {{ epochs: 7 }}\noptimizer: {optimizer}\nspace:\n  {space}\n"
                + $"study: {{ trial_scheduler: {{ kind: {scheduler}{(scheduler == "pbt" ? ", perturbation_interval: 2" : "")} }}, trials: 8 }}\n";
            if (told.Length == 0 || scheduler == "asha") Parse(text);
            else Assert.Equal([$"space.{space[..space.IndexOf(':', StringComparison.Ordinal)]} (line 4): changes what a trial's state consists of ({told[0]}), but pbt lets "
                + $"a trial go on from another one's; {told[1]}, leave it out of the space, or use asha"], Errors(text));
        }
    }

    /// <summary>Epochs that are searched give trials of several lengths.</summary>
    [Fact]
    public void The_length_of_a_trial_is_that_of_its_training_where_that_is_fixed()
    {
        Assert.Equal(7, LengthOf("resource: epochs", "training: { epochs: 7 }"));
        Assert.Equal(5, LengthOf("resource: epochs", "training: { epochs: 7 }", "training.epochs: 5"));
        Assert.Null(LengthOf("resource: epochs", "", "training.epochs: { int: [1, 5] }"));
        Assert.Equal(300, LengthOf("resource: steps", "stop: { max_steps: 300 }"));
        Assert.Null(LengthOf("resource: samples", "training: { epochs: 7 }"));
        Assert.Equal(2, LengthOf("resource: seconds", "stop: { max_seconds: 1.5 }"));

        static long? LengthOf(string study, string fields, string space = "model.dropout: { float: [0, 0.5] }") =>
            StudyContext.Of(Parse($"{fields}\nspace:\n  {space}\nstudy: {{ metric: validation.loss, {study} }}\n")).TrialLength;
    }

    /// <summary>Of a length that is searched, or of which nothing is known in what is counted, none is the end of all trials.</summary>
    [Theory]
    [InlineData("epochs", 7, "training: { epochs: 7 }")]
    [InlineData("epochs", 100, "training: { epochs: 7 }", "training.epochs: { int: [1, 5] }")]
    [InlineData("steps", 5000, "training: { epochs: 7 }")]
    [InlineData("steps", 300, "stop: { max_steps: 300 }")]
    public void A_trial_scheduler_may_complete_trials_anywhere_before_their_end(string resource, long most, string fields,
        string space = "model.dropout: { float: [0, 0.5] }")
    {
        var spec = Parse($"{fields}\nspace:\n  {space}\nstudy: {{ metric: validation.loss, resource: {resource}, "
            + $"trial_scheduler: {{ kind: asha, max_resource: {most} }} }}\n");
        Assert.Empty(spec.Study.TrialScheduler.Options is AshaOptions options ? options.Check(StudyContext.Of(spec)) : throw new InvalidOperationException());
    }

    [Fact]
    public void A_seed_that_is_searched_and_repeats_contradict_each_other() => Assert.Equal(
        ["study.repeats (line 1): is 2, but the seed is searched, so that all runs of a configuration would be the same; leave one of them out"],
        Errors("study: { repeats: 2 }\nspace: { seed: { int: [1, 3] } }"));

    /// <summary>The metric of select is a copy of the objective's, and the user has not written it.</summary>
    [Fact]
    public void A_rule_that_the_objective_breaks_names_the_objective() => Assert.Equal(
        ["study.metric (line 1): is 'validation.accuracy', but data.validation_fraction is 0; use train.accuracy, or a fraction above 0"],
        Errors("study: { metric: validation.accuracy }\ndata: { validation_fraction: 0 }" + Space));

    [Fact]
    public void Settings_are_checked_as_the_file_is()
    {
        Assert.Equal(["training.epochs: is set, but it is searched; to keep it at one value, set space.training.epochs to that value"], Errors(Space, "training.epochs=3"));
        Assert.Equal(
        [
            "study: is a section; set its fields, such as study.trials=20",
            "space (line 2): is a section; set its fields, such as space.training.epochs=5",
            "'x' is no setting; write path.to.field=value, such as training.epochs=10",
            "study.trails: unknown field 'trails': did you mean 'trials'?",
            "space.training.epoch: unknown field 'epoch': did you mean 'epochs'?",
        ], Errors(Space, "study=3", "space={}", "study.trails=5", "space.training.epoch=4", "x").OrderBy(e => e.StartsWith("space (", StringComparison.Ordinal) ? 1
            : e.StartsWith("study:", StringComparison.Ordinal) ? 0 : 2));
    }

    [Fact]
    public void A_study_without_a_space_and_a_document_that_is_none_are_refused()
    {
        const string None = "names no parameter: write paths of the training spec with their values, such as optimizer.learning_rate: { float: [1e-5, 1e-1], log: true }";
        Assert.Equal(["space: " + None], Errors(""));
        Assert.Equal(["space (line 1): " + None, "epochs (line 2): unknown field 'epochs': did you mean 'training.epochs'?"], Errors("space: {}\nepochs: 3"));
        Assert.Equal(["space (line 1): is a list, but must be paths of the training spec with their values"], Errors("space: [1]"));
        Assert.Equal(["study.yaml (line 1): is 3, but must be fields such as 'name: ...'"], Errors("3"));
    }

    /// <summary>Words of a good study in each other's places, and strange ones.</summary>
    [Fact]
    public void Whatever_a_file_holds_it_is_a_study_or_bad_input()
    {
        string[] words = [.. Regex.Split(Digits, @"([\s\[\]{}:,]+)")];
        string[] strange = [.. words.Where((_, i) => i % 2 == 0).Distinct(), "null", "-1", "0", "1e999", ".nan", "''", "[]", "{}", "[[1]]", "{ kind: x }", "{ int: [1, 2] }", "9007199254740993"];
        var random = new Random(5);
        int good = 0;
        for (int i = 0; i < 400; i++)
        {
            string[] mutant = [.. words];
            for (int changes = random.Next(1, 4); changes > 0; changes--) mutant[2 * random.Next(mutant.Length / 2)] = strange[random.Next(strange.Length)];
            string text = string.Concat(mutant);
            try
            {
                var spec = Parse(text);
                good++;
                Assert.Equal(StudySpecWriter.Write(spec), StudySpecWriter.Write(Parse(StudySpecWriter.Write(spec))));
            }
            catch (SpecException e)
            {
                Assert.All(e.Violations, v => Assert.DoesNotContain('\n', v.ToString()));
            }
            catch (Exception e) when (e is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"{e}\n{text}");
            }
        }
        Assert.InRange(good, 10, 300);
    }

    [Fact]
    public void Training_the_spec_of_a_study_says_what_it_is() => Assert.Equal(
        [
            "study (line 1): makes this the spec of a study; run it with 'distopt sweep', or remove the section to train once",
            "space (line 2): makes this the spec of a study; run it with 'distopt sweep', or remove the section to train once",
        ], Specs.TestCatalogs.Errors(() => Binder.ParseTraining("study: { trials: 3 }" + Space)));
}
