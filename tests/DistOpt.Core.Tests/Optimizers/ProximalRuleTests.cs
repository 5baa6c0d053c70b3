using DistOpt.Core.Optimizers;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Tests.Optimizers;

/// <summary>Which optimizers take the proximal step of an L1 penalty, and that those which do end at the minimum of the penalized loss.</summary>
public sealed class ProximalRuleTests
{
    [Fact]
    public void With_default_options_those_are_refused_whose_steps_are_no_length_times_a_gradient() => Assert.Equal(
        ["adadelta", "lion", "lamb", "lars", "adafactor", "muon"],
        OptimizerCatalog.Default.Entries.Where(e => Violations(e.Name, Activator.CreateInstance(e.OptionsType)!).Length > 0).Select(e => e.Name));

    [Fact]
    public void The_line_says_what_to_do() => Assert.Equal(
        ["regularization.l1_mode: is proximal, but the steps of optimizer 'muon' are no length times gradient in which that step could be taken; "
            + "set l1_mode to subgradient, or use one of gd, sgd, momentum, nesterov, adagrad, rmsprop, adam, adamw, nadam, radam"],
        Violations("muon", new MuonOptions()));

    [Fact]
    public void An_optimizer_of_the_application_takes_it_only_where_its_options_say_so()
    {
        Assert.Single(Violations("own", new object()));
        Assert.Single(Violations("own", new Own(false)));
        Assert.Empty(Violations("own", new Own(true)));
    }

    [Fact]
    public void A_variance_that_can_be_0_gives_no_length() => Assert.StartsWith(
        "regularization.l1_mode: is proximal, but the steps of optimizer 'rmsprop' with centered are no length times gradient",
        Assert.Single(Violations("rmsprop", new RmsPropOptions { Centered = true })), StringComparison.Ordinal);

    [Theory]
    [InlineData(0.1, L1Mode.Subgradient)]
    [InlineData(0.0, L1Mode.Proximal)]
    public void Without_a_proximal_step_there_is_nothing_to_refuse(double l1, L1Mode mode) =>
        Assert.Empty(Violations("lars", new LarsOptions(), l1, mode));

    public static TheoryData<string> Taking => [.. OptimizerVariants.Names.Where(n =>
        OptimizerVariants.OptionsOf(n) is ILearningRateOptions { TakesProximalStep: true } options && !DecaysWeights(options))];

    private static bool DecaysWeights(object options) => (double?)options.GetType().GetProperty("WeightDecay")?.GetValue(options) > 0;

    /// <summary>
    /// The sum of h/2 (w - c)^2 + l1 |w| over weights with different c and h is least at sign(c) max(|c| - l1/h, 0) (Tibshirani 1996), wherever one begins.
    /// The group's factor on the rate changes the way there and not the end.
    /// </summary>
    [Theory, MemberData(nameof(Taking))]
    public void A_lasso_ends_at_its_closed_form(string name)
    {
        const double l1 = 0.3;
        double[] targets = [2, -2, 0.5, -0.5, 0.31, 0.29, -0.1, 0, 1, -1.5, 0.05], curvatures = [1, 0.7, 2, 1, 1, 1, 1, 1, 0.5, 1.5, 4];
        var spec = new TrainingSpec
        {
            Regularization = new() { L1 = l1, L1Mode = L1Mode.Proximal },
            Optimizer = new OptimizerSpec { Groups = [new() { Match = ["b"], LearningRateScale = 0.5 }] },
        };
        string kind = name.Split(' ')[0];
        double rate = name == "adagrad initial" ? 5 : kind switch { "adagrad" => 0.5, "gd" or "sgd" or "momentum" or "nesterov" => 0.1, _ => 0.02 };
        const int steps = 4000;
        var layout = OptimizerRun.Of(("a", [1, targets.Length]), ("b", [targets.Length, 1]));
        var run = new OptimizerRun(new UpdateRule(OptimizerVariants.Make(name), spec), layout) { Rate = t => rate * (1 - t / (steps + 1.0)) };
        var gradient = new float[2 * targets.Length];
        for (int t = 1; t <= steps; t++)
        {
            for (int i = 0; i < gradient.Length; i++)
                gradient[i] = (float)(curvatures[i % targets.Length] * (run.Parameters[i] - targets[i % targets.Length]));
            run.Step(t, 1, gradient);
        }
        for (int i = 0; i < gradient.Length; i++)
        {
            double target = targets[i % targets.Length];
            double least = Math.Sign(target) * Math.Max(Math.Abs(target) - l1 / curvatures[i % targets.Length], 0);
            if (least == 0) Assert.Equal(0, run.Parameters[i]);
            else Assert.Equal(least, run.Parameters[i], 2e-3);
        }
    }

    private sealed record Own(bool TakesProximalStep) : ILearningRateOptions
    {
        public double LearningRate => 1;
    }

    private static string[] Violations(string kind, object options, double l1 = 0.1, L1Mode mode = L1Mode.Proximal)
    {
        var spec = new TrainingSpec
        {
            Optimizer = new OptimizerSpec(kind, options),
            Regularization = new RegularizationSection { L1 = l1, L1Mode = mode },
        };
        return [.. TrainingSpecRules.All.Where(r => r.Reads.Contains("regularization")).SelectMany(r => r.Check(spec)).Select(v => v.ToString())];
    }
}
