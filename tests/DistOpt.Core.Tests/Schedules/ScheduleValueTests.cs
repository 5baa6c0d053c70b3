using System.Reflection;
using DistOpt.Core.Schedules;

namespace DistOpt.Core.Tests.Schedules;

/// <summary>
/// Every schedule against values that were computed another way: torch's own recurrences from step to step where it has them, tables that were
/// computed from the published definitions by another program elsewhere.
/// </summary>
public sealed class ScheduleValueTests
{
    private const int Total = 60, PerEpoch = 4;

    private static double At(ILearningRateSchedule schedule, long step, double baseRate = 0.1, long total = Total) =>
        schedule.RateAt(baseRate, SchedulePosition.InSteps(step, step * 8, total, PerEpoch));

    private static void Equal(IReadOnlyList<double> expected, ILearningRateSchedule schedule, double baseRate = 0.1, long total = Total)
    {
        for (int step = 0; step < expected.Count; step++)
        {
            double actual = At(schedule, step, baseRate, total);
            Assert.True(Math.Abs(expected[step] - actual) <= 1e-12 * baseRate, $"step {step}: {expected[step]:R} was expected, but is {actual:R}");
        }
    }

    /// <summary>A new schedule must come here with its values.</summary>
    [Fact]
    public void Every_schedule_of_the_catalogue_has_values() => Assert.Equal(
        ScheduleCatalog.Default.Entries.Select(e => e.Name).Order(StringComparer.Ordinal),
        typeof(ScheduleValueTests).GetMethods().Where(m => m.GetCustomAttributes().Any(a => a is FactAttribute))
            .SelectMany(m => m.GetCustomAttributes<ValuesAttribute>()).Select(v => v.Schedule).Order(StringComparer.Ordinal));

    /// <summary>A cycled momentum too must come here with its values.</summary>
    [Fact]
    public void Every_schedule_with_a_momentum_has_a_table_of_it() => Assert.Equal(["cyclic", "one-cycle"],
        ScheduleCatalog.Default.Entries.Where(e => e.OptionsType.IsAssignableTo(typeof(IMomentumScheduleOptions))).Select(e => e.Name)
            .Order(StringComparer.Ordinal));

    /// <summary>Epochs of 1,374 samples in nominal batches of 40 and of others, whose quotients are no whole numbers in float64.</summary>
    [Theory]
    [InlineData(1374, 40)]
    [InlineData(1347, 32)]
    [InlineData(10, 3)]
    [InlineData(54000, 7)]
    public void Where_the_batch_varies_an_epoch_begins_with_its_first_sample(long samples, int nominal)
    {
        var restarts = new CosineRestartsSchedule(new CosineRestartsScheduleOptions { T_0 = 1 });
        var doubled = new CosineRestartsSchedule(new CosineRestartsScheduleOptions { T_0 = 1, T_mult = 2 });
        var falls = new StepSchedule(new StepScheduleOptions { StepSize = 1, Gamma = 0.5 });
        for (int epoch = 0; epoch <= 200; epoch++)
        {
            var begin = SchedulePosition.InSamples(epoch, epoch * samples, 500 * samples, samples, nominal);
            Assert.Equal(epoch, begin.Whole(ScheduleUnit.Epochs));
            Assert.Equal(0.1, restarts.RateAt(0.1, begin), 1e-12);
            Assert.Equal(0.1 * Math.Pow(0.5, epoch), falls.RateAt(0.1, begin), 1e-12);
            if (int.IsPow2(epoch + 1)) Assert.Equal(0.1, doubled.RateAt(0.1, begin), 1e-12);
            if (epoch == 0) continue;
            var before = SchedulePosition.InSamples(epoch, epoch * samples - 1, 500 * samples, samples, nominal);
            Assert.Equal(epoch - 1, before.Whole(ScheduleUnit.Epochs));
        }
    }

    /// <summary>The rate of every step, given the rate of the step before.</summary>
    private static List<double> Recurrence(int steps, Func<int, double, double> next, double first = 0.1)
    {
        var rates = new List<double> { first };
        for (int n = 1; n < steps; n++) rates.Add(next(n, rates[^1]));
        return rates;
    }

    [Fact]
    [Values("constant")]
    public void Constant_is_the_base_rate() => Assert.Equal(0.25, At(new ConstantSchedule(), 12345, 0.25));

    [Fact]
    [Values("step")]
    public void Step_is_torchs_recurrence_by_steps_and_by_epochs()
    {
        Equal(Recurrence(Total, (n, rate) => n % 7 == 0 ? rate * 0.5 : rate),
            new StepSchedule(new() { StepSize = 7, Unit = ScheduleUnit.Steps, Gamma = 0.5 }));
        Equal(Recurrence(Total, (n, rate) => n % (3 * PerEpoch) == 0 ? rate * 0.1 : rate), new StepSchedule(new() { StepSize = 3 }));
    }

    [Fact]
    [Values("multi-step")]
    public void Multi_step_drops_at_its_milestones()
    {
        Equal(Recurrence(Total, (n, rate) => n is 5 or 6 or 50 ? rate * 0.3 : rate),
            new MultiStepSchedule(new() { Milestones = [5, 6, 50], Unit = ScheduleUnit.Steps, Gamma = 0.3 }));
        Equal(Recurrence(Total, (n, rate) => n is 2 * PerEpoch or 9 * PerEpoch ? rate * 0.1 : rate), new MultiStepSchedule(new() { Milestones = [2, 9] }));
    }

    [Fact]
    [Values("exponential")]
    public void Exponential_is_a_factor_a_unit()
    {
        Equal(Recurrence(Total, (_, rate) => rate * 0.93), new ExponentialSchedule(new() { Gamma = 0.93, Unit = ScheduleUnit.Steps }));
        Equal(Recurrence(Total, (n, rate) => n % PerEpoch == 0 ? rate * 0.95 : rate), new ExponentialSchedule(new()));
        Assert.Equal(double.MaxValue, At(new ExponentialSchedule(new() { Gamma = 10, Unit = ScheduleUnit.Steps }), 1_000_000));
    }

    [Fact]
    [Values("inverse-time")]
    public void Inverse_time_falls_as_one_over_t()
    {
        var smooth = new InverseTimeSchedule(new() { DecayRate = 0.5, DecaySteps = 10 });
        var stairs = new InverseTimeSchedule(new() { DecayRate = 0.5, DecaySteps = 10, Staircase = true });
        Assert.Equal([0.1, 0.08, 0.1 / 1.5, 0.05, 0.025], new long[] { 0, 5, 10, 20, 60 }.Select(n => Math.Round(At(smooth, n), 15)), new Near());
        Assert.Equal([0.1, 0.1, 0.1 / 1.5, 0.1 / 1.5, 0.05], new long[] { 0, 9, 10, 19, 20 }.Select(n => At(stairs, n)), new Near());
    }

    [Fact]
    [Values("inverse-sqrt")]
    public void Inverse_sqrt_halves_when_time_has_quadrupled()
    {
        var given = new InverseSqrtSchedule(new() { Timescale = 4 });
        double[] table = [0.1, 0.0707106781186548, 0.05, 0.0333333333333333, 0.025];
        Assert.Equal(table, new long[] { 0, 4, 12, 32, 60 }.Select(n => At(given, n)), new Near());
        Assert.Equal(0.1 / Math.Sqrt(2), At(new InverseSqrtSchedule(new()), 10_000), 1e-15);

        // after a warm-up of 16 steps, by itself: the rate of step 64 is that of step 16 halved
        var warmed = new WarmedUpSchedule(new InverseSqrtSchedule(new()), new() { WarmupSteps = 16 });
        Assert.Equal([0.1, 0.1, 0.05], new long[] { 15, 16, 64 }.Select(n => At(warmed, n)), new Near());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2.5)]
    [Values("polynomial")]
    public void Polynomial_is_torchs_recurrence_and_stays_at_its_end(double power)
    {
        const int end = 40;
        Equal(Recurrence(Total, (n, rate) => n >= end ? 0 : rate * Math.Pow((1 - n / (double)end) / (1 - (n - 1) / (double)end), power)),
            new PolynomialSchedule(new() { Power = power, TotalSteps = end }));
        Equal(Recurrence(Total, (n, rate) => rate - (0.1 - 0.02) / Total), new PolynomialSchedule(new() { EndLearningRate = 0.02 }));
    }

    [Fact]
    [Values("cosine")]
    public void Cosine_is_torchs_recurrence_and_stays_at_its_end()
    {
        const double min = 0.01;
        double Next(int n, double rate) =>
            (1 + Math.Cos(Math.PI * n / Total)) / (1 + Math.Cos(Math.PI * (n - 1) / Total)) * (rate - min) + min;
        Equal(Recurrence(Total, Next), new CosineSchedule(new() { EtaMin = min }));
        Assert.Equal(min, At(new CosineSchedule(new() { EtaMin = min }), Total + 17));
        Assert.Equal(0.05, At(new CosineSchedule(new() { TotalSteps = 20 }), 10), 1e-15);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [Values("cosine-restarts")]
    public void Cosine_restarts_count_up_as_torchs_do(int mult)
    {
        double now = -1, period = 5;
        var rates = new List<double>();
        for (int n = 0; n < 200; n++)
        {
            if (++now >= period) (now, period) = (now - period, period * mult);
            rates.Add(0.01 + (0.1 - 0.01) * (1 + Math.Cos(Math.PI * now / period)) / 2);
        }
        Equal(rates, new CosineRestartsSchedule(new() { T_0 = 5, T_mult = mult, EtaMin = 0.01, Unit = ScheduleUnit.Steps }));
        Assert.Equal(0.05, At(new CosineRestartsSchedule(new() { T_0 = 3 }), 3 * PerEpoch * 5 + 6), 1e-15);
    }

    [Fact]
    [Values("one-cycle")]
    public void One_cycle_is_torchs_table()
    {
        Equal([0.04, 0.131671842700025, 0.371671842700025, 0.668328157299975, 0.908328157299975, 1.0, 0.987464006235087, 0.950484632013474,
            0.89091617757105, 0.811745653949763, 0.716943001791301, 0.611262021936289, 0.500002, 0.388741978063711, 0.283060998208699,
            0.188258346050237, 0.10908782242895, 0.0495193679865263, 0.0125399937649126, 4e-06, 4e-06], new OneCycleSchedule(new()), 1, 20);
        Equal([0.05, 0.1625, 0.275, 0.3875, 0.5, 0.3875, 0.275, 0.1625, 0.05, 0.0455, 0.041, 0.0365, 0.032, 0.0275, 0.023, 0.0185, 0.014,
            0.0095, 0.005, 0.0005],
            new OneCycleSchedule(new() { PctStart = 0.25, DivFactor = 10, FinalDivFactor = 100, ThreePhase = true, AnnealStrategy = AnnealStrategy.Linear }),
            0.5, 20);
        Assert.Equal(0.1 / 25 / 1e4, At(new OneCycleSchedule(new()), 0, total: 1), 1e-15); // a run of one step is at the end
    }

    [Fact]
    [Values("cyclic")]
    public void Cyclic_is_torchs_table()
    {
        Equal([0.1, 0.325, 0.55, 0.775, 1.0, 0.55, 0.1, 0.325, 0.55, 0.775, 1.0, 0.55, 0.1],
            new CyclicSchedule(new() { MaxLearningRate = 1, StepSizeUp = 4, StepSizeDown = 2 }));
        Equal([0.1, 0.325, 0.55, 0.775, 1.0, 0.775, 0.55, 0.325, 0.1, 0.2125, 0.325, 0.4375, 0.55, 0.4375, 0.325, 0.2125, 0.1],
            new CyclicSchedule(new() { StepSizeUp = 4, Mode = CyclicMode.Triangular2 }));
        Equal([0.1, 0.3025, 0.4645, 0.592075, 0.69049, 0.49858075, 0.33914845, 0.2076168025, 0.1, 0.187169610025],
            new CyclicSchedule(new() { StepSizeUp = 4, Mode = CyclicMode.ExpRange, Gamma = 0.9 }));
    }

    private static void MomentumEqual(IReadOnlyList<double> expected, ILearningRateSchedule schedule, long total)
    {
        for (int step = 0; step < expected.Count; step++)
        {
            double? actual = ((IMomentumSchedule)schedule).MomentumAt(SchedulePosition.InSteps(step, step * 8, total, PerEpoch));
            Assert.True(Math.Abs(expected[step] - actual!.Value) <= 1e-12, $"step {step}: {expected[step]:R} was expected, but is {actual:R}");
        }
    }

    [Fact]
    public void The_momentum_of_one_cycle_is_torchs_table()
    {
        MomentumEqual([0.95, 0.940450849718747, 0.915450849718747, 0.884549150281253, 0.859549150281253, 0.85, 0.851253604390909, 0.854951556604879,
            0.860908425876598, 0.868825509907063, 0.878305813044122, 0.888873953302184, 0.9, 0.911126046697816, 0.921694186955878, 0.931174490092937,
            0.939091574123401, 0.945048443395121, 0.948746395609091, 0.95], new OneCycleSchedule(new() { CycleMomentum = true }), 20);
        var phases = new OneCycleScheduleOptions { PctStart = 0.25, ThreePhase = true, AnnealStrategy = AnnealStrategy.Linear };
        MomentumEqual([0.9, 0.875, 0.85, 0.825, 0.8, 0.825, 0.85, 0.875, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9],
            new OneCycleSchedule(phases with { CycleMomentum = true, BaseMomentum = 0.8, MaxMomentum = 0.9 }), 20);
        Assert.Null(new OneCycleSchedule(phases).MomentumAt(SchedulePosition.InSteps(3, 24, 20, PerEpoch)));
    }

    [Fact]
    public void The_momentum_of_cyclic_is_torchs_table()
    {
        MomentumEqual([0.9, 0.875, 0.85, 0.825, 0.8, 0.85, 0.9, 0.875, 0.85, 0.825, 0.8, 0.85, 0.9],
            new CyclicSchedule(new() { CycleMomentum = true, StepSizeUp = 4, StepSizeDown = 2 }), Total);
        MomentumEqual([0.9, 0.875, 0.85, 0.825, 0.8, 0.825, 0.85, 0.875, 0.9, 0.8875, 0.875, 0.8625, 0.85, 0.8625, 0.875, 0.8875, 0.9],
            new CyclicSchedule(new() { CycleMomentum = true, StepSizeUp = 4, Mode = CyclicMode.Triangular2 }), Total);
        MomentumEqual([0.9, 0.81, 0.738, 0.6813, 0.63756, 0.722853, 0.7937118, 0.85217031, 0.9, 0.8612579511],
            new CyclicSchedule(new() { CycleMomentum = true, BaseMomentum = 0.5, StepSizeUp = 4, Mode = CyclicMode.ExpRange, Gamma = 0.9 }), Total);
        Assert.Null(new CyclicSchedule(new()).MomentumAt(SchedulePosition.InSteps(3, 24, 20, PerEpoch)));
    }

    [Fact]
    public void During_a_warm_up_the_momentum_is_that_with_which_the_schedule_begins()
    {
        var inner = new CyclicSchedule(new() { CycleMomentum = true, StepSizeUp = 4 });
        var warmed = new WarmedUpSchedule(inner, new() { WarmupSteps = 3 });
        MomentumEqual([0.9, 0.9, 0.9, 0.9, 0.875, 0.85, 0.825, 0.8], warmed, Total);
        Assert.Null(new WarmedUpSchedule(new CosineSchedule(new()), new() { WarmupSteps = 3 }).MomentumAt(SchedulePosition.InSteps(3, 24, 20, PerEpoch)));
    }

    [Fact]
    public void Warm_up_is_linear_ends_where_the_schedule_begins_and_shifts_it()
    {
        var cosine = new CosineSchedule(new());
        var warmed = new WarmedUpSchedule(cosine, new() { WarmupSteps = 10 });
        for (int n = 0; n < 10; n++) Assert.Equal(0.1 * (n + 1) / 10, At(warmed, n), 1e-15);
        for (int n = 10; n <= Total; n++) Assert.Equal(At(cosine, n - 10, total: Total - 10), At(warmed, n), 1e-15);

        // torch's LinearLR(start_factor=1/3, total_iters=4): each step adds the same
        var linear = new WarmedUpSchedule(new ConstantSchedule(), new() { WarmupSteps = 4, WarmupStartFactor = 1 / 3.0 });
        Equal(Recurrence(8, (n, rate) => n <= 4 ? rate + 0.1 * (1 - 1 / 3.0) / 4 : rate, 0.1 / 3), linear);

        // transformers: the first step of a warm-up has rate 0
        Assert.Equal(0, At(new WarmedUpSchedule(cosine, new() { WarmupSteps = 10, WarmupStartFactor = 0 }), 0));

        // one and a half epochs of four steps; milestones count from the warm-up's end
        var drops = new WarmedUpSchedule(new MultiStepSchedule(new() { Milestones = [2] }), new() { WarmupEpochs = 1.5 });
        Assert.Equal([0.1 / 6, 0.1, 0.1, 0.1, 0.01], new long[] { 0, 5, 6, 13, 14 }.Select(n => At(drops, n)), new Near());

        // a part of an epoch is rounded up, but not by the rounding of a product: 1.1 epochs of 100 steps are 110
        foreach (var (epochs, length, steps) in ((double, double, double)[])[(1.1, 100, 110), (0.07, 100, 7), (0.55, 100, 55), (0.28, 25, 7), (1.01, 10, 11)])
            Assert.Equal(steps, WarmedUpSchedule.LengthOf(new() { WarmupEpochs = epochs }, length));

        // total_steps is the end of both together
        var given = new WarmedUpSchedule(new CosineSchedule(new() { TotalSteps = 30 }), new() { WarmupSteps = 10 });
        Assert.Equal([0.1, 0.05, 0], new long[] { 10, 20, 30 }.Select(n => At(given, n)), new Near());
    }

    [Fact]
    [Values("reduce-on-plateau")]
    public void Reduce_on_plateau_is_torchs_table()
    {
        double[] losses = [1, .9, .95, .91, .9, .8999, .85, .86, .86, .86, .86, .86, .86, double.NaN, .8, .8, .8, .8, .8, .8];
        Assert.Equal([.1, .1, .1, .1, .05, .05, .05, .05, .05, .025, .025, .025, .0125, .0125, .0125, .0125, .0125, .00625, .00625, .00625],
            Observed(new() { Factor = 0.5, Patience = 2 }, losses), new Near());
        Assert.Equal([.1, .1, .1, .05, .05, .05, .05, .05, .04, .04, .04, .04, .04, .04, .04, .04, .04, .04, .04, .04],
            Observed(new() { Factor = 0.5, Patience = 1, Cooldown = 2, MinLearningRate = 0.04 }, losses), new Near());

        // gains by 0.04 are below the absolute threshold of 0.05, gains by 0.06 are not
        Assert.Equal([.1, .1, .01, .01, .01, .001],
            Observed(new() { Metric = "validation.accuracy", Threshold = 0.05, ThresholdMode = ThresholdMode.Abs, Patience = 1 },
                [0.5, 0.54, 0.54, 0.56, 0.56, 0.56]), new Near());
    }

    private static IEnumerable<double> Observed(ReduceOnPlateauOptions options, double[] values)
    {
        var schedule = new ReduceOnPlateauSchedule(options);
        var state = new PlateauState();
        return values.Select(value => At(schedule, 0) * (state = schedule.Observe(state, value, 0.1)).Scale).ToList();
    }

    [AttributeUsage(AttributeTargets.Method)]
    private sealed class ValuesAttribute(string schedule) : Attribute
    {
        public string Schedule { get; } = schedule;
    }

    private sealed class Near : IEqualityComparer<double>
    {
        public bool Equals(double x, double y) => Math.Abs(x - y) <= 1e-14;

        public int GetHashCode(double value) => 0;
    }
}
