using System.Collections.Immutable;
using DistOpt.Core.Pruners;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Functions;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>Which one of two samplers is better over the same seeds.</summary>
internal enum Verdict
{
    Worse,
    Same,
    Better,
}

/// <summary>The best values of studies, one trial after the other, over seeds from 1 on.</summary>
internal static class SamplerFigures
{
    public const int Seeds = 20;

    /// <summary>Of a two-sided test.</summary>
    private const double Significance = 0.05;

    /// <summary>By Wilcoxon's signed-rank test of the values of the same seeds, two-sided, p &lt; 0.05.</summary>
    /// <param name="own">One value for each seed; less is better.</param>
    /// <param name="others">Those of the other sampler.</param>
    public static Verdict Compare(double[] own, double[] others)
    {
        double[] gains = [.. others.Zip(own, (o, s) => o - s)];
        if (SignedRankTest.ExactPValueGreater(gains) < Significance / 2) return Verdict.Better;
        return SignedRankTest.ExactPValueGreater([.. gains.Select(g => -g)]) < Significance / 2 ? Verdict.Worse : Verdict.Same;
    }

    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>The best value of a study after so many trials, for each number of them.</summary>
    /// <param name="function">To minimize.</param>
    /// <param name="sampler">By its name in the catalogue, with its defaults.</param>
    /// <param name="seed">The study's.</param>
    /// <param name="budgets">Numbers of trials, in ascending order.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task<double[]> BestAsync(
        TestFunction function, string sampler, long seed, ImmutableArray<int> budgets, CancellationToken cancellationToken)
    {
        double[] values = new double[budgets[^1]];
        var options = new FunctionStudyOptions { Space = function.Space, Seed = seed, Trials = values.Length, Sampler = new PluginSpec(sampler) };
        var study = new FunctionStudy(options);
        await study.RunAsync(trial => values[trial.Number] = function.Value([.. trial.Order.Parameters]), cancellationToken: cancellationToken);
        return [.. budgets.Select(b => values.Take(b).Min())];
    }
}
