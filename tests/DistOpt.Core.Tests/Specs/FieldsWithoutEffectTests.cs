using DistOpt.Core.Optimizers;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Tests.Specs;

/// <summary>What a user has set and nothing would use is told, rather than taken without a word.</summary>
public sealed class FieldsWithoutEffectTests
{
    private static readonly SpecBinder Binder =
        new(TestCatalogs.All with { Optimizers = OptimizerCatalog.Default, Schedules = ScheduleCatalog.Default });

    [Theory]
    [InlineData("schedule: { kind: cosine, warmup_start_factor: 0.1 }", "schedule.warmup_start_factor (line 1): is 0.1, but there is no warm-up; "
        + "set warmup_steps or warmup_epochs, or leave warmup_start_factor away")]
    [InlineData("schedule: { warmup_epochs: 0, warmup_start_factor: 0 }", "schedule.warmup_start_factor (line 1): is 0, but there is no warm-up; "
        + "set warmup_steps or warmup_epochs, or leave warmup_start_factor away")]
    [InlineData("schedule: { kind: cyclic, gamma: 0.5 }",
        "schedule.gamma (line 1): is 0.5, which mode exp-range alone uses; set mode to exp-range, or leave gamma away")]
    [InlineData("batch: { size: 8, noise_smoothing: 0.9 }", "batch.noise_smoothing (line 1): is 0.9, but nothing here follows the noise; "
        + "set kind to noise-scale or learning_rate_scaling to adascale, or leave noise_smoothing away")]
    [InlineData("batch: { kind: growing, every: 4, milestones: [3, 6] }",
        "batch.every (line 1): is 4, but milestones stand in its place; leave one of them out")]
    [InlineData("batch: { kind: random, sizes: [8, 16], max: 32 }",
        "batch.max (line 1): is 32, but sizes stand in the place of min and max; leave it or sizes out")]
    [InlineData("regularization: { power_exponent: 6 }",
        "regularization.power_exponent (line 1): is 6, but power is 0; set power above 0, or leave power_exponent away")]
    [InlineData("regularization: { l1_mode: proximal, l2: 0.1 }",
        "regularization.l1_mode (line 1): is proximal, but l1 is 0; set l1 above 0, or leave l1_mode away")]
    [InlineData("averaging: { kind: swa, anneal_strategy: linear }", "averaging.anneal_strategy (line 1): is linear, but averaging's learning_rate is null, "
        + "so the rate goes nowhere; set learning_rate, or leave anneal_strategy away")]
    [InlineData("averaging: { kind: swa, anneal_epochs: 3 }", "averaging.anneal_epochs (line 1): is 3, but averaging's learning_rate is null, "
        + "so the rate goes nowhere; set learning_rate, or leave anneal_epochs away")]
    public void A_field_without_effect_is_told(string yaml, string expected) =>
        Assert.Equal([expected], TestCatalogs.Errors(() => Binder.ParseTraining(yaml)));

    [Fact]
    public void Fields_without_effect_are_told_together_with_those_of_the_plug_in() => Assert.Equal(
        ["schedule.warmup_start_factor", "schedule.gamma", "batch.noise_smoothing", "batch.min", "batch.max", "regularization.l1_mode",
            "regularization.power_exponent"],
        TestCatalogs.Errors(() => Binder.ParseTraining("schedule: { kind: cyclic, gamma: 0.5, warmup_start_factor: 0.1 }\n"
            + "batch: { kind: random, sizes: [8], min: 99, max: 9, noise_smoothing: 0 }\nregularization: { l1_mode: proximal, power_exponent: 2 }")).Select(e => e[..e.IndexOf(' ', StringComparison.Ordinal)]));

    /// <summary>They have an effect, or their defaults, as in every resolved spec.</summary>
    [Theory]
    [InlineData("schedule: { warmup_steps: 1, warmup_start_factor: 0.1 }")]
    [InlineData("schedule: { warmup_epochs: 0.5, warmup_start_factor: 0 }")]
    [InlineData("schedule: { kind: cyclic, mode: exp-range, gamma: 0.5 }")]
    [InlineData("schedule: { kind: cyclic, mode: triangular2, gamma: 1 }")]
    [InlineData("batch: { kind: noise-scale, noise_smoothing: 0.9 }")]
    [InlineData("batch: { learning_rate_scaling: adascale, noise_smoothing: 0.9 }")]
    [InlineData("batch: { kind: growing, every: 5, milestones: [3, 6] }")]
    [InlineData("batch: { kind: random, min: 16, max: 64, sizes: [3, 6] }")]
    [InlineData("regularization: { power: 0.1, power_exponent: 3 }")]
    [InlineData("regularization: { l1: 0.1, l1_mode: proximal }\noptimizer: { kind: sgd }")]
    [InlineData("averaging: { kind: swa, learning_rate: 0.1, anneal_epochs: 3, anneal_strategy: linear }")]
    public void A_field_with_an_effect_is_taken(string yaml)
    {
        var spec = Binder.ParseTraining(yaml);
        Assert.NotNull(Binder.ParseTraining(SpecWriter.Write(spec)));
    }
}
