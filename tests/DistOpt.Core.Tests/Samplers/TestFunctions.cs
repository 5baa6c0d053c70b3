using DistOpt.Core.SearchSpaces;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>
/// What samplers are compared on. Ten functions of the literature (Surjanovic and Bingham, "Virtual Library of Simulation Experiments"; sigopt's evalset), one
/// with parameters of all kinds and one whose parameters depend on others. Where the usual domain has its middle at the minimizer (Ackley, Rastrigin, Griewank)
/// it is shifted, as evalset does with Ackley's, since some samplers begin in the middle. <c>Fixtures/optuna_figures.py</c> has the same functions.
/// </summary>
internal static class TestFunctions
{
    private static readonly double[] s_alphas = [1, 1.2, 3, 3.2];

    private static readonly double[][] s_a3 = [[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]];

    private static readonly double[][] s_p3 =
        [[0.3689, 0.1170, 0.2673], [0.4699, 0.4387, 0.7470], [0.1091, 0.8732, 0.5547], [0.0381, 0.5743, 0.8828]];

    private static readonly double[][] s_a6 = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]];

    private static readonly double[][] s_p6 =
    [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886], [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650], [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ];

    public static TestFunction Branin { get; } = new("Branin", Space((-5, 10), (0, 15)), BraninValue, 0.39788735772973816,
        [[-Math.PI, 12.275], [Math.PI, 2.275], [3 * Math.PI, 2.475]], 1e-12);

    /// <summary>Published: -3.86278. Some have 0.03815 instead of 0.0381 in p, and with it -3.86278214782076.</summary>
    public static TestFunction Hartmann3 { get; } = new("Hartmann3", Cube(3, 0, 1), x => Hartmann(x, s_a3, s_p3), -3.862779787332663,
        [[0.1145888649597168, 0.5556488931884765, 0.852546984741211]], 1e-12);

    public static TestFunction Hartmann6 { get; } = new("Hartmann6", Cube(6, 0, 1), x => Hartmann(x, s_a6, s_p6), -3.32236801141551,
        [[0.20168952, 0.15001069, 0.47687398, 0.27533243, 0.31165162, 0.65730054]], 1e-10);

    public static TestFunction SixHumpCamel { get; } = new("SixHumpCamel", Space((-3, 3), (-2, 2)), SixHumpCamelValue, -1.031628453489877,
        [[0.08984201, -0.71265640], [-0.08984201, 0.71265640]], 1e-12);

    public static TestFunction GoldsteinPrice { get; } = new("GoldsteinPrice", Cube(2, -2, 2), GoldsteinPriceValue, 3, [[0, -1]], 1e-10);

    public static TestFunction StyblinskiTang { get; } = new("StyblinskiTang-5", Cube(5, -5, 5),
        x => x.Sum(v => Math.Pow(v, 4) - 16 * v * v + 5 * v) / 2, -39.16616570377142 * 5, [Point(-2.903534027771)], 1e-10);

    public static TestFunction Ackley { get; } = new("Ackley-5", Cube(5, -10, 30), AckleyValue, 0, [Point(0)], 1e-14);

    public static TestFunction Rastrigin { get; } = new("Rastrigin-5", Cube(5, -3.12, 7.12),
        x => x.Sum(v => v * v - 10 * Math.Cos(Math.Tau * v) + 10), 0, [Point(0)], 1e-12);

    public static TestFunction Levy { get; } = new("Levy-5", Cube(5, -10, 10), LevyValue, 0, [Point(1)], 1e-12);

    public static TestFunction Griewank { get; } = new("Griewank-5", Cube(5, -50, 20), GriewankValue, 0, [Point(0)], 1e-12);

    /// <summary>
    /// Numbers on a logarithm, integers, steps, and a choice by which the best rate differs:
    /// (lg rate - c_kind)^2 + o_kind + ((layers - 5) / 3)^2 + log2(width / 96)^2 / 4 + 10 (dropout - 0.25)^2, c = -4, -3, -2, -1, o = 0.4, 0, 0.6, 0.2.
    /// </summary>
    public static TestFunction Mixed { get; } = new("mixed", new SearchSpace(
    [
        new("rate", new FloatDomain(1e-5, 1, log: true)),
        new("kind", new ChoiceDomain(["a", "b", "c", "d"])),
        new("layers", new IntDomain(1, 8)),
        new("width", new IntDomain(8, 512, log: true)),
        new("dropout", new FloatDomain(0, 0.9, step: 0.05)),
    ]), MixedValue, 0, [[1e-3, 1, 5, 96, 0.25]], 1e-25);

    /// <summary>
    /// A kind of optimizer with parameters of its own, and a width for each layer that there is: for sgd (lg rate + 1)^2 + 4 (momentum - 0.9)^2, for adam
    /// (lg rate + 3)^2 + (lg beta + 1)^2 + 0.1; plus 0.6, 0 or 0.3 by depth; plus log2(width_i / w_i)^2 / 8 of each layer, w = 64, 32, 16.
    /// </summary>
    public static TestFunction Conditional { get; } = new("conditional", new SearchSpace(
    [
        new("kind", new ChoiceDomain(["sgd", "adam"])),
        new("rate", new FloatDomain(1e-5, 1, log: true)),
        new("momentum", new FloatDomain(0, 0.99), new Condition("kind", Among: [0])),
        new("beta", new FloatDomain(1e-3, 0.5, log: true), new Condition("kind", Among: [1])),
        new("depth", new IntDomain(1, 3)),
        new("width.0", new IntDomain(4, 256, log: true)),
        new("width.1", new IntDomain(4, 256, log: true), new Condition("depth", Least: 2)),
        new("width.2", new IntDomain(4, 256, log: true), new Condition("depth", Least: 3)),
    ]), ConditionalValue, 0, [[0, 0.1, 0.9, double.NaN, 2, 64, 32, double.NaN]], 1e-25);

    public static IReadOnlyList<TestFunction> All { get; } =
    [
        Branin, Hartmann3, Hartmann6, SixHumpCamel, GoldsteinPrice, StyblinskiTang, Ackley, Rastrigin, Levy, Griewank, Mixed, Conditional,
    ];

    private static SearchSpace Space(params (double Low, double High)[] bounds) =>
        new(bounds.Select((b, i) => new SearchParameter($"x{i}", new FloatDomain(b.Low, b.High))));

    private static SearchSpace Cube(int dimensions, double low, double high) => Space([.. Enumerable.Repeat((low, high), dimensions)]);

    private static double[] Point(double value) => [.. Enumerable.Repeat(value, 5)];

    private static double BraninValue(double[] x) =>
        Math.Pow(x[1] - 5.1 / (4 * Math.PI * Math.PI) * x[0] * x[0] + 5 / Math.PI * x[0] - 6, 2) + 10 * (1 - 1 / (8 * Math.PI)) * Math.Cos(x[0]) + 10;

    private static double Hartmann(double[] x, double[][] a, double[][] p) =>
        -Enumerable.Range(0, 4).Sum(i => s_alphas[i] * Math.Exp(-Enumerable.Range(0, x.Length).Sum(j => a[i][j] * Math.Pow(x[j] - p[i][j], 2))));

    private static double SixHumpCamelValue(double[] x)
    {
        double a = x[0] * x[0], b = x[1] * x[1];
        return (4 - 2.1 * a + a * a / 3) * a + x[0] * x[1] + (-4 + 4 * b) * b;
    }

    private static double GoldsteinPriceValue(double[] x)
    {
        double a = x[0], b = x[1];
        return (1 + Math.Pow(a + b + 1, 2) * (19 - 14 * a + 3 * a * a - 14 * b + 6 * a * b + 3 * b * b))
            * (30 + Math.Pow(2 * a - 3 * b, 2) * (18 - 32 * a + 12 * a * a + 48 * b - 36 * a * b + 27 * b * b));
    }

    private static double AckleyValue(double[] x) =>
        -20 * Math.Exp(-0.2 * Math.Sqrt(x.Average(v => v * v))) - Math.Exp(x.Average(v => Math.Cos(Math.Tau * v))) + 20 + Math.E;

    private static double LevyValue(double[] x)
    {
        double[] w = [.. x.Select(v => 1 + (v - 1) / 4)];
        double sum = Math.Pow(Math.Sin(Math.PI * w[0]), 2) + Math.Pow(w[^1] - 1, 2) * (1 + Math.Pow(Math.Sin(Math.Tau * w[^1]), 2));
        return sum + w[..^1].Sum(v => Math.Pow(v - 1, 2) * (1 + 10 * Math.Pow(Math.Sin(Math.PI * v + 1), 2)));
    }

    private static double GriewankValue(double[] x) =>
        1 + x.Sum(v => v * v) / 4000 - x.Select((v, i) => Math.Cos(v / Math.Sqrt(i + 1))).Aggregate(1.0, (product, v) => product * v);

    private static double MixedValue(double[] x)
    {
        int kind = (int)x[1];
        double[] centres = [-4, -3, -2, -1], offsets = [0.4, 0, 0.6, 0.2];
        return Math.Pow(Math.Log10(x[0]) - centres[kind], 2) + offsets[kind] + Math.Pow((x[2] - 5) / 3, 2) + Math.Pow(Math.Log2(x[3] / 96), 2) / 4
            + 10 * Math.Pow(x[4] - 0.25, 2);
    }

    private static double ConditionalValue(double[] x)
    {
        double rate = Math.Log10(x[1]);
        double sum = x[0] == 0 ? Math.Pow(rate + 1, 2) + 4 * Math.Pow(x[2] - 0.9, 2) : Math.Pow(rate + 3, 2) + Math.Pow(Math.Log10(x[3]) + 1, 2) + 0.1;
        int depth = (int)x[4];
        double[] widths = [64, 32, 16], offsets = [0.6, 0, 0.3];
        for (int i = 0; i < depth; i++) sum += Math.Pow(Math.Log2(x[5 + i] / widths[i]), 2) / 8;
        return sum + offsets[depth - 1];
    }
}
