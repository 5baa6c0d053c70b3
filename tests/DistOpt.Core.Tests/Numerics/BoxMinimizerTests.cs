using DistOpt.Core.Numerics;

namespace DistOpt.Core.Tests.Numerics;

public sealed class BoxMinimizerTests
{
    private static readonly double[] s_below = [double.NegativeInfinity, double.NegativeInfinity];

    private static readonly double[] s_above = [double.PositiveInfinity, double.PositiveInfinity];

    [Fact]
    public void It_finds_the_end_of_rosenbrocks_valley()
    {
        double[] point = [-1.2, 1];
        double value = BoxMinimizer.Minimize(Rosenbrock, point, s_below, s_above, 1e-8, 500);
        Assert.Equal(0, value, 1e-12);
        Assert.Equal([1, 1], point.Select(x => Math.Round(x, 6)));
    }

    /// <summary>Rosenbrock's function within x from 0 to 0.5: the best is at the bound x = 1/2, y = 1/4, with (1 - 1/2)^2.</summary>
    [Fact]
    public void A_minimum_at_a_bound_is_found_there()
    {
        double[] point = [-3, 2];
        double value = BoxMinimizer.Minimize(Rosenbrock, point, [0, -2], [0.5, 2], 1e-8, 500);
        Assert.Equal(0.25, value, 1e-9);
        Assert.Equal(0.5, point[0]);
        Assert.Equal(0.25, point[1], 1e-5);
    }

    /// <summary>Condition 1e6, 20 dimensions: the nearest point of the box to where the free minimum would be, as the axes are independent.</summary>
    [Fact]
    public void Of_a_quadratic_along_the_axes_every_dimension_ends_at_its_nearest_place()
    {
        const int n = 20;
        double[] aims = [.. Enumerable.Range(0, n).Select(i => Math.Sin(i) * 2)], point = new double[n];
        BoxMinimizer.Minimize((x, g) =>
        {
            double sum = 0;
            for (int i = 0; i < n; i++)
            {
                double weight = Math.Pow(10, 6.0 * i / (n - 1));
                sum += weight * (x[i] - aims[i]) * (x[i] - aims[i]);
                g[i] = 2 * weight * (x[i] - aims[i]);
            }
            return sum;
        }, point, [.. Enumerable.Repeat(-1.0, n)], [.. Enumerable.Repeat(1.0, n)], 1e-9, 1000);
        for (int i = 0; i < n; i++) Assert.Equal(Math.Clamp(aims[i], -1, 1), point[i], 1e-6);
    }

    [Fact]
    public void It_does_not_step_to_where_the_function_is_not_finite_and_says_so_if_it_begins_there()
    {
        double[] point = [3];
        // x - log x, infinite up to 0
        BoxMinimizer.Minimize((x, g) =>
        {
            g[0] = 1 - 1 / x[0];
            return x[0] > 0 ? x[0] - Math.Log(x[0]) : double.PositiveInfinity;
        }, point, [-10], [10], 1e-9, 100);
        Assert.Equal(1, point[0], 1e-6);
        Assert.Equal(double.NaN, BoxMinimizer.Minimize((_, _) => double.NaN, point, [-10], [10], 1e-9, 100));
    }

    private static double Rosenbrock(ReadOnlySpan<double> x, Span<double> gradient)
    {
        double a = x[1] - x[0] * x[0], b = 1 - x[0];
        (gradient[0], gradient[1]) = (-400 * a * x[0] - 2 * b, 200 * a);
        return 100 * a * a + b * b;
    }
}
