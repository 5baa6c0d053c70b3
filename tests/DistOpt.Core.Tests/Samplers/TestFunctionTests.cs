using DistOpt.Core.Randomness;
using DistOpt.Core.Samplers;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>The test functions are the published ones.</summary>
public sealed class TestFunctionTests
{
    private const int Points = 20_000;

    public static TheoryData<string> Names => [.. TestFunctions.All.Select(f => f.Name)];

    [Theory, MemberData(nameof(Names))]
    public void Each_has_its_published_least_value_at_its_published_minimizers(string name)
    {
        var function = Get(name);
        Assert.All(function.Minimizers, at =>
        {
            Assert.Empty(function.Space.Check(at));
            Assert.Equal(function.Least, function.Value(at), function.Tolerance);
        });
    }

    /// <summary>Neither at points all over the space nor at ones close to the minimizers.</summary>
    [Theory, MemberData(nameof(Names))]
    public void None_is_less_anywhere(string name)
    {
        var function = Get(name);
        var space = function.Space;
        double[] values = new double[space.Count];
        for (int i = 0; i < Points; i++)
        {
            new RandomSampler().Suggest(new(space, Direction.Minimize), 1, i, values);
            if (i % 2 == 0)
            {
                double[] near = function.Minimizers[i / 2 % function.Minimizers.Length];
                var random = new CounterRandom(2, RandomPurpose.User, i);
                for (int j = 0; j < values.Length; j++)
                {
                    double shift = 0.01 * (random.NextDouble() - 0.5);
                    values[j] = double.IsNaN(near[j]) ? near[j]
                        : space.Parameters[j].Domain.FromUnit(Math.Clamp(space.Parameters[j].Domain.ToUnit(near[j]) + shift, 0, 1));
                }
            }
            double value = function.Value(values);
            Assert.True(value >= function.Least - function.Tolerance, $"{value} at {string.Join(' ', values)}");
        }
    }

    [Fact]
    public void There_are_twelve_with_names_of_their_own() => Assert.Equal(12, TestFunctions.All.Select(f => f.Name).Distinct().Count());

    private static TestFunction Get(string name) => TestFunctions.All.Single(f => f.Name == name);
}
