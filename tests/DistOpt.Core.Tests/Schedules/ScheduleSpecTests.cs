using DistOpt.Core.Optimizers;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Tests.Specs;

namespace DistOpt.Core.Tests.Schedules;

/// <summary>Schedules as they stand in a spec.</summary>
public sealed class ScheduleSpecTests
{
    private static readonly SpecBinder Binder = new(TestCatalogs.All with { Optimizers = OptimizerCatalog.Default, Schedules = ScheduleCatalog.Default });

    [Theory]
    [InlineData("{ kind: cosine, total_steps: 100, warmup_steps: 100 }", "schedule.warmup_steps: is 100, but must be below 100, the total_steps, which begin with the warm-up")]
    [InlineData("{ kind: cosine, warmup_steps: 10, warmup_epochs: 1 }", "schedule.warmup_epochs: is set, and so is warmup_steps; leave one of them out")]
    [InlineData("{ kind: multi-step, milestones: [3, 3] }", "schedule.milestones: is [3, 3], but must ascend")]
    [InlineData("{ kind: multi-step, milestones: [] }", "schedule.milestones: has 0 values, but must have at least 1")]
    [InlineData("{ kind: one-cycle, three_phase: true, pct_start: 0.6 }", "schedule.pct_start: is 0.6, but must be at most 0.5 with three_phase: the fall is as long as the rise")]
    [InlineData("{ kind: cyclic, max_learning_rate: 0.0001 }", "schedule.max_learning_rate: is 0.0001, but must be at least 0.001, the optimizer's learning_rate, from which it rises")]
    [InlineData("{ kind: cosine, eta_min: 0.1 }", "schedule.eta_min: is 0.1, but must be at most 0.001, the optimizer's learning_rate, from which it falls")]
    [InlineData("{ kind: cosine-restarts, eta_min: 0.1 }", "schedule.eta_min: is 0.1, but must be at most 0.001, the optimizer's learning_rate, from which it falls")]
    [InlineData("{ kind: polynomial, end_learning_rate: 1 }",
        "schedule.end_learning_rate: is 1, but must be at most 0.001, the optimizer's learning_rate, from which it falls")]
    [InlineData("{ kind: reduce-on-plateau, min_learning_rate: 0.01 }",
        "schedule.min_learning_rate: is 0.01, but must be at most 0.001, the optimizer's learning_rate, from which it falls")]
    [InlineData("{ kind: reduce-on-plateau, threshold: 1 }", "schedule.threshold: is 1, but must be below 1 with threshold_mode rel where the metric is minimized: "
        + "nothing is better than the best value by all of it")]
    [InlineData("{ kind: reduce-on-plateau, metric: train.loss }", "schedule.metric: is 'train.loss', but must be validation.name, such as validation.loss: evaluations decide")]
    [InlineData("{ kind: reduce-on-plateau, metric: validation.taste }", "schedule.direction: is null, but the name 'validation.taste' does not tell it; set minimize or maximize")]
    [InlineData("{ kind: cosine-restarts, t_0: 0 }", "schedule.t_0: is 0, but must be at least 1")]
    public void What_cannot_be_meant_is_one_clear_line(string schedule, string expected)
    {
        var error = Assert.Throws<SpecException>(() => Binder.ParseTraining($"schedule: {schedule}"));
        Assert.Equal(expected, Assert.Single(error.Violations) is var v ? $"{v.Path}: {v.Message}" : null);
    }

    [Theory]
    [InlineData("data.validation_fraction=0", "data.validation_fraction is 0")]
    [InlineData("evaluate.every_epochs=null", "evaluate.every_epochs and every_steps are null")]
    public void A_plateau_without_evaluations_is_refused(string setting, string expected)
    {
        var error = Assert.Throws<SpecException>(() => Binder.Default(["schedule=reduce-on-plateau", "select.metric=train.loss", setting]));
        Assert.Contains(expected, Assert.Single(error.Violations).Message);
    }

    [Fact]
    public void A_plateau_may_follow_the_folds_in_place_of_a_validation_part() =>
        Assert.Equal(5, Binder.Default(["schedule=reduce-on-plateau", "data.validation_fraction=0", "data.folds=5"]).Data.Folds);

    [Fact]
    public void Every_schedule_but_the_constant_one_names_its_source() =>
        Assert.All(ScheduleCatalog.Default.Entries.Skip(1), e => Assert.False(string.IsNullOrEmpty(e.Source), e.Name));

    [Fact]
    public void Every_schedule_has_the_warm_up_and_a_listing_shows_it()
    {
        foreach (var entry in ScheduleCatalog.Default.Entries)
            Assert.Equal(3, Binder.Default([$"schedule={entry.Name}", "schedule.warmup_steps=3"]).Schedule.WarmupSteps);
        var listing = CatalogListing.Find(Binder.Catalogs, "schedules");
        Assert.Equal(["warmup_steps", "warmup_epochs", "warmup_start_factor"], listing.CommonFields.Select(f => f.Name));
    }
}
