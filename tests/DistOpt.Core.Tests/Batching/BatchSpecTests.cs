using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Tests.Specs;

namespace DistOpt.Core.Tests.Batching;

/// <summary>Batches as they stand in a spec.</summary>
public sealed class BatchSpecTests
{
    private static readonly SpecBinder Binder = new(TestCatalogs.All with { Optimizers = OptimizerCatalog.Default, Schedules = ScheduleCatalog.Default });

    [Theory]
    [InlineData("{ size: 0 }", "batch.size: is 0, but must be at least 1")]
    [InlineData("{ kind: random, min: 65 }", "batch.min: is 65, but must be at most 64, the max; lower it or raise max")]
    [InlineData("{ kind: random, sizes: [16, 0] }", "batch.sizes[1]: is 0, but must be at least 1")]
    [InlineData("{ kind: growing, factor: 1 }", "batch.factor: is 1, but must be above 1 and at most 1000")]
    [InlineData("{ kind: growing, milestones: [5, 5] }", "batch.milestones: is [5, 5], but must ascend")]
    [InlineData("{ kind: growing, max_size: 31 }", "batch.max_size: is 31, but must be at least 32, the size that it begins with; raise it")]
    [InlineData("{ kind: noise-scale, max_size: 31 }", "batch.max_size: is 31, but must be at least 32, the size that it begins with; raise it")]
    [InlineData("{ kind: noise-scale, min_size: 33 }", "batch.min_size: is 33, but must be at most 32, the size that it begins with; lower it")]
    [InlineData("{ kind: noise-scale, max_change: 0.5 }", "batch.max_change: is 0.5, but must be above 1 and at most 1000")]
    [InlineData("{ kind: noise-scale, interval: 0 }", "batch.interval: is 0, but must be at least 1")]
    [InlineData("{ noise_smoothing: 1 }", "batch.noise_smoothing: is 1, but must be at least 0 and below 1")]
    [InlineData("{ noise_norm: plain }",
        "batch.noise_norm: is plain, but nothing here follows the noise; set kind to noise-scale or learning_rate_scaling to adascale, "
        + "or leave noise_norm away")]
    [InlineData("{ noise_norm: adam }", "batch.noise_norm: is 'adam', but must be one of auto, plain, preconditioned")]
    [InlineData("{ base_size: 16 }",
        "batch.base_size: is 16, but learning_rate_scaling is none; set linear, square-root or adascale, or leave base_size away")]
    [InlineData("{ learning_rate_scaling: sqrt }",
        "batch.learning_rate_scaling: is 'sqrt', but must be one of none, linear, square-root, adascale")]
    public void What_cannot_be_meant_is_one_clear_line(string batch, string expected)
    {
        var error = Assert.Throws<SpecException>(() => Binder.ParseTraining($"batch: {batch}"));
        Assert.Equal(expected, Assert.Single(error.Violations) is var v ? $"{v.Path}: {v.Message}" : null);
    }

    [Fact]
    public void An_unknown_strategy_is_told_with_those_that_exist()
    {
        var error = Assert.Throws<SpecException>(() => Binder.Default(["batch=ranom"]));
        Assert.Contains("Available: fixed, full, random, growing, noise-scale", Assert.Single(error.Violations).Message);
    }

    [Theory]
    [InlineData("optimizer: gd")]
    [InlineData("optimizer: { kind: gd, learning_rate: 0.5 }\nbatch:")]
    [InlineData("optimizer: gd\nbatch: full")]
    [InlineData("optimizer: gd\nbatch: { learning_rate_scaling: linear, base_size: 16 }")]
    public void Gradient_descent_takes_the_whole_training_part_unasked(string yaml)
    {
        var spec = Binder.ParseTraining(yaml);
        Assert.Equal("full", spec.Batch.Kind);
        Assert.IsType<FullBatchOptions>(spec.Batch.Options);
    }

    [Fact]
    public void Gradient_descent_takes_the_whole_training_part_unasked_in_code_and_by_settings()
    {
        Assert.Equal("full", Binder.Check(new TrainingSpec { Optimizer = new OptimizerSpec("gd") }).Batch.Kind);
        Assert.Equal("full", Binder.Default(["optimizer=gd"]).Batch.Kind);
        Assert.Equal("fixed", Binder.Default(["optimizer=sgd"]).Batch.Kind);
        var again = Binder.ParseTraining(SpecWriter.Write(Binder.Default(["optimizer=gd"])));
        Assert.Equal("full", again.Batch.Kind);
    }

    [Theory]
    [InlineData("fixed")]
    [InlineData("random")]
    [InlineData("growing")]
    [InlineData("noise-scale")]
    public void Gradient_descent_with_another_batch_is_refused(string batch)
    {
        var error = Assert.Throws<SpecException>(() => Binder.Default(["optimizer=gd", $"batch={batch}"]));
        Assert.Equal(("batch.kind", $"is '{batch}', but optimizer 'gd' takes the whole training part in every step; "
            + "leave 'batch' away or set it to full, or use optimizer sgd"), Assert.Single(error.Violations) is var v ? (v.Path, v.Message) : default);
    }

    [Fact]
    public void Every_strategy_has_the_scaling_of_the_rate_and_a_listing_shows_it()
    {
        foreach (var entry in BatchCatalog.Default.Entries)
        {
            var spec = Binder.Default([$"batch={entry.Name}", "batch.learning_rate_scaling=square-root", "batch.base_size=16"]);
            Assert.Equal((LearningRateScaling.SquareRoot, 16), (spec.Batch.LearningRateScaling, spec.Batch.BaseSize));
        }
        var listing = CatalogListing.Find(Binder.Catalogs, "batches");
        Assert.Equal(["learning_rate_scaling", "base_size", "noise_smoothing", "noise_norm"], listing.CommonFields.Select(f => f.Name));
    }

    /// <summary>By what the options say, not by names: what divides by a mean of squares for every parameter is measured so.</summary>
    [Theory]
    [InlineData("adam", "auto", NoiseSource.PreconditionedLeaves)]
    [InlineData("adamw", "preconditioned", NoiseSource.PreconditionedLeaves)]
    [InlineData("adam", "plain", NoiseSource.Leaves)]
    [InlineData("nadam", "auto", NoiseSource.PreconditionedLeaves)]
    [InlineData("radam", "auto", NoiseSource.PreconditionedLeaves)]
    [InlineData("lamb", "auto", NoiseSource.PreconditionedLeaves)]
    [InlineData("rmsprop", "auto", NoiseSource.PreconditionedLeaves)]
    [InlineData("adagrad", "auto", NoiseSource.PreconditionedLeaves)]
    [InlineData("adadelta", "auto", NoiseSource.PreconditionedLeaves)]
    [InlineData("sgd", "auto", NoiseSource.Leaves)]
    [InlineData("lion", "auto", NoiseSource.Leaves)]
    [InlineData("adafactor", "auto", NoiseSource.Leaves)]
    [InlineData("muon", "auto", NoiseSource.Leaves)]
    public void The_norm_is_that_of_the_optimizers_mean_squares_where_it_has_them(string optimizer, string norm, NoiseSource expected)
    {
        var spec = Binder.Default([$"optimizer={optimizer}", "batch=noise-scale", $"batch.noise_norm={norm}", "training.gradient_shards=4"]);
        Assert.Equal(expected, BatchPlanner.SourceOf(spec));
        var one = spec with { Training = spec.Training with { Workers = 1, GradientShards = 1 } };
        Assert.Equal(expected == NoiseSource.Leaves ? NoiseSource.Consecutive : NoiseSource.PreconditionedConsecutive, BatchPlanner.SourceOf(one));
    }

    /// <summary>Each is a frame to each server, and a node's queue has an end.</summary>
    [Fact]
    public void More_gradient_shards_than_can_be_pushed_one_by_one_are_refused()
    {
        string[] many = ["optimizer=adam", "batch=noise-scale", "training.gradient_shards=1025", "training.servers=2"];
        var error = Assert.Throws<SpecException>(() => Binder.Default(many));
        Assert.Contains("batch.noise_norm: is auto, by which every gradient shard is pushed to every server by itself, but these are 2050 frames a step, and must be "
            + "at most 2048; lower training.gradient_shards, or set it to plain", error.Message, StringComparison.Ordinal);
        Binder.Default([.. many, "batch.noise_norm=plain"]);
        Binder.Default([.. many[..^2], "training.gradient_shards=1024", many[^1]]);
    }

    [Theory]
    [InlineData("sgd")]
    [InlineData("lion")]
    [InlineData("adafactor")]
    public void A_preconditioned_norm_without_mean_squares_is_refused(string optimizer)
    {
        var error = Assert.Throws<SpecException>(() => Binder.Default([$"optimizer={optimizer}", "batch=noise-scale", "batch.noise_norm=preconditioned"]));
        Assert.Equal(("batch.noise_norm", $"is preconditioned, but optimizer '{optimizer}' keeps no mean of squared gradients for every parameter that they "
            + "could be divided by; set it to auto or plain, or use an optimizer such as adam"),
            Assert.Single(error.Violations) is var v ? (v.Path, v.Message) : default);
    }

    [Fact]
    public void The_norm_is_part_of_the_specs_identity() => Assert.Equal(3, new[] { "auto", "plain", "preconditioned" }
        .Select(norm => SpecIdentity.Hash(Binder.Default(["optimizer=adam", "batch=noise-scale", $"batch.noise_norm={norm}"]))).Distinct().Count());

    [Theory]
    [InlineData("fixed", LearningRateScaling.None, 4, NoiseSource.None)]
    [InlineData("growing", LearningRateScaling.SquareRoot, 1, NoiseSource.None)]
    [InlineData("fixed", LearningRateScaling.Adascale, 4, NoiseSource.PreconditionedLeaves)]
    [InlineData("random", LearningRateScaling.Adascale, 1, NoiseSource.PreconditionedConsecutive)]
    [InlineData("noise-scale", LearningRateScaling.None, 2, NoiseSource.PreconditionedLeaves)]
    [InlineData("noise-scale", LearningRateScaling.None, 1, NoiseSource.PreconditionedConsecutive)]
    public void Noise_is_measured_where_somebody_needs_it(string batch, LearningRateScaling scaling, int shards, NoiseSource expected)
    {
        var spec = Binder.Default([$"batch={batch}", $"training.gradient_shards={shards}", "training.workers=1"]);
        Assert.Equal(expected, BatchPlanner.SourceOf(spec with { Batch = spec.Batch with { LearningRateScaling = scaling } }));
    }
}
