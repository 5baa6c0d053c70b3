using DistOpt.Core.Optimizers;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Tests.Optimizers;

/// <summary>Optimizers whose momentum or beta1 a schedule sets, and those that a cycled momentum is refused with.</summary>
public sealed class CycledMomentumTests
{
    private static bool Takes(string name) => OptimizerVariants.OptionsOf(name) is ILearningRateOptions { TakesMomentum: true };

    public static TheoryData<string> Taking => [.. OptimizerVariants.Names.Where(Takes)];

    [Fact]
    public void Those_with_a_momentum_take_it() => Assert.Equal(
        ["adam", "adamw", "lamb", "lars", "momentum", "nesterov", "radam", "rmsprop", "sgd"],
        OptimizerVariants.Names.Where(Takes).Select(n => n.Split(' ')[0]).Distinct().Order(StringComparer.Ordinal));

    /// <summary>
    /// A step is that of an optimizer which has this momentum among its options, as torch's optimizers read it from their group at every step.
    /// </summary>
    [Theory, MemberData(nameof(Taking))]
    public void A_step_goes_by_its_momentum(string name)
    {
        static double MomentumAt(long step) => 0.5 + 0.04 * step;
        var cycled = new OptimizerRun(new UpdateRule(OptimizerVariants.Make(name)), OptimizerRun.Network) { Momentum = t => MomentumAt(t) };
        var fixedOne = new OptimizerRun(new UpdateRule(OptimizerVariants.Make(name)), OptimizerRun.Network);
        var expected = new OptimizerRun(new UpdateRule(OptimizerVariants.Make(name)), OptimizerRun.Network);
        for (int t = 1; t <= 10; t++)
        {
            cycled.Step(t);
            fixedOne.Step(t);
            expected = new OptimizerRun(new UpdateRule(With(name, MomentumAt(t))), expected);
            expected.Step(t);
            Assert.Equal(expected.Bits(), cycled.Bits());
        }
        Assert.NotEqual(fixedOne.Bits(), cycled.Bits());
    }

    [Theory]
    [InlineData("sgd", "has momentum 0; set optimizer.momentum above 0")]
    [InlineData("rmsprop", "has momentum 0; set optimizer.momentum above 0")]
    [InlineData("adagrad", "takes no momentum or beta1 from the schedule")]
    [InlineData("nadam", "takes no momentum or beta1 from the schedule")]
    [InlineData("muon", "takes no momentum or beta1 from the schedule")]
    public void Others_are_refused_with_the_reason(string name, string why)
    {
        foreach (object schedule in (object[])[new OneCycleScheduleOptions { CycleMomentum = true }, new CyclicScheduleOptions { CycleMomentum = true }])
        {
            var spec = new TrainingSpec
            {
                Optimizer = new OptimizerSpec(name, OptimizerVariants.OptionsOf(name)),
                Schedule = new ScheduleSpec { Options = schedule },
            };
            Assert.Equal([$"schedule.cycle_momentum: is true, but optimizer '{name}' {why}, or set cycle_momentum to false"], Violations(spec));
        }
    }

    [Fact]
    public void A_proximal_step_reckons_with_one_momentum()
    {
        var spec = new TrainingSpec
        {
            Optimizer = new OptimizerSpec("adam", new AdamOptions()),
            Schedule = new ScheduleSpec { Options = new OneCycleScheduleOptions { CycleMomentum = true } },
            Regularization = new RegularizationSection { L1 = 0.1, L1Mode = L1Mode.Proximal },
        };
        Assert.StartsWith("schedule.cycle_momentum: is true, but regularization.l1_mode is proximal", Assert.Single(Violations(spec)), StringComparison.Ordinal);
        Assert.Empty(Violations(spec with { Regularization = new() }));
        Assert.Empty(Violations(spec with { Schedule = new ScheduleSpec { Options = new OneCycleScheduleOptions() } }));
    }

    private static string[] Violations(TrainingSpec spec) =>
        [.. TrainingSpecRules.All.Where(r => r.Reads.Contains("regularization")).SelectMany(r => r.Check(spec)).Select(v => v.ToString())];

    /// <summary>The optimizer with another momentum, or beta1, among its options.</summary>
    private static IOptimizer With(string name, double momentum)
    {
        object options = OptimizerVariants.OptionsOf(name);
        var type = options.GetType();
        object copy = type.GetMethod("<Clone>$")!.Invoke(options, null)!;
        (type.GetProperty("Momentum") ?? type.GetProperty("Beta1"))!.SetValue(copy, momentum);
        return OptimizerCatalog.Default.Entries.Single(e => e.Name == name.Split(' ')[0]).Factory(copy);
    }
}
