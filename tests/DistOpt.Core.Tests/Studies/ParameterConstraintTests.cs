using DistOpt.Core.Studies;
using static DistOpt.Core.Tests.Studies.StudyFixture;

namespace DistOpt.Core.Tests.Studies;

public sealed class ParameterConstraintTests
{
    private static readonly StudySpec s_spec = Parse("""
        study: { constraints: [{ parameters: 'model.hidden[0] - model.hidden[1]', at_least: 0 }] }
        space:
          model.hidden: { list: { length: { int: [1, 3] }, each: { int: [4, 64] } } }
          batch.size: { choices: [8, 16, 32] }
        """);

    /// <summary>A length of 1 has no second width.</summary>
    [Fact]
    public void A_constraint_holds_where_a_parameter_of_it_has_no_value()
    {
        var constraint = s_spec.Constraints.Single();
        Assert.Equal("model.hidden[0] - model.hidden[1]", constraint.Text);
        Assert.True(constraint.Holds([1, 4, double.NaN, double.NaN, 0]));
        Assert.True(constraint.Holds([2, 4, 4, double.NaN, 0]));
        Assert.False(constraint.Holds([2, 4, 5, double.NaN, 0]));
    }

    [Theory]
    [InlineData(1.0, null, 2.0, -1.0)]
    [InlineData(1.0, null, 0.5, 0.5)]
    [InlineData(null, 1.0, 3.0, 2.0)]
    [InlineData(1.0, 3.0, 2.5, -0.5)]
    [InlineData(1.0, 3.0, double.NaN, double.PositiveInfinity)]
    public void A_violation_is_how_far_a_value_is_out_of_bounds(double? least, double? most, double value, double violation) =>
        Assert.Equal(violation, new ConstraintSection { Metric = "validation.loss", AtLeast = least, AtMost = most }.Violation(value));
}
