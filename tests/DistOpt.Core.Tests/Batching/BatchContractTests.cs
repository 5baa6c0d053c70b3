using System.ComponentModel;
using System.Reflection;
using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Randomness;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Tests.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Batching;

/// <summary>What every strategy of the catalogue is held to, with every scaling of the learning rate, with one gradient shard and with several.</summary>
public sealed class BatchContractTests
{
    private const int Train = 203, Epochs = 4;

    /// <summary>Options by which a strategy shows in so small a run what it does; others have their defaults.</summary>
    private static readonly Dictionary<string, object> Small = new()
    {
        ["random"] = new RandomBatchOptions { Min = 3, Max = 30 },
        ["growing"] = new GrowingBatchOptions { Size = 7, Factor = 1.5, Every = 1, MaxSize = 20 },
        ["noise-scale"] = new NoiseScaleBatchOptions { Size = 10, MinSize = 4, MaxSize = 60, Interval = 3 },
    };

    public static TheoryData<string> All => [.. BatchCatalog.Default.Entries.Select(e => e.Name)];

    public static TheoryData<string, LearningRateScaling, int, NoiseNorm> Everything =>
        [.. from entry in BatchCatalog.Default.Entries
            from scaling in Enum.GetValues<LearningRateScaling>()
            from shards in new[] { 1, 4 }
            from norm in new[] { NoiseNorm.Plain, NoiseNorm.Preconditioned }
            select (entry.Name, scaling, shards, norm)];

    [Theory, MemberData(nameof(Everything))]
    public void Every_sample_is_visited_once_an_epoch(string name, LearningRateScaling scaling, int shards, NoiseNorm norm)
    {
        var plans = Plans(Spec(name, scaling, shards, norm), (planner, _) => planner);
        int lastEpoch = plans[^1].Epoch;
        for (int epoch = 0; epoch <= lastEpoch; epoch++)
        {
            long next = 0;
            foreach (var plan in plans.Where(p => p.Epoch == epoch))
            {
                Assert.Equal(next, plan.BatchStart);
                Assert.InRange(plan.BatchSize, 1, Train - (int)next);
                next += plan.BatchSize;
            }
            if (epoch < lastEpoch) Assert.Equal(Train, next);
        }
        Assert.All(plans, p => Assert.True(double.IsFinite(p.LearningRate) && p.LearningRate >= 0));
        if (scaling != LearningRateScaling.Adascale) Assert.Equal(Epochs - 1, lastEpoch);
    }

    /// <summary>A restart at every step, before and after every evaluation.</summary>
    [Theory, MemberData(nameof(Everything))]
    public void A_planner_that_is_restored_anywhere_goes_on_with_the_same_plans(string name, LearningRateScaling scaling, int shards, NoiseNorm norm)
    {
        var spec = Spec(name, scaling, shards, norm);
        var straight = Plans(spec, (planner, _) => planner);
        int moments = 0;
        var restored = Plans(spec, (planner, make) =>
        {
            moments++;
            var other = make();
            other.Restore(planner.Save());
            Assert.Equal(planner.Current with { Checkpoint = false }, other.Current with { Checkpoint = false });
            Assert.Equal(planner.Save() with { SinceRow = new() }, other.Save() with { SinceRow = new() }, StateComparer.Instance);
            if (planner.Current.Step > 0) Assert.Equal(planner.Before(), other.Before());
            return other;
        });
        Assert.True(moments > straight.Count);
        Assert.Equal(straight, restored);
    }

    [Theory, MemberData(nameof(Everything))]
    public void The_plan_before_is_the_one_that_was_applied(string name, LearningRateScaling scaling, int shards, NoiseNorm norm)
    {
        StepPlan? applied = null;
        var told = new List<StepPlan>();
        var plans = Plans(Spec(name, scaling, shards, norm), (planner, _) =>
        {
            if (applied is not null && planner.Current.Step == applied.Step + 1) told.Add(planner.Before());
            if (!planner.Current.Evaluate) applied = planner.Current;
            return planner;
        });
        Assert.True(told.Count >= plans.Count - 1);
        foreach (var before in told)
        {
            var plan = plans[(int)before.Step];
            Assert.Equal((plan.Epoch, plan.BatchStart, plan.BatchSize, plan.LearningRate),
                (before.Epoch, before.BatchStart, before.BatchSize, before.LearningRate));
        }
    }

    [Theory, MemberData(nameof(All))]
    public void A_size_is_at_least_one_and_a_batch_at_most_the_training_part(string name)
    {
        foreach (int train in new[] { 1, 2, 31, 1000 })
        {
            var spec = Spec(name, LearningRateScaling.None, 4, defaults: true);
            var batches = BatchPlanner.Of(spec, train);
            Assert.InRange(batches.Nominal, 1, train);
            var planner = new StepPlanner(spec, new ConstantSchedule(), 0.1, batches, new DataCounts(train, 0, 0));
            while (planner.Current.Stop is null)
            {
                Assert.InRange(planner.Current.BatchSize, 1, train);
                planner.Advance();
            }
            Assert.Equal((long)train * Epochs, planner.Samples);
        }
    }

    [Theory, MemberData(nameof(All))]
    public void What_is_foreseen_is_what_comes_where_the_strategy_says_so(string name)
    {
        var spec = Spec(name, LearningRateScaling.None, 4);
        var batches = BatchPlanner.Of(spec, Train);
        long samples = 0;
        int foreseen = 0;
        var plans = Plans(spec, (planner, _) => planner);
        foreach (var plan in plans)
        {
            if (batches.Foresee(plan.Step, samples, 1) == plan.BatchSize) foreseen++;
            samples += plan.BatchSize;
        }
        Assert.True(spec.Batch.Options is IMeasuresNoise || foreseen == plans.Count, $"{foreseen} of {plans.Count}");
    }

    [Fact]
    public void The_tests_above_see_batches_that_vary()
    {
        foreach (var entry in BatchCatalog.Default.Entries)
        {
            var spec = Spec(entry.Name, LearningRateScaling.None, 4);
            var sizes = Plans(spec, (planner, _) => planner).Select(p => p.BatchSize).Distinct().ToList();
            if (BatchPlanner.Of(spec, Train).Varies) Assert.True(sizes.Count >= 5, $"{entry.Name}: {string.Join(" ", sizes)}");
        }
        var gains = new HashSet<double>();
        Plans(Spec("fixed", LearningRateScaling.Adascale, 4), (planner, _) =>
        {
            if (planner.Told?.Gain is { } gain) gains.Add(gain);
            return planner;
        });
        Assert.True(gains.Count > 10 && gains.Max() > 1.5);
    }

    [Fact]
    public void Every_options_record_has_valid_defaults_and_described_fields() => Assert.All(BatchCatalog.Default.Entries, entry =>
    {
        Assert.IsType(entry.OptionsType, TestCatalogs.Binder.Default([$"batch={entry.Name}"]).Batch.Options);
        Assert.All(entry.OptionsType.GetProperties(BindingFlags.Public | BindingFlags.Instance),
            p => Assert.NotNull(p.GetCustomAttribute<DescriptionAttribute>()));
    });

    private static TrainingSpec Spec(string name, LearningRateScaling scaling, int shards, NoiseNorm norm = NoiseNorm.Auto, bool defaults = false)
    {
        var entry = BatchCatalog.Default.Entries.Single(e => e.Name == name);
        object options = !defaults && Small.TryGetValue(name, out object? small) ? small : Activator.CreateInstance(entry.OptionsType)!;
        return new TrainingSpec
        {
            Batch = new BatchSpec(name, options)
            {
                LearningRateScaling = scaling,
                BaseSize = scaling == LearningRateScaling.None ? null : 10,
                NoiseSmoothing = 0.8,
                NoiseNorm = norm,
            },
            Training = new TrainingSection { Epochs = Epochs, GradientShards = shards },
            Evaluate = new EvaluateSection { EverySteps = 5 },
        };
    }

    /// <summary>Plans of all steps of a run whose measured noise is made up, a function of the step.</summary>
    private static List<StepPlan> Plans(TrainingSpec spec, Func<StepPlanner, Func<StepPlanner>, StepPlanner> interrupt)
    {
        var plans = new List<StepPlan>();
        var planner = Make();
        while (planner.Current.Stop is null || planner.Current.Evaluate)
        {
            planner = interrupt(planner, Make);
            if (planner.Current.Evaluate)
            {
                var sums = new MetricSums();
                sums.Add(MetricSums.Loss, 1, 1);
                planner.Evaluated(sums);
                continue;
            }
            plans.Add(planner.Current with { Evaluate = false, Keep = false, Stop = null });
            Observe(planner, spec.Training.GradientShards!.Value, spec.Batch.NoiseNorm);
            planner.Advance();
            Assert.True(plans.Count < 2000);
        }
        return plans;

        StepPlanner Make() => new(spec, new CosineSchedule(new()), 0.1, BatchPlanner.Of(spec, Train), new DataCounts(Train, 5, 0));
    }

    /// <summary>Gradients of 20 gaussian numbers around 0.3 with deviation 1 a sample.</summary>
    private static void Observe(StepPlanner planner, int shards, NoiseNorm norm)
    {
        var plan = planner.Current;
        bool measures = shards > 1 && planner.MeasuresNoise;
        Assert.Equal(measures && norm != NoiseNorm.Preconditioned, plan.MeasuresLeaves);
        Assert.Equal(measures && norm == NoiseNorm.Preconditioned && plan.Step >= 5, plan.PushesLeaves);
        var metrics = new MetricSums();
        metrics.Add(MetricSums.Loss, plan.BatchSize, plan.BatchSize);
        float[] total = new float[20];
        double leaves = 0;
        for (int i = 0; i < shards; i++)
        {
            var part = GradientShards.Part(plan.BatchSize, shards, i);
            float[] leaf = Gradient(plan.Step, i, (int)part.Length);
            if (plan.MeasuresLeaves) LeafNorms.Measure(metrics, leaf, part.Length);
            if (plan.PushesLeaves) LeafNorms.Count(metrics, part.Length);
            if (part.Length > 0) leaves += leaf.Sum(x => (double)x * x) / (part.Length * part.Length);
            for (int d = 0; d < 20; d++) total[d] += leaf[d];
        }
        double weight = plan.BatchSize, squares = total.Sum(x => (double)x * x) / (weight * weight);
        planner.Observe(metrics, weight, new NoiseSums(squares, squares, squares / 2) { Leaves = leaves, Previous = squares * 0.9 });
    }

    private static float[] Gradient(long step, int shard, int samples)
    {
        var random = new CounterRandom(9, RandomPurpose.Data, step, shard);
        float[] sum = new float[20];
        for (int i = 0; i < samples * 20; i++) sum[i % 20] += (float)(0.3 + random.NextGaussian());
        return sum;
    }

    /// <summary>Equality of all but the metric sums, which have none by value.</summary>
    private sealed class StateComparer : IEqualityComparer<TrainingState>
    {
        public static readonly StateComparer Instance = new();

        public bool Equals(TrainingState? x, TrainingState? y) => x! with { SinceRow = y!.SinceRow } == y;

        public int GetHashCode(TrainingState obj) => obj.Step.GetHashCode();
    }
}
