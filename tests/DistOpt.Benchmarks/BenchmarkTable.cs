using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace DistOpt.Benchmarks;

/// <summary>Lines as a table in Markdown, and what must be known of the machine to judge them.</summary>
internal static class BenchmarkTable
{
    public static string Format(IEnumerable<BenchmarkLine> lines)
    {
        List<string[]> cells = [["row", "ours", "baseline", "ratio", "budget", "holds"]];
        foreach (var line in lines)
        {
            string bound = line.LessIsBetter ? "<=" : ">=";
            bool isAlone = double.IsNaN(line.Baseline);
            cells.Add([line.What, $"{Number(line.Ours)} {line.Unit}", isAlone ? "-" : $"{Number(line.Baseline)} {line.Unit}",
                isAlone ? "-" : line.Ratio.ToString("0.00", Invariant),
                line.Budget is { } budget ? $"{bound} {budget.ToString("0.00", Invariant)}" : "-",
                line.Holds switch { true => "yes", false => "NO", null => "-" }]);
        }
        int[] widths = [.. Enumerable.Range(0, cells[0].Length).Select(column => cells.Max(row => row[column].Length))];
        cells.Insert(1, [.. widths.Select(width => new string('-', width))]);
        var text = new StringBuilder();
        foreach (string[] row in cells)
            text.Append("| ").AppendJoin(" | ", row.Select((cell, column) => cell.PadRight(widths[column]))).AppendLine(" |");
        return text.ToString();
    }

    /// <summary>Processor, cores, load and the congestion control that loopback figures were taken with.</summary>
    public static string Machine()
    {
        string cpu = FirstLine("/proc/cpuinfo", "model name") ?? RuntimeInformation.ProcessArchitecture.ToString();
        string load = ReadOrNull("/proc/loadavg")?.Split(' ')[0] ?? "unknown";
        string congestion = ReadOrNull("/proc/sys/net/ipv4/tcp_congestion_control") ?? "unknown";
        return $"{RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}, {cpu}, {Environment.ProcessorCount} cores, "
            + $"load {load}, TCP {congestion}";
    }

    private static CultureInfo Invariant => CultureInfo.InvariantCulture;

    private static string Number(double value) => value.ToString(Math.Abs(value) >= 100 ? "N0" : "0.###", Invariant);

    private static string? ReadOrNull(string path) => File.Exists(path) ? File.ReadAllText(path).Trim() : null;

    private static string? FirstLine(string path, string key) => !File.Exists(path) ? null
        : File.ReadLines(path).FirstOrDefault(l => l.StartsWith(key, StringComparison.Ordinal))?.Split(':', 2)[1].Trim();
}
