using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;
using DistOpt.Core.Randomness;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Tests.Optimizers;

/// <summary>What a rule makes of parameter groups, tensor by tensor, and of patterns that match nothing.</summary>
public sealed class UpdateRuleTests
{
    private const double Rate = 0.5;
    private const double OwnDecay = 0.1;

    private static readonly ParameterLayout Layout = OptimizerRun.Of(("embedding.weight", [6, 2]), ("body.weight", [3, 4]), ("body.bias", [3]),
        ("body.gamma", [4]), ("body.temperature", []), ("head.weight", [2, 4]), ("head.kernel", [2, 2, 2, 2]), ("head.bias", [2]));

    private static readonly ParameterGroup[] Groups =
    [
        new() { Match = ["embedding.*"], LearningRateScale = 0 },
        new() { Match = ["head.weight", "*.gamma"], LearningRateScale = 10, WeightDecay = 0.4 },
        new() { Match = ["*.bias"], LearningRateScale = 2 },
        new() { Match = ["head.*"], LearningRateScale = 0.25, WeightDecay = 0 },
    ];

    [Theory]
    [InlineData("embedding.weight", true, 0.0, OwnDecay)]
    [InlineData("body.weight", true, 1.0, OwnDecay)]
    [InlineData("body.bias", true, 2.0, OwnDecay)]
    [InlineData("body.gamma", true, 10.0, 0.4)]
    [InlineData("body.temperature", true, 1.0, OwnDecay)]
    [InlineData("head.weight", true, 10.0, 0.4)]
    [InlineData("head.kernel", true, 0.25, 0.0)]
    [InlineData("head.bias", true, 2.0, OwnDecay)]
    [InlineData("embedding.weight", false, 0.0, OwnDecay)]
    [InlineData("body.weight", false, 1.0, OwnDecay)]
    [InlineData("body.bias", false, 2.0, 0.0)]
    [InlineData("body.gamma", false, 10.0, 0.4)]
    [InlineData("body.temperature", false, 1.0, 0.0)]
    [InlineData("head.weight", false, 10.0, 0.4)]
    [InlineData("head.kernel", false, 0.25, 0.0)]
    [InlineData("head.bias", false, 2.0, 0.0)]
    public void The_first_group_that_matches_gives_the_rates_factor_and_the_decay(string name, bool decayBiases, double scale, double decay)
    {
        var run = new OptimizerRun(Rule(decayBiases, Groups), Layout) { Rate = _ => Rate };
        float[] before = [.. run.Parameters], gradient = new float[Layout.ParameterCount];
        RandomKey.Of(5, RandomPurpose.Data).FillUniform(gradient);
        run.Step(1, 1, gradient);
        var tensor = Layout.Parameters.Single(p => p.Name == name);
        for (int i = (int)tensor.Range.Begin; i < tensor.Range.End; i++)
            Assert.Equal(before[i] - Rate * scale * (gradient[i] + decay * before[i]), run.Parameters[i], 4e-6);
    }

    /// <summary>Weight decay of a group stands in place of that of a decoupled optimizer too.</summary>
    [Fact]
    public void Without_a_gradient_adamw_takes_off_the_groups_decay_alone()
    {
        var optimizer = new Adam(new AdamWOptions { WeightDecay = OwnDecay });
        var run = new OptimizerRun(new UpdateRule(optimizer, Spec(true, Groups)), Layout) { Rate = _ => Rate };
        float[] before = [.. run.Parameters];
        run.Step(1, 1, new float[Layout.ParameterCount]);
        foreach (var (name, left) in new[] { ("body.weight", 1 - Rate * OwnDecay), ("head.weight", 1 - Rate * 10 * 0.4), ("head.kernel", 1.0) })
        {
            var tensor = Layout.Parameters.Single(p => p.Name == name);
            for (int i = (int)tensor.Range.Begin; i < tensor.Range.End; i++) Assert.Equal(before[i] * left, run.Parameters[i], 4e-6);
        }
    }

    [Fact]
    public void Every_pattern_of_a_group_that_matches_no_parameter_is_named()
    {
        var rule = Rule(true, new() { Match = ["body.*", "Body.*"] }, new() { Match = ["decoder.*"] });
        const string known = "embedding.weight, body.weight, body.bias, body.gamma, body.temperature, head.weight, head.kernel, head.bias";
        Assert.Equal(
            [$"optimizer.groups[0].match: 'Body.*' matches no parameter; there are {known}",
                $"optimizer.groups[1].match: 'decoder.*' matches no parameter; there are {known}"],
            rule.Violations(Layout).Select(v => v.ToString()));
        Assert.Empty(Rule(true, Groups).Violations(Layout));
    }

    [Fact]
    public void A_group_that_others_before_it_leave_nothing_is_named()
    {
        var rule = Rule(true, new() { Match = ["body.*", "*.kernel"] }, new() { Match = ["head.*"] }, new() { Match = ["*.gamma", "head.kernel"] },
            new() { Match = ["*.temperature", "decoder.*"] }, new() { Match = ["*"] }, new() { Match = ["*.bias"] });
        Assert.Equal(
            ["optimizer.groups[3].match: 'decoder.*' matches no parameter",
                "optimizer.groups[2].match: [*.gamma, head.kernel] applies to no parameter: the first group that matches counts, and all that it matches are of "
                + "groups[0]; put it in front of that, or leave it out",
                "optimizer.groups[3].match: [*.temperature, decoder.*] applies to no parameter: the first group that matches counts, and all that it matches "
                + "are of groups[0]; put it in front of that, or leave it out",
                "optimizer.groups[5].match: [*.bias] applies to no parameter: the first group that matches counts, and all that it matches are of groups[0], "
                + "groups[1]; put it in front of that, or leave it out"],
            rule.Violations(Layout).Select(v => Known(v.ToString())));

        static string Known(string text) => text.Contains(" matches no parameter;", StringComparison.Ordinal) ? text.Split(';')[0] : text;
    }

    /// <summary>A name that was mistyped would leave its matrix to the orthogonalized update without a word.</summary>
    [Fact]
    public void Every_pattern_of_muons_adamw_for_that_matches_no_parameter_is_named()
    {
        var options = new MuonOptions { AdamwFor = ["embedding.*", "lm_head.*"] };
        var layout = OptimizerRun.Of(("embedding.weight", [6, 2]), ("head.weight", [2, 4]));
        var groups = new[] { new ParameterGroup { Match = ["body.*"] } };
        var rule = new UpdateRule(new Muon(options), new TrainingSpec { Optimizer = new OptimizerSpec("muon", options) { Groups = [.. groups] } });
        Assert.Equal(
            ["optimizer.groups[0].match: 'body.*' matches no parameter; there are embedding.weight, head.weight",
                "optimizer.adamw_for: 'lm_head.*' matches no parameter; there are embedding.weight, head.weight"],
            rule.Violations(layout).Select(v => v.ToString()));
    }

    /// <summary>Its authors and torch leave the output layer to adamw; who forgets it hears of it, and the numbers stay what the spec says.</summary>
    [Theory]
    [InlineData("", true)]
    [InlineData("embedding.*", true)]
    [InlineData("head.kernel", false)]
    [InlineData("embedding.*,head.*", false)]
    public void A_run_with_muon_that_leaves_it_the_last_matrix_is_warned(string adamwFor, bool isWarned)
    {
        var muon = new OptimizerSpec("muon", new MuonOptions { AdamwFor = [.. adamwFor.Split(',', StringSplitOptions.RemoveEmptyEntries)] });
        var warnings = UpdateRule.Warnings(muon, Layout);
        if (!isWarned)
        {
            Assert.Empty(warnings);
            return;
        }
        Assert.Equal("optimizer 'muon' orthogonalizes every matrix, also 'head.kernel', the last one: where it is the output layer leave it, and embeddings, "
            + "to adamw, as Muon's authors and torch.optim.Muon do: optimizer.adamw_for: [head.kernel]", Assert.Single(warnings));
    }

    [Fact]
    public void Without_muon_or_a_matrix_there_is_nothing_to_warn_of()
    {
        Assert.Empty(UpdateRule.Warnings(new OptimizerSpec("adamw", new AdamWOptions()), Layout));
        Assert.Empty(UpdateRule.Warnings(new OptimizerSpec("muon", new MuonOptions()), OptimizerRun.Vector(5)));
    }

    [Fact]
    public void Of_many_parameters_twenty_are_listed()
    {
        var layout = OptimizerRun.Of([.. Enumerable.Range(0, 21).Select(i => ($"p{i}", (long[])[1]))]);
        string message = Assert.Single(Rule(true, new ParameterGroup { Match = ["q*"] }).Violations(layout)).Message;
        Assert.EndsWith(", p18, p19, ...", message, StringComparison.Ordinal);
    }

    private static UpdateRule Rule(bool decayBiases, params ParameterGroup[] groups) =>
        new(new Sgd(new SgdOptions { WeightDecay = OwnDecay }), Spec(decayBiases, groups));

    private static TrainingSpec Spec(bool decayBiases, ParameterGroup[] groups) =>
        new() { Optimizer = new OptimizerSpec { DecayBiases = decayBiases, Groups = [.. groups] } };
}
