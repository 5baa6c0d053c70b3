using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Batching;

public sealed class AdaScaleTests
{
    /// <summary>sigma^2 = trace / base, mu^2: (sigma^2 + mu^2) / (sigma^2 / S + mu^2).</summary>
    [Theory]
    [InlineData(32, 1, 32, 128, 1.6)] // (1 + 1) / (1/4 + 1)
    [InlineData(96, 1, 32, 128, 16 / 7.0)] // (3 + 1) / (3/4 + 1)
    [InlineData(32, 1, 32, 32, 1)]
    [InlineData(32, 1, 32, 16, 2 / 3.0)] // (1 + 1) / (2 + 1)
    [InlineData(32, 0, 32, 128, 4)] // nothing but noise: as linear scaling
    [InlineData(0, 1, 32, 128, 1)] // no noise: a larger batch is worth nothing
    [InlineData(-5, 1, 32, 128, 1)]
    [InlineData(32, -1, 32, 128, 4)]
    [InlineData(0, 0, 32, 128, 1)]
    [InlineData(0, 0, 32, 16, 0.5)]
    public void The_gain_is_that_of_the_paper(double trace, double squared, double baseSize, double size, double expected) =>
        Assert.Equal(expected, AdaScale.Gain(new NoiseEstimate(trace, squared), baseSize, size), 1e-12);

    [Theory]
    [InlineData("sgd", 1.6)]
    [InlineData("nesterov", 1.6)]
    [InlineData("lars", 1.6)]
    [InlineData("adam", 1.264911064067352)]
    [InlineData("lion", 1.264911064067352)]
    [InlineData("adafactor", 1.264911064067352)]
    public void Adams_relatives_take_the_root_of_the_gain(string optimizer, double expected)
    {
        var entry = OptimizerCatalog.Default.Entries.Single(e => e.Name == optimizer);
        var spec = Spec(baseSize: 32, epochs: 1) with { Optimizer = new OptimizerSpec(optimizer, Activator.CreateInstance(entry.OptionsType)!) };
        var batch = new BatchSpec("fixed", new FixedBatchOptions { Size = 128 }) { BaseSize = 32, LearningRateScaling = LearningRateScaling.Adascale };
        spec = spec with { Batch = batch };
        var planner = BatchPlanner.Of(spec, 1000);
        var state = planner.Begin() with { Noise = new NoiseState().With(new NoiseEstimate(32, 1), 0.5) };
        Assert.Equal(expected, planner.RateFactor(state, 128), 1e-12);
    }

    [Fact]
    public void Before_anything_is_known_the_gain_is_cautious()
    {
        Assert.Equal(1, AdaScale.Gain(null, 32, 128));
        Assert.Equal(0.25, AdaScale.Gain(null, 32, 8));
    }

    /// <summary>A constant gain of 1.6 a step: base batches of 32 in 10 epochs of 128 are 40 iterations, in 25 steps instead of 10.</summary>
    [Fact]
    public void The_run_ends_and_the_schedule_falls_by_the_sum_of_the_gains()
    {
        var spec = Spec(baseSize: 32, epochs: 10);
        var planner = Planner(spec, size: 128, train: 128, new PolynomialSchedule(new()), rate: 0.1);
        var noise = new NoiseState().With(new NoiseEstimate(32, 1), 0.5);
        planner.Restore(planner.Save() with { Batch = planner.Save().Batch! with { Noise = noise } });
        for (int step = 0; step < 25; step++)
        {
            Assert.Null(planner.Current.Stop);
            Assert.Equal(1.6 * step, planner.Progress, 1e-9);
            Assert.Equal(0.1 * (1 - 1.6 * step / 40) * 1.6, planner.Current.LearningRate, 1e-12);
            planner.Advance();
        }

        Assert.Equal((25, 25, StopReason.Epochs), (planner.Current.Step, planner.Current.Epoch, planner.Current.Stop));
        Assert.Equal(1.6, planner.Told!.Gain!.Value, 1e-12);
    }

    /// <summary>With the base batch itself every gain is 1, and schedule and length are those of the run without AdaScale.</summary>
    [Fact]
    public void The_base_batch_trains_as_without_it()
    {
        var scaled = Planner(Spec(baseSize: 32, epochs: 5), size: 32, train: 128, new CosineSchedule(new()), rate: 0.1);
        var plain = Planner(Spec(null, epochs: 5), size: 32, train: 128, new CosineSchedule(new()), rate: 0.1);
        while (plain.Current.Stop is null)
        {
            Assert.Equal(plain.Current.LearningRate, scaled.Current.LearningRate, 1e-15);
            plain.Advance();
            scaled.Advance();
        }
        Assert.Equal((20, plain.Current.Stop), (scaled.Current.Step, scaled.Current.Stop));
    }

    private static TrainingSpec Spec(int? baseSize, int epochs) => new()
    {
        Batch = new BatchSpec { LearningRateScaling = baseSize is null ? LearningRateScaling.None : LearningRateScaling.Adascale, BaseSize = baseSize },
        Training = new TrainingSection { Epochs = epochs, GradientShards = 1 },
    };

    private static StepPlanner Planner(TrainingSpec spec, int size, int train, ILearningRateSchedule schedule, double rate)
    {
        var batches = new BatchPlanner(new FixedBatch(new FixedBatchOptions { Size = size }), spec.Batch, BatchPlanner.SourceOf(spec), 1, train);
        return new StepPlanner(spec, schedule, rate, batches, new DataCounts(train, 0, 0));
    }
}
