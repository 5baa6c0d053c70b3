using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Tests.SearchSpaces;

/// <summary>Spaces with conditions.</summary>
public sealed class SearchSpaceTests
{
    /// <summary>Momentum for sgd alone, and a nesterov flag for momentum above 0.5 alone; widths of as many layers as there are.</summary>
    private static readonly SearchSpace s_nested = new(
    [
        new("optimizer.kind", new ChoiceDomain(["adam", "sgd"])),
        new("optimizer.momentum", new FloatDomain(0, 1, step: 0.25), new Condition("optimizer.kind", Among: [1])),
        new("optimizer.nesterov", new ChoiceDomain([false, true]), new Condition("optimizer.momentum", Least: 0.5)),
        new("depth", new IntDomain(1, 3)),
        new("width.1", new IntDomain(1, 2), new Condition("depth", Least: 2)),
        new("width.2", new IntDomain(1, 2), new Condition("depth", Least: 3)),
    ]);

    [Fact]
    public void A_parameter_has_a_value_where_its_condition_holds_and_its_parent_has_one()
    {
        Assert.Empty(s_nested.Check([0, double.NaN, double.NaN, 1, double.NaN, double.NaN]));
        Assert.Empty(s_nested.Check([1, 0.75, 1, 3, 1, 2]));
        Assert.Empty(s_nested.Check([1, 0.25, double.NaN, 2, 2, double.NaN]));
        Assert.True(s_nested.IsConditional);
    }

    [Fact]
    public void Values_outside_missing_or_superfluous_are_named_all_at_once()
    {
        Assert.Equal(["optimizer.momentum: is 0.3, which is not in its domain", "depth: is 4, which is not in its domain"],
            s_nested.Check([1, 0.3, double.NaN, 4, 1, 1]).Select(v => v.ToString()));
        Assert.Equal(["optimizer.momentum: is NaN, which is not in its domain", "width.1: has a value, but depth is not as its condition wants"],
            s_nested.Check([1, double.NaN, double.NaN, 1, 1, double.NaN]).Select(v => v.ToString()));
        Assert.Equal(["has 2 values for 6 parameters"], s_nested.Check([1, 2]).Select(v => v.ToString()));
    }

    /// <summary>adam 1, sgd 2 momenta without and 3 with a flag: 1 + 2 + 6; depths 1 + 2 + 4.</summary>
    [Fact]
    public void Configurations_are_counted_with_their_conditions() => Assert.Equal(9 * 7, s_nested.Size);

    [Fact]
    public void A_continuum_and_what_does_not_fit_into_63_bits_have_no_size()
    {
        Assert.Null(new SearchSpace([new("a", new FloatDomain(0, 1))]).Size);
        Assert.Null(new SearchSpace(Enumerable.Range(0, 7).Select(i => new SearchParameter($"p{i}", new IntDomain(1, 1000)))).Size);
        Assert.Equal(1000_000_000_000, new SearchSpace(Enumerable.Range(0, 4).Select(i => new SearchParameter($"p{i}", new IntDomain(1, 1000)))).Size);
    }

    [Fact]
    public void Everything_that_is_wrong_with_a_space_is_said_at_once()
    {
        var error = Assert.Throws<SpecException>(() => new SearchSpace(
        [
            new("a", new FloatDomain(1, 0)),
            new("b", new IntDomain(1, 3), new Condition("c")),
            new("c", new IntDomain(1, 3), new Condition("nobody")),
            new("c", new IntDomain(1, 3)),
            new("d", new IntDomain(1, 3), new Condition("b", Least: 4)),
            new("e", new IntDomain(1, 3), new Condition("b", Among: [7])),
        ]));
        Assert.Equal(
        [
            "space.a: goes from 1 to 0: the first must not be above the second",
            "space.b: has a condition on 'c', which must stand before it",
            "space.c: has a condition on 'nobody', which is no parameter of the space",
            "space.c: is named twice: give it once",
            "space.d: has a condition on 'b' that no value of it meets: the parameter would never have a value",
            "space.e: has a condition on 'b' that no value of it meets: the parameter would never have a value",
        ], error.Violations.Select(v => v.ToString()));
    }

    /// <summary>A flag of sgd with momentum in deep models, of which there are 2 momenta times 1 depth; 3 x 2 without it.</summary>
    [Fact]
    public void Several_conditions_must_hold_together()
    {
        var space = new SearchSpace(
        [
            new("kind", new ChoiceDomain(["adam", "sgd"])),
            new("depth", new IntDomain(1, 3)),
            new("flag", new ChoiceDomain([false, true]), new Condition("kind", Among: [1])) { AndWhen = [new Condition("depth", Least: 3)] },
        ]);
        Assert.Empty(space.Check([1, 3, 1]));
        Assert.Empty(space.Check([1, 2, double.NaN]));
        Assert.Empty(space.Check([0, 3, double.NaN]));
        Assert.Equal(["flag: has a value, but depth is not as its condition wants"], space.Check([1, 2, 0]).Select(v => v.ToString()));
        Assert.Equal(["flag: has a value, but kind is not as its condition wants"], space.Check([0, 3, 0]).Select(v => v.ToString()));
        Assert.Equal(5 + 2, space.Size);
    }

    /// <summary>Each alone would be met: b wants a to be small, c wants it to be large, and b to be there.</summary>
    [Fact]
    public void Conditions_that_contradict_each_other_over_several_parameters_are_named()
    {
        var error = Assert.Throws<SpecException>(() => new SearchSpace(
        [
            new("a", new IntDomain(1, 9)),
            new("b", new IntDomain(1, 3), new Condition("a", Most: 4)),
            new("c", new IntDomain(1, 3), new Condition("b")) { AndWhen = [new Condition("a", Least: 5)] },
            new("d", new IntDomain(1, 3), new Condition("c")),
            new("e", new IntDomain(1, 3), new Condition("b")) { AndWhen = [new Condition("a", Among: [4, 5])] },
        ]));
        Assert.Equal(["space.c", "space.d"], error.Violations.Select(v => v.Path));
        Assert.Equal("has conditions on 'a', those of the parameters that it hangs on included, that no value of it meets together: the parameter would never have a value",
            error.Violations[0].Message);
    }

    /// <summary>Three steps of 0.1 are 0.3, and not what three times 0.1 is in float64.</summary>
    [Theory]
    [InlineData(0, 1, 0.1)]
    [InlineData(0, 0.3, 0.1)]
    [InlineData(0.05, 0.95, 0.05)]
    public void A_condition_that_begins_at_a_step_is_possible(double low, double high, double step)
    {
        var parent = new FloatDomain(low, high, step);
        for (long i = 0; i < parent.Count; i++)
        {
            double value = Math.Round(low + i * step, 2);
            Assert.True(new Condition("p", value).IsPossible(parent), $"from {value} on");
            Assert.True(new Condition("p", value, value).IsPossible(parent), $"{value} alone");
            Assert.Equal(i + 1 < parent.Count, new Condition("p", value + step / 4).IsPossible(parent));
        }
    }

    [Theory]
    [InlineData(2.5, 4, true)]
    [InlineData(2.5, 3.5, false)]
    [InlineData(5, 6, false)]
    [InlineData(10, 20, true)]
    [InlineData(10.5, 20, false)]
    public void A_condition_on_a_range_is_possible_where_a_step_falls_into_it(double least, double most, bool isPossible) =>
        Assert.Equal(isPossible, new Condition("p", least, most).IsPossible(new IntDomain(1, 10, step: 3)));
}
