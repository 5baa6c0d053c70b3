using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Tests.SearchSpaces;

/// <summary>Spaces that contain others.</summary>
public sealed class SpaceWideningTests
{
    private static readonly SearchSpace s_from = new(
    [
        new("rate", new FloatDomain(1e-4, 1e-1, log: true)), new("kind", new ChoiceDomain(["adam", "sgd"])),
        new("momentum", new FloatDomain(0, 0.9, step: 0.1), new Condition("kind", Among: [1])), new("depth", new IntDomain(1, 2)),
        new("width[0]", new IntDomain(8, 32)), new("width[1]", new IntDomain(8, 32), new Condition("depth", Least: 2)),
    ]);

    private static SearchSpace Wide { get; } = new(
    [
        new("depth", new IntDomain(1, 3)), new("kind", new ChoiceDomain(["lion", "adam", "sgd"])), new("rate", new FloatDomain(1e-5, 1, log: true)),
        new("decay", new FloatDomain(0, 1)), new("momentum", new FloatDomain(0, 1, step: 0.05), new Condition("kind", Among: [0, 2])),
        new("width[0]", new IntDomain(4, 64)), new("width[1]", new IntDomain(4, 64), new Condition("depth", Least: 2)),
        new("width[2]", new IntDomain(4, 64), new Condition("depth", Least: 3)), new("beta", new FloatDomain(0, 1), new Condition("kind", Among: [0])),
        new("nesterov", new ChoiceDomain([false, true]), new Condition("kind", Among: [2])),
    ]);

    [Fact]
    public void Configurations_keep_their_values_by_name_and_have_the_defaults_of_what_is_added()
    {
        var widening = new SpaceWidening(s_from, Wide, new Dictionary<string, double> { ["decay"] = 0.25, ["nesterov"] = 1 });
        var sgd = widening.Map([1e-3, 1, 0.3, 2, 16, 32]);
        Assert.Equal([2, 2, 1e-3, 0.25, 0.3, 16, 32, double.NaN, double.NaN, 1], sgd);
        var adam = widening.Map([1e-3, 0, double.NaN, 1, 16, double.NaN]);
        Assert.Equal([1, 1, 1e-3, 0.25, double.NaN, 16, double.NaN, double.NaN, double.NaN, double.NaN], adam);
        Assert.All(new[] { sgd, adam }, c => Assert.Empty(Wide.Check([.. c])));
        // of a point what is left to the sampler stays so
        Assert.Equal([double.NaN, 2, double.NaN, double.NaN, 0.5, double.NaN, double.NaN, double.NaN, double.NaN, double.NaN],
            widening.MapPoint([double.NaN, 1, 0.5, double.NaN, double.NaN, double.NaN]));
        Assert.Throws<ArgumentException>(() => widening.Map([1]));
    }

    [Fact]
    public void A_space_contains_itself() => Assert.Equal([1e-3, 0, double.NaN, 1, 16, double.NaN],
        new SpaceWidening(s_from, s_from, new Dictionary<string, double>()).Map([1e-3, 0, double.NaN, 1, 16, double.NaN]));

    [Fact]
    public void All_that_is_narrower_is_named()
    {
        var narrow = new SearchSpace(
        [
            new("rate", new FloatDomain(1e-3, 1)), new("kind", new ChoiceDomain(["sgd", "lion"], IsOrdered: true)), new("momentum", new FloatDomain(0, 0.9, step: 0.3)),
            new("depth", new FloatDomain(1, 2)), new("width[0]", new IntDomain(8, 32, 2)), new("decay", new FloatDomain(0, 1)), new("drop", new FloatDomain(0, 1)),
        ]);
        var error = Assert.Throws<SpecException>(() =>
            new SpaceWidening(s_from, narrow, new Dictionary<string, double> { ["drop"] = 2, ["rate"] = 1, ["typo"] = 1 }));
        Assert.Equal(
        [
            "space.width[1]: is no longer in the space; parameters can only be added: put it back, with its values or with one value among them",
            "space.rate: has a default, but is no parameter that is added; leave the default away",
            "space.typo: has a default, but is no parameter that is added; leave the default away",
            "space.rate: is not logarithmic, unlike before",
            "space.rate: goes from 0.001 to 1, which does not contain all from 0.0001 to 0.1; "
                + "ranges can only be made wider, and steps must still meet the values of before",
            "space.kind: no longer has choice 'adam'; choices can only be added",
            "space.kind: is ordered, unlike before",
            "space.momentum: goes from 0 to 0.9 in steps of 0.3, which does not contain all from 0 to 0.9 in steps of 0.1; "
                + "ranges can only be made wider, and steps must still meet the values of before",
            "space.momentum: has other conditions than before: for values of before it must have a value exactly where it had one",
            "space.depth: is of another kind than before: a float, an int and choices stay what they are",
            "space.width[0]: goes from 8 to 32 in steps of 2, which does not contain all from 8 to 32 in steps of 1; "
                + "ranges can only be made wider, and steps must still meet the values of before",
            "space.decay: is added, but has no default: say what earlier trials are taken to have had",
            "space.drop: has default 2, which is not in its domain; earlier trials would not be in the space",
        ], error.Violations.Select(v => $"{v.Path}: {v.Message}"));
    }

    [Fact]
    public void A_condition_that_a_value_of_before_now_meets_is_another_one()
    {
        var space = new SearchSpace([new("kind", new ChoiceDomain(["a", "b"])), new("x", new FloatDomain(0, 1), new Condition("kind", Among: [1]))]);
        SearchSpace With(params double[] among) => new([new("kind", new ChoiceDomain(["c", "a", "b"])), new("x", new FloatDomain(0, 1), new Condition("kind", Among: [.. among]))]);
        _ = new SpaceWidening(space, With(2), new Dictionary<string, double>());
        _ = new SpaceWidening(space, With(0, 2), new Dictionary<string, double>());
        Assert.Contains("other conditions", Assert.Throws<SpecException>(() => new SpaceWidening(space, With(1, 2), new Dictionary<string, double>())).Message);
        Assert.Contains("other conditions", Assert.Throws<SpecException>(() => new SpaceWidening(space, With(0), new Dictionary<string, double>())).Message);
    }
}
