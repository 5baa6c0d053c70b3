using static DistOpt.Core.Tests.Specs.TestCatalogs;

namespace DistOpt.Core.Tests.Specs;

public sealed class SpecOverridesTests
{
    private const string File = """
        optimizer: { kind: adam, learning_rate: 0.01, beta1: 0.8 }
        model: { kind: mlp, hidden: [32], dropout: 0.2, weights: w.safetensors }
        data: mnist
        training: { workers: 0 }
        """;

    [Fact]
    public void Settings_win_over_the_file()
    {
        var spec = Binder.ParseTraining(File, null,
            ["training.workers=3", "model.hidden=[64, 16]", "seed=7", "training.gradient_shards=4",
                "stop.target={ metric: train.loss, at_most: 1e-2 }"]);

        Assert.Equal(3, spec.Training.Workers);
        Assert.Equal([64, 16], spec.Model.OptionsAs<MlpOptions>().Hidden);
        Assert.Equal(0.2, spec.Model.OptionsAs<MlpOptions>().Dropout);
        Assert.Equal(7, spec.Seed);
        Assert.Equal(4, spec.Training.GradientShards);
        Assert.Equal(0.01, spec.Stop.Target?.AtMost);
        Assert.Null(Binder.Default(["training.gradient_shards=3", "training.gradient_shards=auto"]).Training.GradientShards);
    }

    [Fact]
    public void A_field_of_a_plug_in_can_be_set_where_the_file_has_a_bare_name_or_nothing()
    {
        var spec = Binder.ParseTraining("data: mnist",
            null, ["data.normalize=false", "data.prefetch=0", "batch.size=8", "schedule.kind=cosine", "schedule.warmup_steps=5"]);

        Assert.Equal("mnist", spec.Data.Kind);
        Assert.False(spec.Data.OptionsAs<MnistOptions>().Normalize);
        Assert.Equal(0, spec.Data.Prefetch);
        Assert.Equal(8, spec.Batch.OptionsAs<Core.Batching.FixedBatchOptions>().Size);
        Assert.Equal(5, spec.Schedule.WarmupSteps);
    }

    [Fact]
    public void Setting_the_kind_keeps_what_the_new_plug_in_has_too_and_drops_what_only_the_old_one_has()
    {
        var spec = Binder.ParseTraining(File, null, ["model.kind=cnn", "model.channels=8", "optimizer.kind=sgd", "training.workers=1"]);

        Assert.Equal(new CnnOptions { Channels = 8, Dropout = 0.2 }, spec.Model.OptionsAs<CnnOptions>());
        Assert.Equal("w.safetensors", spec.Model.Weights);
        Assert.Equal(new SgdOptions { LearningRate = 0.01 }, spec.Optimizer.OptionsAs<SgdOptions>());
    }

    [Fact]
    public void A_typing_error_in_the_file_is_not_dropped_with_the_old_plug_in() => Assert.Equal(
        ["optimizer.beta3 (line 1): unknown field 'beta3' of optimizer 'sgd'; known are kind, decay_biases, groups, "
            + "learning_rate, momentum, nesterov"],
        Errors("optimizer: { kind: adam, beta1: 0.9, beta3: 1 }", "optimizer.kind=sgd"));

    [Fact]
    public void Setting_a_plug_in_to_a_name_replaces_all_of_it_whatever_the_order_of_the_settings()
    {
        var spec = Binder.ParseTraining(File, null, ["optimizer.beta1=0.7", "optimizer=adamw", "training.workers=1"]);

        Assert.Equal("adamw", spec.Optimizer.Kind);
        Assert.Equal(new AdamOptions { Beta1 = 0.7 }, spec.Optimizer.OptionsAs<AdamOptions>());
    }

    [Fact]
    public void Errors_of_settings_are_those_of_the_file_without_a_line()
    {
        string[] expected =
        [
            "model.hidden[0] (line 2): is 0, but must be at least 1",
            "'nonsense' is no setting; write path.to.field=value, such as training.epochs=10",
            "'training..workers=2' is no setting; write path.to.field=value, such as training.epochs=10",
            "training.epohcs: unknown field 'epohcs': did you mean 'epochs'?",
            "training.workers: is -1, but must be at least 1",
            "sed: unknown field 'sed': did you mean 'seed'?",
            "optimizer.kind: optimizer 'sdg' is not known. Available: sgd, adam, adamw. Did you mean 'sgd'?",
            "batch.size: is a mapping of fields, but must be a whole number",
        ];

        Assert.Equal(expected.Order(StringComparer.Ordinal), Errors("training: { workers: 1 }\nmodel: { hidden: [0] }",
            "nonsense", "training..workers=2", "sed=1", "training.epohcs=3", "training.workers=-1", "optimizer.kind=sdg",
                "batch.size.big=3").Order(StringComparer.Ordinal));
        Assert.StartsWith("model.dropout: not valid YAML: ", Assert.Single(Errors("", "model.dropout=[1")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("data.path=", null)]
    [InlineData("data.path=null", null)]
    [InlineData("data.path='null'", "null")]
    [InlineData("data.path=C:\\data", "C:\\data")]
    [InlineData("data.path=a: b", "a: b")]
    [InlineData("data.path=x=y", "x=y")]
    [InlineData("data.path=#1", "#1")]
    public void Values_are_YAML_scalars(string setting, string? expected) =>
        Assert.Equal(expected, Binder.ParseTraining("data: mnist", null, [setting]).Data.OptionsAs<MnistOptions>().Path);
}
