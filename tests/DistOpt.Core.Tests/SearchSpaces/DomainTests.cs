using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;

namespace DistOpt.Core.Tests.SearchSpaces;

/// <summary>Domains and their scale from 0 to 1.</summary>
public sealed class DomainTests
{
    private static readonly (string Name, Domain Domain)[] s_all =
    [
        ("float", new FloatDomain(-2, 5)), ("log-float", new FloatDomain(1e-5, 1e-1, log: true)), ("stepped", new FloatDomain(0, 1, step: 0.25)),
        ("int", new IntDomain(1, 5)), ("even", new IntDomain(2, 9, step: 2)), ("log-int", new IntDomain(1, 1000, log: true)), ("single", new IntDomain(3, 3)),
        ("choices", new ChoiceDomain(["relu", null, 3L, true])), ("one choice", new ChoiceDomain(["sgd"])),
    ];

    public static TheoryData<string> All => [.. s_all.Select(d => d.Name)];

    [Theory, MemberData(nameof(All))]
    public void Every_place_is_a_value_of_the_domain_and_lies_where_it_was_taken_from(string name)
    {
        var domain = s_all.Single(d => d.Name == name).Domain;
        for (int i = 0; i <= 1000; i++)
        {
            double value = domain.FromUnit(i / 1000.0);
            Assert.True(domain.Contains(value), $"{value} at {i / 1000.0}");
            Assert.Equal(value, domain.FromUnit(domain.ToUnit(value)), 1e-9 * Math.Abs(value));
            Assert.InRange(domain.ToUnit(value), 0, 1);
        }
        Assert.False(domain.Contains(double.NaN));
        Assert.Empty(domain.Problems());
    }

    /// <summary>Bounds with as many digits as a float64 has, as computed ones have.</summary>
    [Fact]
    public void Every_step_is_a_value_of_the_domain_whatever_its_bounds_are()
    {
        var third = new FloatDomain(0.1 * 3, 1, step: 0.1);
        Assert.Equal((0.1 * 3, true), (third.At(0), third.Contains(third.FromUnit(0))));
        Assert.Equal(0.4, third.At(1));
        var random = new CounterRandom(1, RandomPurpose.Simulation);
        for (int i = 0; i < 2000; i++)
        {
            double low = (random.NextDouble() - 0.5) * Math.Pow(10, random.NextInt(14) - 2);
            double step = Math.Pow(10, random.NextInt(6) - 3) * (0.1 + random.NextDouble());
            var domain = new FloatDomain(low, low + step * (1 + 20 * random.NextDouble()), step);
            for (long at = 0; at < domain.Count; at++)
            {
                double value = domain.At(at);
                Assert.True(domain.Contains(value), $"{value:R} is step {at} of {domain}");
                Assert.Equal(at, domain.StepsTo(value));
                Assert.Equal(value, domain.Round(value));
            }
            Assert.True(domain.Contains(domain.FromUnit(0)) && domain.Contains(domain.FromUnit(1)) && domain.Contains(domain.Last), $"{domain}");
        }
    }

    /// <summary>The ends have an interval of the same length as all others.</summary>
    [Theory]
    [InlineData("stepped", 5)]
    [InlineData("int", 5)]
    [InlineData("even", 4)]
    [InlineData("choices", 4)]
    public void Even_places_give_every_value_as_often(string name, int count)
    {
        var domain = s_all.Single(d => d.Name == name).Domain;
        Assert.Equal(count, domain.Count);
        var values = Enumerable.Range(0, 1000 * count).Select(i => domain.FromUnit((i + 0.5) / (1000 * count))).GroupBy(v => v).ToList();
        Assert.Equal(count, values.Count);
        Assert.All(values, v => Assert.InRange(v.Count(), 999, 1001));
    }

    [Fact]
    public void A_logarithmic_domain_gives_every_order_of_magnitude_as_often()
    {
        var domain = new FloatDomain(1e-5, 1e-1, log: true);
        Assert.Equal(1e-3, domain.FromUnit(0.5), 1e-12);
        Assert.Equal(0.25, domain.ToUnit(1e-4), 1e-12);
        Assert.Null(domain.Count);
    }

    [Fact]
    public void What_a_step_does_not_reach_is_no_value()
    {
        var domain = new IntDomain(2, 9, step: 2);
        Assert.Equal((8, 4), (domain.Last, domain.Count));
        Assert.False(domain.Contains(9));
        Assert.False(domain.Contains(3));
        Assert.Equal(8, domain.Round(100));
    }

    [Fact]
    public void Steps_give_the_digits_that_a_person_would_write()
    {
        var domain = new FloatDomain(0, 0.95, step: 0.05);
        Assert.Equal([0, 0.05, 0.1, 0.15, 0.2], Enumerable.Range(0, 5).Select(i => domain.Round(i * 0.05)));
        Assert.Equal(0.95, domain.FromUnit(1));
        Assert.Equal(1e-20 * 3, new FloatDomain(0, 1e-19, step: 1e-20).Round(3.2e-20), 1e-33);
    }

    [Fact]
    public void What_is_wrong_is_said_with_the_values()
    {
        Assert.Equal(["goes from 2 to 1: the first must not be above the second"], new FloatDomain(2, 1).Problems());
        Assert.Equal(["is logarithmic from 0: that must be above 0"], new FloatDomain(0, 1, log: true).Problems());
        Assert.Equal(["has step 0: it must be above 0"], new FloatDomain(0, 1, step: 0).Problems());
        Assert.Equal(["has step 2 and is logarithmic: only one of the two is possible"], new IntDomain(1, 9, step: 2, log: true).Problems());
        Assert.Equal(["goes from 0 to NaN: both must be finite"], new FloatDomain(0, double.NaN).Problems());
        Assert.Equal(["has no choices: give at least one"], new ChoiceDomain([]).Problems());
        Assert.Equal(["has choice 'a' 2 times: give it once"], new ChoiceDomain(["a", "b", "a"]).Problems());
    }

    [Fact]
    public void Domains_with_the_same_choices_are_equal()
    {
        Assert.Equal(new ChoiceDomain(["a", 1L]), new ChoiceDomain(["a", 1L]));
        Assert.NotEqual(new ChoiceDomain(["a", 1L]), new ChoiceDomain([1L, "a"]));
        Assert.Equal(new ChoiceDomain(["a", 1L]).GetHashCode(), new ChoiceDomain(["a", 1L]).GetHashCode());
    }
}
