using DistOpt.Core.Optimizers;
using DistOpt.Core.Samplers;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Tests.Specs;
using static DistOpt.Core.Tests.Studies.StudyFixture;

namespace DistOpt.Core.Tests.Studies;

/// <summary>From configurations to training specs.</summary>
public sealed class TrialSpecsTests
{
    private static readonly StudySpec s_spec = Parse(Digits);
    private static readonly TrialSpecs s_trials = new(Binder, s_spec);

    private static readonly double[] s_sgd = s_spec.Values(("optimizer.learning_rate", 0.02), ("optimizer.kind", "sgd"), ("optimizer.momentum", 0.35),
        ("model.hidden.length", 2), ("model.hidden[0]", 20), ("model.hidden[1]", 30), ("model.activation", "leaky-relu"), ("batch.size", 128));

    private static readonly double[] s_adam = s_spec.Values(("optimizer.learning_rate", 0.02), ("optimizer.kind", "adamw"), ("model.hidden.length", 1),
        ("model.hidden[0]", 20), ("model.activation", "relu"), ("batch.size", 16));

    /// <summary>The file's momentum is for sgd, and its weight decay for all of them.</summary>
    [Fact]
    public void The_values_stand_at_their_paths_and_the_rest_is_the_files()
    {
        var sgd = s_trials.Of(3, s_sgd);
        var options = sgd.Optimizer.OptionsAs<Core.Optimizers.SgdOptions>();
        Assert.Equal(("sgd", 0.02, 0.35, 0.01), (sgd.Optimizer.Kind, options.LearningRate, options.Momentum, options.WeightDecay));
        Assert.Equal([20, 30], sgd.Model.OptionsAs<MlpOptions>().Hidden);
        Assert.Equal((Activation.LeakyRelu, 0.1), (sgd.Model.OptionsAs<MlpOptions>().Activation, sgd.Model.OptionsAs<MlpOptions>().Dropout));
        Assert.Equal((5, 2, 2), (sgd.Training.Epochs, sgd.Training.Workers, sgd.Training.GradientShards));

        var adam = s_trials.Of(3, s_adam).Optimizer;
        Assert.Equal(("adamw", 0.85, 0.01), (adam.Kind, adam.OptionsAs<AdamWOptions>().Beta1, adam.OptionsAs<AdamWOptions>().WeightDecay));
    }

    /// <summary>Where a condition does not hold, what the file gives holds, if the plug-in that is chosen has it.</summary>
    [Fact]
    public void A_parameter_without_a_value_leaves_what_the_file_says()
    {
        var spec = OfSpace("optimizer.kind: { choices: [sgd, nesterov, adam] }\noptimizer.momentum: { float: [0, 0.5], when: { optimizer.kind: sgd } }",
            "optimizer: { kind: nesterov, momentum: 0.7, decay_biases: false }");
        var trials = new TrialSpecs(Binder, spec);

        Assert.Equal(0.25, trials.Of(0, [0, 0.25]).Optimizer.OptionsAs<Core.Optimizers.SgdOptions>().Momentum);
        Assert.Equal(0.7, trials.Of(0, [1, double.NaN]).Optimizer.OptionsAs<MomentumOptions>().Momentum);
        Assert.Equal(("adam", false), (trials.Of(0, [2, double.NaN]).Optimizer.Kind, trials.Of(0, [2, double.NaN]).Optimizer.DecayBiases));
    }

    [Fact]
    public void Gradient_descent_among_the_candidates_brings_its_batch_along_and_leaves_that_of_others()
    {
        var trials = new TrialSpecs(Binder, OfSpace("optimizer.kind: { choices: [gd, sgd] }"));
        Assert.Equal(("full", "fixed"), (trials.Of(0, [0]).Batch.Kind, trials.Of(0, [1]).Batch.Kind));
    }

    /// <summary>A field in the file that none of the candidates has is a mistake all the same.</summary>
    [Fact]
    public void A_field_that_no_candidate_has_is_refused() => Assert.Equal(
        ["optimizer.momentun (line 1): unknown field 'momentun' of optimizer 'sgd': did you mean 'momentum'?",
            "space.optimizer.kind (line 4): where it is adam: optimizer.momentun unknown field 'momentun' of optimizer 'adam'; known are kind, decay_biases, groups, "
                + "learning_rate, beta1, beta2, epsilon, weight_decay, amsgrad"],
        Errors("optimizer: { momentun: 0.1 }\nstudy: {}\nspace:\n  optimizer.kind: { choices: [sgd, adam] }\n"));

    [Fact]
    public void Fields_inside_maps_and_nested_plug_ins_are_reached()
    {
        var binder = new SpecBinder(Binder.Catalogs with
        {
            Models = Core.Functions.FunctionModel.Models(Binder.Catalogs.Models),
            Datasets = Core.Functions.FunctionModel.Datasets(Binder.Catalogs.Datasets),
        });
        var spec = binder.ParseStudy("""
            model: { kind: function, expression: x^2 + a*y^2, variables: { x: 1, y: 2 }, constants: { a: 1 } }
            study: { metric: train.loss }
            space:
              model.variables.x: { float: [-3, 3] }
              model.constants.a: { choices: [1, 10] }
            """);
        var model = new TrialSpecs(binder, spec).Of(0, [1.5, 1]).Model.OptionsAs<Core.Functions.FunctionOptions>();
        Assert.Equal((1.5, 2, 10), (model.Variables["x"], model.Variables["y"], model.Constants["a"]));
    }

    /// <summary>Pinned: a resumed study and one of another version must have the same seeds.</summary>
    [Fact]
    public void Seeds_depend_on_the_studys_seed_the_number_and_the_repeat_alone()
    {
        Assert.Equal(3663821225675019, s_trials.Seed(3));
        Assert.Equal(s_trials.Seed(3), s_trials.Of(3, s_sgd).Seed);
        Assert.Equal(s_trials.Seed(3), s_trials.Of(3, s_adam).Seed);
        Assert.Equal(s_trials.Seed(3, 2), s_trials.Of(3, s_adam, repeat: 2).Seed);
        var all = (from number in Enumerable.Range(0, 300) from repeat in Enumerable.Range(0, 5) select s_trials.Seed(number, repeat)).ToList();
        Assert.Equal(all.Count, all.Distinct().Count());
        Assert.All(all, seed => Assert.InRange(seed, 0, 1L << 53));
        Assert.True(all.Max() > 1L << 52);
        Assert.Equal(s_trials.Seed(3), new TrialSpecs(Binder, Parse(Digits, "seed=8", "study.seed=7")).Seed(3));
        Assert.NotEqual(s_trials.Seed(3), new TrialSpecs(Binder, Parse(Digits, "seed=8")).Seed(3));
    }

    [Fact]
    public void A_seed_that_is_searched_is_the_one_that_was_chosen()
    {
        var spec = OfSpace("seed: { int: [1, 9] }");
        Assert.Equal(4, new TrialSpecs(Binder, spec).Of(17, [4]).Seed);
    }

    [Fact]
    public void Best_yaml_says_that_it_is_one_of_several_runs()
    {
        var spec = StudyFixture.Binder.ParseStudy(StudyFixture.Digits.Replace("study:", "study:\n  repeats: 3", StringComparison.Ordinal));
        Assert.Contains("""
            validation.accuracy 0.984375
            # (means of 3 runs, of which this is the first; trials.jsonl has the values of each)
            # 'distopt train FILE' trains it
            """, new TrialSpecs(Binder, spec).BestYaml(3, s_sgd, [0.984375]));
    }

    [Fact]
    public void Best_yaml_is_the_trials_spec_for_train_with_what_was_chosen()
    {
        string text = s_trials.BestYaml(3, s_sgd, [0.984375]);

        Assert.StartsWith("""
            # Trial 3 of study digits-sweep: validation.accuracy 0.984375
            # 'distopt train FILE' trains it. Chosen:
            #   optimizer.learning_rate: 0.02
            #   optimizer.kind: sgd
            #   optimizer.momentum: 0.35
            #   model.hidden.length: 2
            #   model.hidden[0]: 20
            #   model.hidden[1]: 30
            #   model.activation: leaky_relu
            #   batch.size: 128
            #   training.epochs: 5
            name: digits-sweep
            seed: 3663821225675019

            """, text, StringComparison.Ordinal);
        Assert.Equal(SpecWriter.Write(s_trials.Of(3, s_sgd)), SpecWriter.Write(Binder.ParseTraining(text, "best.yaml").Resolve()));
    }

    [Fact]
    public void Best_yaml_of_a_trial_that_has_copied_others_says_that_it_does_not_come_to_the_value_and_what_would()
    {
        double[] before = [.. s_sgd];
        before[0] = 0.125;
        string text = s_trials.BestYaml(3, s_sgd, [0.984375], exploits: [new TrialExploit(4, 2, [.. before], [.. s_sgd])]);
        Assert.StartsWith("# Trial 3 of study digits-sweep: validation.accuracy 0.984375\n# It came to that on the weights of other trials", text, StringComparison.Ordinal);
        Assert.Contains("\n#   from trial 2 as it was at epoch 4, with optimizer.learning_rate 0.125 -> 0.02\n", text, StringComparison.Ordinal);
        Assert.DoesNotContain("trains it.", text, StringComparison.Ordinal);
        Assert.Equal(SpecWriter.Write(s_trials.Of(3, s_sgd)), SpecWriter.Write(Binder.ParseTraining(text, "best.yaml").Resolve()));
    }

    [Fact]
    public void What_is_no_configuration_is_refused_before_anything_is_bound()
    {
        Assert.Contains("optimizer.momentum: has a value", Assert.Throws<ArgumentException>(() => s_trials.Of(0, [.. s_adam[..2], 0.5, .. s_adam[3..]])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => s_trials.Of(-1, s_adam));
        Assert.Throws<ArgumentOutOfRangeException>(() => s_trials.Of(0, s_adam, -1));
    }

    /// <summary>Whatever a sampler suggests can be trained.</summary>
    [Fact]
    public void Every_random_configuration_binds_and_its_text_is_the_same_spec()
    {
        var history = new StudyHistory(s_spec.Space.Space, s_spec.Directions);
        double[] values = new double[s_spec.Space.Space.Count];
        var kinds = new HashSet<string>();
        for (int i = 0; i < 200; i++)
        {
            new RandomSampler().Suggest(history, s_spec.Seed, i, values);
            var spec = s_trials.Of(i, values);
            kinds.Add(spec.Optimizer.Kind + spec.Model.OptionsAs<MlpOptions>().Hidden.Length);
            Assert.Equal(SpecWriter.Write(spec), SpecWriter.Write(Binder.ParseTraining(s_trials.BestYaml(i, values)).Resolve()));
        }
        Assert.Equal(9, kinds.Count);
    }
}
