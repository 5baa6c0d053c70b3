using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Batching;

/// <summary>Each strategy against a table of its sizes.</summary>
public sealed class BatchStrategyTests
{
    private const long Train = 1000;

    [Fact]
    public void Random_sizes_are_uniform_within_their_bounds_and_a_function_of_seed_and_step()
    {
        var strategy = new RandomBatch(new RandomBatchOptions { Min = 3, Max = 7 });
        int[] sizes = [.. Enumerable.Range(0, 5000).Select(s => Size(strategy, s, seed: 1))];

        Assert.Equal([3, 4, 5, 6, 7], sizes.Distinct().Order());
        Assert.All(sizes.CountBy(s => s), c => Assert.InRange(c.Value, 900, 1100));
        Assert.Equal(sizes.Reverse(), Enumerable.Range(0, 5000).Reverse().Select(s => Size(new RandomBatch(new() { Min = 3, Max = 7 }), s, seed: 1)));
        Assert.NotEqual(sizes, Enumerable.Range(0, 5000).Select(s => Size(strategy, s, seed: 2)));
        Assert.Equal(5, strategy.Nominal(Train));
    }

    [Fact]
    public void Random_sizes_come_from_a_list_where_there_is_one()
    {
        var strategy = new RandomBatch(new RandomBatchOptions { Sizes = [16, 64, 100] });
        int[] sizes = [.. Enumerable.Range(0, 3000).Select(s => Size(strategy, s, seed: 1))];

        Assert.Equal([16, 64, 100], sizes.Distinct().Order());
        Assert.All(sizes.CountBy(s => s), c => Assert.InRange(c.Value, 850, 1150));
        Assert.Equal(60, strategy.Nominal(Train));
    }

    [Fact]
    public void A_growing_batch_grows_every_so_many_epochs_up_to_its_bound_and_leaves_the_rest_to_the_rate()
    {
        var strategy = new GrowingBatch(new GrowingBatchOptions { Size = 10, Factor = 3, Every = 2, MaxSize = 200 });
        (int, BatchReason, double)[] expected =
        [
            (10, BatchReason.Start, 1), (10, BatchReason.Start, 1), (30, BatchReason.Growth, 1), (30, BatchReason.Growth, 1),
            (90, BatchReason.Growth, 1), (90, BatchReason.Growth, 1), (200, BatchReason.Maximum, 200 / 270.0), (200, BatchReason.Maximum, 200 / 270.0),
            (200, BatchReason.Maximum, 200 / 810.0),
        ];
        for (int epoch = 0; epoch < expected.Length; epoch++)
        {
            // until the last sample of the epoch
            foreach (long samples in new[] { epoch * Train, epoch * Train + Train - 1 })
            {
                var choice = strategy.Choose(new BatchPosition(1, 7, samples, Train), null);
                Assert.Equal(expected[epoch], (choice.Size, choice.Reason, choice.RateFactor));
            }
        }
    }

    [Theory]
    [InlineData(ScheduleUnit.Steps, 4, 10)]
    [InlineData(ScheduleUnit.Steps, 5, 15)]
    [InlineData(ScheduleUnit.Steps, 6, 15)]
    [InlineData(ScheduleUnit.Steps, 7, 22)]
    [InlineData(ScheduleUnit.Steps, 1000, 22)]
    [InlineData(ScheduleUnit.Epochs, 1000, 10)]
    public void A_growing_batch_grows_at_milestones(ScheduleUnit unit, long step, int expected)
    {
        var strategy = new GrowingBatch(new GrowingBatchOptions { Size = 10, Factor = 1.5, Milestones = [5, 7], Unit = unit, MaxSize = 999 });
        Assert.Equal(expected, strategy.Choose(new BatchPosition(1, step, 3 * Train, Train), null).Size);
    }

    [Fact]
    public void Growth_ends_at_a_tenth_of_the_data_unless_told_otherwise_and_then_the_rate_may_stay()
    {
        var choice = new GrowingBatch(new GrowingBatchOptions { DecayAtMax = false, Every = 1 }).Choose(new BatchPosition(1, 0, 999_999 * Train, Train), null);
        Assert.Equal((100, BatchReason.Maximum, 1), (choice.Size, choice.Reason, choice.RateFactor));
        choice = new GrowingBatch(new GrowingBatchOptions { Every = 1 }).Choose(new BatchPosition(1, 0, 999_999 * Train, Train), null);
        Assert.True(choice.RateFactor > 0);
    }

    [Theory]
    [InlineData(40, 100, 60, 60, BatchReason.NoiseScale)]
    [InlineData(40, 100, 1000, 80, BatchReason.ChangeBound)]
    [InlineData(80, 100, 1000, 100, BatchReason.Maximum)]
    [InlineData(40, 100, 1, 20, BatchReason.ChangeBound)]
    [InlineData(20, 100, 1, 15, BatchReason.Minimum)]
    [InlineData(40, 100, double.PositiveInfinity, 80, BatchReason.ChangeBound)]
    [InlineData(40, null, 75, 75, BatchReason.NoiseScale)]
    [InlineData(90, null, 175, 100, BatchReason.Maximum)] // a tenth of the data
    public void The_batch_follows_the_noise_scale_within_its_bounds(int size, int? most, double scale, int expected, BatchReason reason)
    {
        var strategy = new NoiseScaleBatch(new NoiseScaleBatchOptions { Size = 40, MinSize = 15, MaxSize = most, Interval = 5 });
        var state = new BatchState
        {
            Size = size,
            Reason = BatchReason.Start,
            Noise = new NoiseState().With(double.IsInfinity(scale) ? new NoiseEstimate(1, -1) : new NoiseEstimate(scale, 1), 0.9),
        };

        var choice = strategy.Choose(new BatchPosition(1, 10, 500, Train), state);

        Assert.Equal((expected, reason), (choice.Size, choice.Reason));
        // between two adjustments it stays, and so it does while nothing is known
        choice = strategy.Choose(new BatchPosition(1, 11, 500, Train), state);
        Assert.Equal((size, BatchReason.Start), (choice.Size, choice.Reason));
        choice = strategy.Choose(new BatchPosition(1, 10, 500, Train), state with { Noise = new NoiseState() });
        Assert.Equal((size, BatchReason.Start), (choice.Size, choice.Reason));
    }

    [Theory]
    [InlineData(LearningRateScaling.None, 0.1)]
    [InlineData(LearningRateScaling.Linear, 0.4)]
    [InlineData(LearningRateScaling.SquareRoot, 0.2)]
    [InlineData(LearningRateScaling.Adascale, 0.1)] // nothing is known yet
    public void The_rate_follows_the_batch(LearningRateScaling scaling, double expected)
    {
        var batch = new BatchSpec("fixed", new FixedBatchOptions { Size = 64 }) { LearningRateScaling = scaling, BaseSize = 16 };
        var planner = Planner(batch, new ConstantSchedule(), new StopSection(), train: 100);

        Assert.Equal(expected, planner.Current.LearningRate, 1e-12);
        // the last batch of an epoch has what is left
        Assert.Equal(scaling == LearningRateScaling.Linear ? 0.1 * 36 / 16 : scaling == LearningRateScaling.SquareRoot ? 0.15 : expected,
            planner.Advance().LearningRate, 1e-12);
    }

    /// <summary>A linear decay over 2 epochs of 100: what is left of the samples is left of the rate, whatever the sizes are.</summary>
    [Fact]
    public void Where_the_batch_varies_the_horizon_is_in_samples()
    {
        var batch = new BatchSpec("random", new RandomBatchOptions { Min = 5, Max = 30 });
        var planner = Planner(batch, new PolynomialSchedule(new()), new StopSection(), train: 100);
        var sizes = new List<int>();
        while (planner.Current.Stop is null)
        {
            Assert.Equal(0.1 * (1 - planner.Samples / 200.0), planner.Current.LearningRate, 1e-12);
            sizes.Add(planner.Current.BatchSize);
            planner.Advance();
        }
        Assert.Equal((200, 0.0), (planner.Samples, planner.Current.LearningRate));
        Assert.True(sizes.Distinct().Count() > 3);
    }

    [Fact]
    public void A_run_that_max_steps_ends_has_its_horizon_at_the_samples_that_it_has_had_then()
    {
        var batch = new BatchSpec("growing", new GrowingBatchOptions { Size = 10, Every = 1, Unit = ScheduleUnit.Steps, MaxSize = 1000 });
        var planner = Planner(batch, new PolynomialSchedule(new()), new StopSection { MaxSteps = 4 }, train: 1000);
        for (int step = 0; step < 4; step++)
        {
            // 10 + 20 + 40 + 80 samples in all
            Assert.Equal(0.1 * (1 - (10 * ((1 << step) - 1)) / 150.0), planner.Current.LearningRate, 1e-12);
            Assert.Equal(10 << step, planner.Current.BatchSize);
            planner.Advance();
        }
        Assert.Equal(StopReason.MaxSteps, planner.Current.Stop);
    }

    /// <summary>The first batches are the smallest: there would be 200 steps of them, but the epochs are over before.</summary>
    [Theory]
    [InlineData(160)]
    [InlineData(100_000)]
    public void A_bound_on_steps_that_does_not_end_the_run_changes_no_rate(int maxSteps)
    {
        var batch = new BatchSpec("growing", new GrowingBatchOptions { Size = 10, Every = 1, Unit = ScheduleUnit.Epochs, MaxSize = 1000 });
        double[] Rates(StopSection stop)
        {
            var planner = Planner(batch, new PolynomialSchedule(new()), stop, train: 1000);
            var rates = new List<double>();
            for (; planner.Current.Stop is null; planner.Advance()) rates.Add(planner.Current.LearningRate);
            Assert.Equal((StopReason.Epochs, 0.0), (planner.Current.Stop, planner.Current.LearningRate));
            return [.. rates];
        }
        Assert.Equal(Rates(new StopSection()), Rates(new StopSection { MaxSteps = maxSteps }));
    }

    /// <summary>Epochs are passes over the data, whatever ends the run.</summary>
    [Fact]
    public void A_schedule_in_epochs_goes_by_the_samples_also_where_max_steps_is_given()
    {
        var batch = new BatchSpec("growing", new GrowingBatchOptions { Size = 10, Every = 1, Unit = ScheduleUnit.Epochs, MaxSize = 1000 });
        var schedule = new StepSchedule(new StepScheduleOptions { StepSize = 1, Gamma = 0.5 });
        var planner = Planner(batch, schedule, new StopSection { MaxSteps = 140 }, train: 1000, epochs: 3);
        for (; planner.Current.Stop is null; planner.Advance())
            Assert.Equal(0.1 * Math.Pow(0.5, planner.Samples / 1000), planner.Current.LearningRate, 1e-12);
        Assert.Equal(StopReason.MaxSteps, planner.Current.Stop);
    }

    /// <summary>Nobody knows before which of the two ends a run whose batch follows what is measured: the schedule is at its end in either case.</summary>
    [Theory]
    [InlineData(30, 0)] // shrinks: the steps end it
    [InlineData(10_000, 0)]
    [InlineData(90, 1e9)] // grows: the epochs do
    [InlineData(5, 1e9)]
    public void Where_the_batch_follows_the_noise_the_schedule_ends_with_the_run(int maxSteps, double noise)
    {
        var batch = new BatchSpec("noise-scale", new NoiseScaleBatchOptions { Size = 16, MinSize = 4, MaxSize = 500, Interval = 2 });
        var planner = Planner(batch, new PolynomialSchedule(new()), new StopSection { MaxSteps = maxSteps }, train: 1000, shards: 1);
        double last = double.PositiveInfinity;
        for (; planner.Current.Stop is null; planner.Advance())
        {
            Assert.InRange(planner.Current.LearningRate, 0, last);
            last = planner.Current.LearningRate;
            int size = planner.Current.BatchSize;
            // of two gradients in a row: what they share is 1, and each has its noise
            planner.Observe(new MetricSums(), size, new NoiseSums(0, 1 + noise / size, 1));
        }
        Assert.Equal(0, planner.Current.LearningRate, 1e-12);
    }

    [Fact]
    public void The_whole_training_part_is_one_step_an_epoch()
    {
        var planner = Planner(new BatchSpec("full", new FullBatchOptions()), new ConstantSchedule(), new StopSection(), train: 77);

        Assert.Equal((77, 0, 2), (planner.Current.BatchSize, planner.Current.Epoch, planner.TotalSteps));
        Assert.Equal((77, 1), (planner.Advance().BatchSize, planner.Current.Epoch));
        Assert.Equal(StopReason.Epochs, planner.Advance().Stop);
    }

    private static int Size(IBatchStrategy strategy, long step, long seed) => strategy.Choose(new BatchPosition(seed, step, 0, Train), null).Size;

    private static StepPlanner Planner(BatchSpec batch, ILearningRateSchedule schedule, StopSection stop, int train, int epochs = 2, int shards = 4)
    {
        var spec = new TrainingSpec { Batch = batch, Training = new TrainingSection { Epochs = epochs, GradientShards = shards }, Stop = stop };
        return new StepPlanner(spec, schedule, 0.1, BatchPlanner.Of(spec, train), new DataCounts(train, 0, 0));
    }
}
