using DistOpt.Core.Optimizers;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Tests.Optimizers;

/// <summary>The proximal step is the plain learning rate times l1: methods with further factors on the rate are refused beside it.</summary>
public sealed class ProximalRuleTests
{
    [Fact]
    public void With_default_options_those_that_scale_steps_by_tensor_are_refused() => Assert.Equal(
        ["lamb", "lars", "adafactor", "muon"],
        OptimizerCatalog.Default.Entries.Where(e => Violations(e.Name, Activator.CreateInstance(e.OptionsType)!).Length > 0).Select(e => e.Name));

    [Fact]
    public void The_line_says_what_to_do() => Assert.Equal(
        ["regularization.l1_mode: is proximal, whose step is the plain learning rate times l1, but optimizer 'muon' does not step by that rate; "
            + "set l1_mode to subgradient"],
        Violations("muon", new MuonOptions()));

    [Fact]
    public void Adagrad_is_refused_where_its_rate_falls_by_itself()
    {
        Assert.Equal(
            ["regularization.l1_mode: is proximal, whose step is the plain learning rate times l1, but optimizer 'adagrad' with a learning_rate_decay "
                + "of 0.01 does not step by that rate; set l1_mode to subgradient, or learning_rate_decay to 0"],
            Violations("adagrad", new AdagradOptions { LearningRateDecay = 0.01 }));
        Assert.Empty(Violations("adagrad", new AdagradOptions()));
    }

    [Theory]
    [InlineData(0.1, L1Mode.Subgradient)]
    [InlineData(0.0, L1Mode.Proximal)]
    public void Without_a_proximal_step_there_is_nothing_to_refuse(double l1, L1Mode mode) =>
        Assert.Empty(Violations("lars", new LarsOptions(), l1, mode));

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
