using DistOpt.Core.Averaging;
using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;
using DistOpt.Core.Randomness;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Averaging;

/// <summary>Averages of recorded weights against their closed forms, when weights enter, and what an average stands for.</summary>
public sealed class AveragingTests
{
    private const int Count = 3000, Train = 45, Batch = 10, StepsPerEpoch = 5, Epochs = 8;

    public static TheoryData<string> All => [.. AveragingCatalog.Default.Entries.Select(e => e.Name)];

    /// <summary>a = (1 - d) sum over n >= 1 of d^(N - n) w_n + d^N w_0, for weights 0 to N that entered.</summary>
    [Theory]
    [InlineData(0.9, 0, 1)]
    [InlineData(0.3, 7, 1)]
    [InlineData(0.999, 4, 3)]
    [InlineData(0, 2, 5)]
    public void The_exponential_average_has_its_closed_form(double decay, long start, long every)
    {
        var (history, average) = Run(Spec("ema", new ExponentialAverageOptions { Decay = decay, StartStep = start, EverySteps = every }));
        var entered = Entered(history, start, every);
        for (int i = 0; i < Count; i += 17)
        {
            double expected = Math.Pow(decay, entered.Count - 1) * entered[0][i];
            for (int n = 1; n < entered.Count; n++) expected += (1 - decay) * Math.Pow(decay, entered.Count - 1 - n) * entered[n][i];
            Assert.Equal(expected, average[i], 1e-6);
        }
    }

    [Fact]
    public void With_a_warm_up_the_exponential_average_forgets_its_first_weights_faster()
    {
        var (history, average) = Run(Spec("ema", new ExponentialAverageOptions { Decay = 0.7, Warmup = true }));
        double expected = history[1][0];
        for (int n = 1; n < history.Count - 1; n++)
        {
            double decay = Math.Min(0.7, (1.0 + n) / (10 + n));
            expected = decay * expected + (1 - decay) * history[n + 1][0];
        }
        Assert.Equal(expected, average[0], 1e-6);
    }

    [Theory]
    [InlineData(null, 3, null)]
    [InlineData(8L, null, 4L)]
    [InlineData(null, null, null)]
    [InlineData(null, null, 1L)]
    public void The_stochastic_average_is_the_mean_of_what_entered(long? startStep, int? startEpoch, long? every)
    {
        var (history, average) = Run(Spec("swa", new StochasticAverageOptions { StartStep = startStep, StartEpoch = startEpoch, EverySteps = every }));
        // three quarters of eight epochs, and the ends of epochs, are the defaults
        var entered = Entered(history, startStep ?? (startEpoch ?? 6) * StepsPerEpoch, every ?? StepsPerEpoch);
        Assert.True(entered.Count > 1);
        for (int i = 0; i < Count; i += 17) Assert.Equal(entered.Average(w => (double)w[i]), average[i], 1e-6);
    }

    /// <summary>SWALR as torch has it: each epoch's rate from that of the epoch before.</summary>
    [Theory]
    [InlineData(4, AnnealStrategy.Cos)]
    [InlineData(3, AnnealStrategy.Linear)]
    [InlineData(0, AnnealStrategy.Cos)]
    [InlineData(100, AnnealStrategy.Linear)]
    public void The_rate_goes_to_that_of_averaging_as_with_torchs_SWALR(int annealEpochs, AnnealStrategy strategy)
    {
        const double swa = 0.05;
        const int start = 2;
        var spec = Spec("swa", new StochasticAverageOptions
        {
            StartEpoch = start,
            LearningRate = swa,
            AnnealEpochs = annealEpochs,
            AnnealStrategy = strategy,
        });
        var planner = Planner(spec, new ExponentialSchedule(new ExponentialScheduleOptions { Gamma = 0.9 }), 0.1);
        var rates = new List<double>();
        while (planner.Current.Stop is null)
        {
            if (planner.Current.Step % StepsPerEpoch == 0) rates.Add(planner.Current.LearningRate);
            Assert.Equal(rates[^1], planner.Current.LearningRate);
            planner.Advance();
        }
        double rate = 0.1;
        for (int epoch = 0; epoch < Epochs; epoch++)
        {
            if (epoch is > 0 and <= start) rate *= 0.9;
            // with no epochs to anneal in it is there at once
            if (epoch > start || (epoch == start && annealEpochs == 0)) rate = Next(rate, epoch - start);
            Assert.Equal(rate, rates[epoch], 1e-12);
        }

        double Next(double before, int step)
        {
            if (annealEpochs == 0) step = Math.Max(1, step);
            double previous = Alpha((step - 1) / Math.Max(1.0, annealEpochs)), alpha = Alpha(step / Math.Max(1.0, annealEpochs));
            double initial = previous == 1 ? swa : (before - previous * swa) / (1 - previous);
            return swa * alpha + initial * (1 - alpha);
        }

        double Alpha(double t)
        {
            t = Math.Clamp(t, 0, 1);
            return strategy == AnnealStrategy.Linear ? t : (1 - Math.Cos(Math.PI * t)) / 2;
        }
    }

    [Fact]
    public void Without_a_rate_of_its_own_averaging_leaves_that_of_the_schedule()
    {
        double[] plain = Rates("none", new NoAveragingOptions());
        Assert.Equal(plain, Rates("swa", new StochasticAverageOptions()));
        Assert.Equal(plain, Rates("ema", new ExponentialAverageOptions()));

        static double[] Rates(string name, object options)
        {
            var planner = Planner(Spec(name, options), new CosineSchedule(new CosineScheduleOptions()), 0.1);
            var rates = new List<double>();
            for (; planner.Current.Stop is null; planner.Advance()) rates.Add(planner.Current.LearningRate);
            return [.. rates];
        }
    }

    [Theory, MemberData(nameof(All))]
    public void The_average_has_the_same_bits_on_any_number_of_servers_and_leaves_the_weights_alone(string name)
    {
        var entry = AveragingCatalog.Default.Entries.Single(e => e.Name == name);
        var spec = Spec(name, Activator.CreateInstance(entry.OptionsType)!);
        var (history, average) = Run(spec, servers: 1);
        foreach (int servers in new[] { 2, 3 }) Assert.Equal(average, Run(spec, servers).Average);
        Assert.Equal(Run(Spec("none", new NoAveragingOptions())).History[^1], history[^1]);
        if (name != "none") Assert.NotEqual(history[^1], average);
    }

    [Theory, MemberData(nameof(All))]
    public void A_planner_that_is_restored_anywhere_goes_on_with_the_same_plans(string name)
    {
        var spec = Spec(name, Activator.CreateInstance(AveragingCatalog.Default.Entries.Single(e => e.Name == name).OptionsType)!);
        var straight = Plans(planner => planner);
        Assert.Equal(straight, Plans(planner =>
        {
            var other = Planner(spec);
            other.Restore(planner.Save());
            return other;
        }));
        Assert.Equal(name != "none", straight.Any(p => p.AverageShare > 0));
        Assert.Equal(name != "none", straight[^1].UsesAverage);

        List<StepPlan> Plans(Func<StepPlanner, StepPlanner> interrupt)
        {
            var plans = new List<StepPlan>();
            var planner = Planner(spec);
            for (; planner.Current.Stop is null; planner.Advance()) plans.Add((planner = interrupt(planner)).Current);
            plans.Add(planner.Current);
            return plans;
        }
    }

    /// <summary>The average is what was asked for: the best weights of the time before it are not kept in its place, worse averages are not either.</summary>
    [Fact]
    public void Weights_from_before_the_average_do_not_compete_with_it()
    {
        var planner = Planner(Spec("swa", new StochasticAverageOptions { StartEpoch = 2 }), validation: 5);
        double[] losses = [3, 1, 2, 1.5, 1.7, 1.2, 4, 5];
        var kept = new List<long?>();
        while (planner.Current is not { Stop: not null, Evaluate: false })
        {
            if (!planner.Current.Evaluate)
            {
                planner.Advance();
                continue;
            }
            var sums = new MetricSums();
            sums.Add(MetricSums.Loss, losses[kept.Count], 1);
            planner.Evaluated(sums);
            kept.Add(planner.SelectedStep / StepsPerEpoch);
        }
        Assert.Equal([1, 2, 3, 4, 4, 6, 6, 6], kept);
        Assert.Equal(1.2, planner.SelectedValue);
    }

    /// <summary>What is kept is what was evaluated.</summary>
    [Fact]
    public void The_kept_copy_is_one_of_the_average_once_there_is_one()
    {
        var average = new float[] { 7, 8 };
        using var shard = new ParameterShard<Lease>(new float[] { 1, 2 }, new UpdateRule(new Sgd(new SgdOptions())), ParameterLayout.Of(2), new KeyRange(0, 2),
            new ReductionTree(1), lease => lease.Memory, average: average);
        Apply(shard, new StepPlan(0, 0, 0, 1, 1, Keep: true), [1, 1]);
        Assert.Equal([1f, 2], shard.Selected.ToArray());
        Apply(shard, new StepPlan(1, 0, 0, 1, 1, Keep: true) { UsesAverage = true, AverageShare = 1 }, [1, 1]);
        Assert.Equal([7f, 8], shard.Selected.ToArray());
        Assert.Equal([-1f, 0], average);
        shard.LoadSelected();
        Assert.Equal([7f, 8], shard.Weights.ToArray());
        shard.LoadSelected(usesAverage: true);
        Assert.Equal([-1f, 0], shard.Weights.ToArray());
    }

    private static TrainingSpec Spec(string name, object options) => new()
    {
        Averaging = new PluginSpec(name, options),
        Training = new TrainingSection { Epochs = Epochs, GradientShards = 1 },
    };

    private static StepPlanner Planner(TrainingSpec spec, ILearningRateSchedule? schedule = null, double rate = 0.01, long validation = 0) =>
        new(spec, schedule ?? new ConstantSchedule(), rate, Batch, new DataCounts(Train, validation, 0));

    /// <summary>The weights that entered, by the definition: those of versions start + every, start + 2 every, ...</summary>
    private static List<float[]> Entered(List<float[]> history, long start, long every) =>
        [.. Enumerable.Range(1, history.Count - 1).Where(v => v > start && (v - start) % every == 0).Select(v => history[v])];

    /// <summary>A run on recorded gradients: the weights of every version, and the average at its end.</summary>
    private static (List<float[]> History, float[] Average) Run(TrainingSpec spec, int servers = 1)
    {
        var (weights, average) = (new float[Count], new float[Count]);
        RandomKey.Of(1, RandomPurpose.InitialWeights).FillUniform(weights);
        var layout = ParameterLayout.Of(Count);
        var ranges = KeyRangePartitioner.Cut(Count, servers);
        var rule = new UpdateRule(new Adam(new AdamOptions()));
        var shards = ranges.Select(r => new ParameterShard<Lease>(weights.AsMemory((int)r.Begin, (int)r.Length), rule, layout, r,
            new ReductionTree(1), lease => lease.Memory, average: average.AsMemory((int)r.Begin, (int)r.Length))).ToList();
        var planner = Planner(spec);
        List<float[]> history = [weights.ToArray()];
        for (; planner.Current.Stop is null; planner.Advance())
        {
            foreach (var (shard, range) in shards.Zip(ranges))
            {
                var gradient = new float[range.Length];
                RandomKey.Of(2, RandomPurpose.Data, planner.Current.Step).FillUniform(gradient, range.Begin);
                Apply(shard, planner.Current, gradient);
            }
            history.Add(weights.ToArray());
        }
        return (history, average);
    }

    private static void Apply(ParameterShard<Lease> shard, StepPlan plan, float[] gradient)
    {
        Assert.True(shard.Push(plan.Step, new TreeNode(0, 0), new Lease(gradient), new LeafResult(1, [])));
        var (lease, _) = shard.Take();
        shard.Apply(plan, lease.Memory.Span, 1);
    }

    private sealed class Lease(float[] values) : IDisposable
    {
        public Memory<float> Memory => values;

        public void Dispose() { }
    }
}
