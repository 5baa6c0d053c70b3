using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>Samplers against each other, in Markdown.</summary>
internal static class SamplerTable
{
    /// <summary>
    /// The median regrets, with + or - where a sampler is better or worse than the first baseline; then on how many functions each is better, neither, or worse
    /// than a baseline.
    /// </summary>
    /// <param name="figures">A sampler's values on a function, one for each seed; null = it has none.</param>
    /// <param name="functions">The rows.</param>
    /// <param name="samplers">The columns.</param>
    /// <param name="baselines">Those of the columns that all are compared with.</param>
    public static string Format(
        Func<TestFunction, string, double[]?> figures, IReadOnlyList<TestFunction> functions, ImmutableArray<string> samplers, params string[] baselines)
    {
        List<string[]> cells = [["function", .. samplers]];
        cells.AddRange(functions.Select(f => (string[])[f.Name, .. samplers.Select(s => figures(f, s) is not { } own ? ""
            : Number(SamplerFigures.Median(own.Select(f.Regret))) + Mark(Compare(f, s, baselines[0])))]));
        cells.AddRange(baselines.Select(b => (string[])[$"against {b}", .. samplers.Select(s => Count([.. functions.Select(f => Compare(f, s, b))]))]));
        int[] widths = [.. Enumerable.Range(0, cells[0].Length).Select(column => cells.Max(row => row[column].Length))];
        cells.Insert(1, [.. widths.Select(width => new string('-', width))]);
        var text = new StringBuilder();
        foreach (string[] row in cells)
            text.Append("| ").AppendJoin(" | ", row.Select((cell, column) => cell.PadRight(widths[column]))).AppendLine(" |");
        return text.ToString();

        Verdict? Compare(TestFunction function, string sampler, string other) =>
            sampler != other && figures(function, sampler) is { } own && figures(function, other) is { } others ? SamplerFigures.Compare(own, others) : null;
    }

    private static string Count(List<Verdict?> verdicts) => verdicts.TrueForAll(v => v is null) ? ""
        : $"{verdicts.Count(v => v == Verdict.Better)} / {verdicts.Count(v => v == Verdict.Same)} / {verdicts.Count(v => v == Verdict.Worse)}";

    private static string Mark(Verdict? verdict) => verdict switch { Verdict.Better => " +", Verdict.Worse => " -", _ => "" };

    /// <summary>Three digits.</summary>
    private static string Number(double value) => value switch
    {
        0 => "0",
        < 1e-3 => value.ToString("0.0e-0", CultureInfo.InvariantCulture),
        _ => value.ToString("G3", CultureInfo.InvariantCulture),
    };
}
