using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Schedules;

/// <summary>What every schedule of the catalogue is held to, with every form of warm-up.</summary>
public sealed class ScheduleContractTests
{
    private const int Train = 45, Batch = 10, Epochs = 12;

    public static TheoryData<string> All => [.. ScheduleCatalog.Default.Entries.Select(e => e.Name)];

    private static ILearningRateSchedule Make(string name)
    {
        var entry = ScheduleCatalog.Default.Entries.Single(e => e.Name == name);
        return entry.Factory(Activator.CreateInstance(entry.OptionsType)!);
    }

    [Theory, MemberData(nameof(All))]
    public void The_rate_is_a_function_of_the_position_alone(string name)
    {
        var forward = Make(name);
        var backward = Make(name);
        long[] steps = [0, 1, 2, 10, 999, 1000, 1_000_000];
        double[] rates = [.. steps.Select(s => forward.RateAt(0.1, At(s)))];
        Assert.Equal(rates.Reverse(), steps.Reverse().Select(s => backward.RateAt(0.1, At(s))));
        Assert.All(rates, r => Assert.True(double.IsFinite(r) && r >= 0));

        static SchedulePosition At(long step) => SchedulePosition.InSteps(step, step * 32, 1000, 43);
    }

    [Theory, MemberData(nameof(All))]
    public void Counted_in_samples_a_fixed_batch_gives_the_same_bits_as_counted_in_steps(string name)
    {
        var schedule = Make(name);
        for (long step = 0; step < 700; step += 7)
        {
            double bySteps = schedule.RateAt(0.1, SchedulePosition.InSteps(step, step * 32, 640, 40));
            double bySamples = schedule.RateAt(0.1, SchedulePosition.InSamples(step, step * 32, 640 * 32, 40 * 32, 32));
            Assert.Equal(BitConverter.DoubleToInt64Bits(bySteps), BitConverter.DoubleToInt64Bits(bySamples));
        }
    }

    /// <summary>A growing batch: what counts is the share of the samples, whatever number of steps it took.</summary>
    [Fact]
    public void A_varying_batch_moves_the_horizon_by_samples()
    {
        var cosine = Make("cosine");
        double half = cosine.RateAt(1, SchedulePosition.InSamples(step: 3, samples: 3200, totalSamples: 6400, samplesPerEpoch: 640, nominalBatch: 32));
        Assert.Equal(0.5, half, 1e-15);
        Assert.Equal(0.01, Make("step").RateAt(0.1 * 10, SchedulePosition.InSamples(7, 640 * 60, 640 * 90, 640, 32)), 1e-15);
    }

    /// <summary>A restart at every step, before and after every evaluation, with and without warm-up.</summary>
    [Theory, MemberData(nameof(All))]
    public void A_planner_that_is_restored_anywhere_goes_on_with_the_same_rates(string name)
    {
        ScheduleSpec[] specs = [new(), new() { WarmupSteps = 7 }, new() { WarmupEpochs = 1.5, WarmupStartFactor = 0.1 }];
        foreach (var spec in specs)
        {
            var straight = Rates(name, spec, (planner, _) => planner);
            Assert.True(straight.Count > Train / Batch * Epochs);
            int moments = 0;
            var restored = Rates(name, spec, (planner, make) =>
            {
                moments++;
                var other = make();
                other.Restore(planner.Save());
                Assert.Equal((planner.Current.LearningRate, planner.Current.Momentum), (other.Current.LearningRate, other.Current.Momentum));
                return other;
            });
            Assert.True(moments > straight.Count);
            Assert.Equal(straight, restored);
        }
    }

    /// <summary>Whatever ends the run first is its length: 45 samples an epoch are 5 steps of 10, the last with 5.</summary>
    [Theory]
    [InlineData(null, null, 60)]
    [InlineData(7L, null, 7)]
    [InlineData(null, 90L, 10)]
    [InlineData(null, 101L, 12)]
    [InlineData(11L, 101L, 11)]
    public void The_horizon_is_the_runs_length(long? maxSteps, long? maxSamples, long expected)
    {
        var spec = new TrainingSpec
        {
            Training = new TrainingSection { Epochs = Epochs, GradientShards = 1 },
            Stop = new StopSection { MaxSteps = maxSteps, MaxSamples = maxSamples },
        };
        var planner = new StepPlanner(spec, new PolynomialSchedule(new()), 1, Batch, new DataCounts(Train, 0, 0));
        Assert.Equal(expected, planner.TotalSteps);
        while (planner.Current.Stop is null)
        {
            Assert.Equal(1 - planner.Current.Step / (double)expected, planner.Current.LearningRate, 1e-12);
            planner.Advance();
        }
        Assert.Equal((expected, 0.0), (planner.Current.Step, planner.Current.LearningRate));
    }

    /// <summary>The rate at step t of T_w is (t + 1)/T_w of that at which the schedule begins, whether or not anything of the schedule is left.</summary>
    [Theory, MemberData(nameof(All))]
    public void A_warm_up_as_long_as_the_run_or_longer_still_ramps(string name)
    {
        const long run = Train / Batch * Epochs + Epochs;
        double begin = Make(name).RateAt(0.1, SchedulePosition.InSteps(0, 0, 1_000_000, 5));
        Assert.True(begin > 0);
        foreach (long warmUp in (long[])[run - 1, run, run + 1, 3 * run])
        {
            // a run whose only step after the warm-up is the last: a schedule of one step, which may begin with its end
            if (warmUp == run - 1 && name == "one-cycle") continue;
            foreach (long? total in (long?[])[null, run / 2])
            {
                var rates = Rates(name, new ScheduleSpec { WarmupSteps = warmUp }, (planner, _) => planner, total);
                Assert.Equal(run, rates.Count);
                for (int t = 0; t < Math.Min(run, warmUp); t++) Assert.Equal(begin * (t + 1) / warmUp, rates[t].Rate, 1e-12);
            }
        }
    }

    [Fact]
    public void The_plateau_test_above_sees_reductions()
    {
        var rates = Rates("reduce-on-plateau", new ScheduleSpec(), (planner, _) => planner);
        Assert.Equal(3, rates.Distinct().Count());
        Assert.Equal(0.1, rates[0].Rate);
    }

    [Theory]
    [InlineData("one-cycle")]
    [InlineData("cyclic")]
    public void The_test_of_restored_planners_sees_a_momentum_that_changes(string name) =>
        Assert.True(Rates(name, new ScheduleSpec(), (planner, _) => planner).Select(r => r.Momentum).Distinct().Count() > 10);

    /// <summary>Rates and momenta of all steps of a run whose loss falls for two evaluations and then stands.</summary>
    private static List<(double Rate, double? Momentum)> Rates(string name, ScheduleSpec schedule, Func<StepPlanner, Func<StepPlanner>, StepPlanner> interrupt,
        long? total = null)
    {
        object options = name == "reduce-on-plateau" ? new ReduceOnPlateauOptions { Patience = schedule.WarmupSteps > 7 ? 1000 : 2, Cooldown = 1 }
            : name == "one-cycle" ? new OneCycleScheduleOptions { CycleMomentum = true }
            : name == "cyclic" ? new CyclicScheduleOptions { CycleMomentum = true, StepSizeUp = 20 }
            : Activator.CreateInstance(ScheduleCatalog.Default.Entries.Single(e => e.Name == name).OptionsType)!;
        options = options switch
        {
            CosineScheduleOptions o => o with { TotalSteps = total },
            PolynomialScheduleOptions o => o with { TotalSteps = total },
            OneCycleScheduleOptions o => o with { TotalSteps = total },
            _ => options,
        };
        var spec = new TrainingSpec
        {
            Schedule = schedule with { Kind = name, Options = options },
            Training = new TrainingSection { Epochs = Epochs, GradientShards = 1 },
        };
        var rates = new List<(double Rate, double? Momentum)>();
        var planner = Planner();
        while (planner.Current.Stop is null || planner.Current.Evaluate)
        {
            planner = interrupt(planner, Planner);
            if (planner.Current.Evaluate)
            {
                var sums = new MetricSums();
                sums.Add(MetricSums.Loss, Math.Max(1, 3 - planner.Current.Epoch), 1);
                planner.Evaluated(sums);
            }
            else
            {
                rates.Add((planner.Current.LearningRate, planner.Current.Momentum));
                planner.Advance();
            }
        }
        return rates;

        StepPlanner Planner() => new(spec, ScheduleCatalog.Default.Get(name)(options), 0.1, Batch, new DataCounts(Train, 5, 0));
    }
}
