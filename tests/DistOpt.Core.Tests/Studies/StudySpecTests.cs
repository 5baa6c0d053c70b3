using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Yaml;
using DistOpt.Core.Studies;
using DistOpt.Core.Tests.Specs;
using static DistOpt.Core.Tests.Studies.StudyFixture;

namespace DistOpt.Core.Tests.Studies;

/// <summary>Study specs that are right.</summary>
public sealed class StudySpecTests
{
    [Fact]
    public void A_study_has_its_section_its_space_and_what_is_not_searched()
    {
        var spec = Parse(Digits);

        Assert.Equal(("digits-sweep", 7, 60, 2, TrialValue.Best, 1, false),
            (spec.Name, spec.Seed, spec.Study.Trials, spec.Study.Parallel, spec.Study.Value, spec.Study.Repeats, spec.Study.Deterministic));
        Assert.Equal(new ObjectiveSection { Metric = "validation.accuracy", Direction = Direction.Maximize }, Assert.Single(spec.Study.Objectives));
        Assert.Equal([Direction.Maximize], spec.Directions);
        Assert.Equal(5, spec.Study.Sampler.OptionsAs<TpeOptions>().StartupTrials);
        Assert.Equal(("fifo", "none"), (spec.Study.TrialScheduler.Kind, spec.Study.Pruner.Kind));
        Assert.IsType<TpeSampler>(spec.CreateSampler(SamplerCatalog.Default));
        Assert.Equal(0.1, spec.Training.Model.OptionsAs<MlpOptions>().Dropout);
    }

    /// <summary>Parents stand before children in the space, wherever they stand in the file.</summary>
    [Fact]
    public void Each_line_of_the_space_is_a_parameter_and_a_list_is_its_length_and_elements()
    {
        var space = Parse(Digits).Space.Space;

        Assert.Equal(
        [
            "optimizer.learning_rate", "optimizer.kind", "optimizer.momentum", "optimizer.beta1", "model.hidden.length", "model.hidden[0]",
            "model.hidden[1]", "model.hidden[2]", "model.activation", "batch.size", "training.epochs",
        ], space.Parameters.Select(p => p.Name));
        Assert.Equal(
        [
            new FloatDomain(1e-5, 1e-1, log: true), new ChoiceDomain(["sgd", "adam", "adamw"]), new FloatDomain(0, 0.95, step: 0.05), new ChoiceDomain([0.85]),
            new IntDomain(1, 3), new IntDomain(16, 512, log: true), new IntDomain(16, 512, log: true), new IntDomain(16, 512, log: true),
            new ChoiceDomain(["relu", "gelu", "leaky-relu"]), new ChoiceDomain([16L, 32L, 64L, 128L], IsOrdered: true), new ChoiceDomain([5L]),
        ], space.Parameters.Select(p => p.Domain));
        Assert.Equal([2, 3, 6, 7], Enumerable.Range(0, space.Count).Where(i => space.Parameters[i].When is not null));
        Assert.True(space.IsActive(2, [0.1, 0]) && !space.IsActive(2, [0.1, 1]));
        Assert.True(space.IsActive(3, [0.1, 2]) && !space.IsActive(3, [0.1, 0]));
        Assert.True(space.IsActive(6, [0.1, 0, 0, 0, 2]) && !space.IsActive(7, [0.1, 0, 0, 0, 2]));
    }

    [Fact]
    public void Conditions_may_name_a_value_several_or_a_range_and_be_nested()
    {
        var space = OfSpace("""
            training.epochs: { int: [1, 9] }
            batch.size: { choices: [8, 16, 64], ordered: true }
            optimizer.kind: { choices: [sgd, adam], when: { training.epochs: { at_least: 3, at_most: 5 } } }
            optimizer.momentum: { float: [0.1, 0.9], when: { optimizer.kind: sgd, batch.size: { at_least: 10 } } }
            model.dropout: { float: [0, 0.5], when: { batch.size: [8, 64] } }
            """, "optimizer: adam").Space.Space;

        Assert.Empty(space.Check([4, 1, 0, 0.5, double.NaN]));
        Assert.Empty(space.Check([4, 0, 0, double.NaN, 0.1]));
        Assert.Empty(space.Check([6, 2, double.NaN, double.NaN, 0.1]));
        Assert.Equal(["optimizer.kind: has a value, but training.epochs is not as its condition wants",
            "optimizer.momentum: has a value, but batch.size is not as its condition wants"], space.Check([2, 0, 0, 0.5, 0.1]).Select(v => v.ToString()));
    }

    [Fact]
    public void Whole_sections_and_whole_lists_can_be_choices()
    {
        var spec = OfSpace("""
            optimizer: { choices: [{ kind: sgd, momentum: 0.9 }, adam] }
            optimizer.learning_rate: { float: [1e-4, 1e-2], log: true }
            optimizer.beta2: { float: [0.9, 0.99], when: { optimizer: adam } }
            model.hidden: { choices: [[64], [128, 32]] }
            """);
        var trials = new TrialSpecs(Binder, spec);

        var first = trials.Of(0, spec.Values(("optimizer", "{ kind: sgd, momentum: 0.9 }"), ("optimizer.learning_rate", 1e-3), ("model.hidden", "[128, 32]")));
        Assert.Equal(("sgd", 1e-3, 0.9), (first.Optimizer.Kind, first.Optimizer.OptionsAs<Core.Optimizers.SgdOptions>().LearningRate,
            first.Optimizer.OptionsAs<Core.Optimizers.SgdOptions>().Momentum));
        Assert.Equal([128, 32], first.Model.OptionsAs<MlpOptions>().Hidden);
        var second = trials.Of(0, spec.Values(("optimizer", "adam"), ("optimizer.learning_rate", 1e-3), ("optimizer.beta2", 0.95), ("model.hidden", "[64]")));
        Assert.Equal(("adam", 0.95), (second.Optimizer.Kind, second.Optimizer.OptionsAs<Core.Optimizers.AdamOptions>().Beta2));
    }

    [Fact]
    public void What_is_optimized_selects_the_weights_unless_the_file_says_by_what()
    {
        Assert.Equal(new SelectSection { Metric = "validation.accuracy", Direction = Direction.Maximize }, Parse(Digits).Training.Select);
        const string Own = "select: { metric: validation.loss }\nstudy: { metric: validation.speed, direction: maximize }\nspace: { training.epochs: { int: [1, 2] } }";
        Assert.Equal(new SelectSection { Metric = "validation.loss", Direction = Direction.Minimize }, Parse(Own).Training.Select);
        // and without an objective it is what is selected
        Assert.Equal([new ObjectiveSection { Metric = "validation.auc", Direction = Direction.Maximize }],
            Parse("select: { metric: validation.auc }\nspace: { training.epochs: { int: [1, 2] } }").Study.Objectives);
        // in the direction that the study has been given, where the name does not tell it
        const string Told = "select: { metric: validation.speed }\nstudy: { direction: maximize }\nspace: { training.epochs: { int: [1, 2] } }";
        Assert.Equal(new SelectSection { Metric = "validation.speed", Direction = Direction.Maximize }, Parse(Told).Training.Select);
    }

    /// <summary>Else the bits of a trial would depend on how many workers another one has.</summary>
    [Theory]
    [InlineData("", "model.dropout: { float: [0, 0.5] }", 2)]
    [InlineData("training: { workers: 5 }", "model.dropout: { float: [0, 0.5] }", 5)]
    [InlineData("training: { workers: { min: 2, max: 6 } }", "model.dropout: { float: [0, 0.5] }", 6)]
    [InlineData("training: { gradient_shards: 12 }", "training.workers: { int: [1, 4] }", 12)]
    [InlineData("", "training.workers: { int: [1, 7] }", 7)]
    [InlineData("training: { workers: 9 }", "model.dropout: { float: [0, 0.5] }\ntraining.workers: { choices: [1, 3], when: { model.dropout: { at_least: 0.4 } } }", 9)]
    public void Gradient_shards_are_fixed_once_for_all_trials(string fields, string space, int shards)
    {
        var spec = OfSpace(space, fields);
        Assert.Equal(shards, spec.Training.Training.GradientShards);
        double[] values = new double[spec.Space.Space.Count];
        for (int i = 0; i < 20; i++)
        {
            spec.CreateSampler(SamplerCatalog.Default).Suggest(new StudyHistory(spec.Space.Space, spec.Directions), 1, i, values);
            Assert.Equal(shards, new TrialSpecs(Binder, spec).Of(i, values).Training.GradientShards);
        }
    }

    [Fact]
    public void Settings_reach_all_three_parts()
    {
        var spec = Parse(Digits, "study.trials=5", "study.sampler=random", "space.model.hidden=null", "space.training.epochs={ int: [1, 2] }", "model.dropout=0.3",
            "study.stop.target=0.9", "space.model.activation=gelu", "study.enqueue=[]");

        Assert.Equal((5, "random", 0.9), (spec.Study.Trials, spec.Study.Sampler.Kind, spec.Study.Stop.Target));
        Assert.Equal(-1, spec.Space.Space.IndexOf("model.hidden.length"));
        Assert.Equal(new IntDomain(1, 2), spec.Space.Space.Parameters[spec.Space.Space.IndexOf("training.epochs")].Domain);
        Assert.Equal((0.3, Activation.Gelu), (spec.Training.Model.OptionsAs<MlpOptions>().Dropout, spec.Training.Model.OptionsAs<MlpOptions>().Activation));
    }

    public static TheoryData<string> Good => new(
        Digits,
        "space: { training.epochs: { int: [1, 4], step: 3 } }",
        """
        name: "1e3"
        data: { name: csv, path: 'a, b: c.csv' }
        model: { freeze: [a b, '*.bias', "x, y"] }
        study:
          objectives: [{ metric: validation.loss }, { metric: validation.accuracy }]
          sampler: random
          value: last
          repeats: 3
          deterministic: true
          seed: 9223372036854775807
          trials: null
          stop: { max_seconds: 60 }
          isolation: process
          max_attempts: 1
          trial_timeout: 12.5
          constraints:
            - { metric: validation.recall, at_least: 0.5 }
            - { parameters: 'model.hidden[0] - model.hidden[1]', at_least: 0, at_most: 1000 }
        space:
          model.hidden: { list: { length: 2, each: { choices: [8, 16, 32], ordered: true } } }
          model.dropout: 0.25
          optimizer.weight_decay: { value: 0.125 }
          optimizer.amsgrad: { choices: [true, false] }
          batch.base_size: { choices: [null] }
          clip.global_norm: { choices: [null, 1, 0.5] }
          data.label: { choices: [yes, "no, not", 'null', "3"] }
        """,
        "study: { enqueue: [{ model.hidden: [3] }, {}] }\nspace: { model.hidden: { list: { length: { int: [1, 5], step: 2 }, each: 3 } } }");

    [Theory, MemberData(nameof(Good))]
    public void A_study_is_written_and_reads_back_as_the_same_study(string yaml)
    {
        var spec = Parse(yaml);
        string text = StudySpecWriter.Write(spec);
        var again = Parse(text);

        Assert.Equal(text, StudySpecWriter.Write(again));
        Assert.Equal(spec.Space.Space.Parameters.Select(Text), again.Space.Space.Parameters.Select(Text));
        Assert.Equal(SpecWriter.Write(spec.Study), SpecWriter.Write(again.Study));
        Assert.Equal(spec.Enqueued.Select(p => string.Join(' ', p)), again.Enqueued.Select(p => string.Join(' ', p)));
        Assert.Equal(spec.Constraints.Select(c => c.Text), again.Constraints.Select(c => c.Text));
        Assert.Equal(SpecWriter.Write(spec.Training), SpecWriter.Write(again.Training));
        var (trials, others) = (new TrialSpecs(Binder, spec), new TrialSpecs(Binder, again));
        double[] values = new double[spec.Space.Space.Count];
        for (int i = 0; i < 30; i++)
        {
            new ConstrainedSampler(new RandomSampler(), spec.Constraints).Suggest(new StudyHistory(spec.Space.Space, spec.Directions), spec.Seed, i, values);
            Assert.Equal(SpecWriter.Write(trials.Of(i, values)), SpecWriter.Write(others.Of(i, values)));
        }

        static string Text(SearchParameter p) => $"{p.Name} {p.Domain} {string.Join(" and ", p.Conditions.Select(c =>
            $"{c.Parameter} {c.Least} {c.Most} {string.Join(',', c.Among ?? [])}"))} {(p.Domain is ChoiceDomain c ? string.Join(',', c.Choices) : "")}";
    }

    [Fact]
    public void A_study_can_be_made_in_code()
    {
        var spec = Binder.CheckStudy(
            new TrainingSpec { Name = "coded", Training = new TrainingSection { Epochs = 2 } },
            new StudySection { Metric = "validation.loss", Trials = 10, Enqueue = [SortedPoint("optimizer.learning_rate", "0.01")] },
            [
                new("optimizer.learning_rate", new ParameterSpec { Float = [1e-4, 1e-1], Log = true }),
                new("model.dropout", new ParameterSpec { Value = new ScalarNode("0.5", plain: true) }),
                new("model.hidden", new ParameterSpec
                {
                    List = new ListSpec { Length = new DomainSpec { Int = [1, 2] }, Each = new DomainSpec { Int = [4, 8] } },
                }),
                new("clip.norm", new ParameterSpec
                {
                    Choices = [ScalarNode.Null, new ScalarNode("1", plain: true)],
                    When = new Dictionary<string, SpecNode> { ["model.hidden.length"] = new ScalarNode("2", plain: true) },
                }),
            ]);

        Assert.Equal(["optimizer.learning_rate", "model.dropout", "model.hidden.length", "model.hidden[0]", "model.hidden[1]", "clip.norm"],
            spec.Space.Space.Parameters.Select(p => p.Name));
        Assert.Equal(("coded", 2, 0.01), (spec.Name, spec.Training.Training.Epochs, spec.Enqueued[0][0]));
        Assert.Equal(StudySpecWriter.Write(spec), StudySpecWriter.Write(Parse(StudySpecWriter.Write(spec))));
        Assert.Equal(["study.trials: is 0, but must be at least 1", "space.model.dropout.float[1]: is 1, but must be between 0 and 0.95"],
            TestCatalogs.Errors(() => Binder.CheckStudy(new TrainingSpec(), new StudySection { Trials = 0 },
                [new("model.dropout", new ParameterSpec { Float = [0, 1] })])));

        static System.Collections.Immutable.ImmutableSortedDictionary<string, SpecNode> SortedPoint(string name, string value) =>
            System.Collections.Immutable.ImmutableSortedDictionary<string, SpecNode>.Empty.Add(name, new ScalarNode(value, plain: true));
    }

    [Theory]
    [MemberData(nameof(Samplers))]
    public void Every_sampler_can_be_chosen_by_its_name_and_is_written_back(string name)
    {
        string[] settings = name == "bohb" ? [$"study.sampler={name}", "study.trial_scheduler={ kind: hyperband, max_resource: 3 }"] : [$"study.sampler={name}"];
        var study = Parse("space: { training.epochs: { int: [1, 3] }, model.dropout: { float: [0, 0.5], step: 0.1 } }", settings);
        Assert.Equal(name, study.Study.Sampler.Kind);
        string text = StudySpecWriter.Write(study);
        Assert.Equal(text, StudySpecWriter.Write(Parse(text)));
        Assert.Contains($"  sampler:\n    kind: {name}\n", text, StringComparison.Ordinal);
    }

    public static TheoryData<string> Samplers => [.. SamplerCatalog.Default.Entries.Select(e => e.Name)];

    [Fact]
    public void Every_field_of_a_study_is_described() =>
        Assert.All(CatalogListing.FieldsOf(Binder.Catalogs, typeof(StudySection)).Concat(CatalogListing.FieldsOf(Binder.Catalogs, typeof(ParameterSpec))),
            f => Assert.False(string.IsNullOrEmpty(f.Description), f.Name));
}
