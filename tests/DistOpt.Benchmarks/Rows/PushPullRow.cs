using DistOpt.Benchmarks.Tensors;

namespace DistOpt.Benchmarks.Rows;

/// <summary>
/// Push and answer between two processes over the TCP tensor channel, SGD by an actor on the server, against a blocking TCP round trip of the
/// same bytes without an optimizer. Both with the same congestion control.
/// </summary>
internal sealed class PushPullRow : IBenchmarkRow
{
    // a payload as one frame, as servers have it now; and cut, so that optimizer and both directions overlap
    private static readonly (int Length, int Parts, double? Budget)[] Cells =
    [
        (16 << 10, 1, null), (256 << 10, 1, 0.7), (4 << 20, 1, 0.8), (16 << 20, 1, 0.8), (4 << 20, 16, null), (16 << 20, 64, null),
    ];

    public string Name => "push-pull";

    public string Summary => "push-pull, 1 worker process + 1 server process, against a raw TCP round trip";

    public IEnumerable<BenchmarkLine> Run(BenchmarkContext context) => RunAsync(context).GetAwaiter().GetResult();

    private static async Task<List<BenchmarkLine>> RunAsync(BenchmarkContext context)
    {
        var lines = new List<BenchmarkLine>();
        await using var measured = await PushPull.StartAsync();
        foreach (var (length, parts, budget) in Cells)
        {
            context.CancellationToken.ThrowIfCancellationRequested();
            var result = measured.Measure(length, parts, context.Rounds);
            string size = result.Bytes < 1 << 20 ? $"{result.Bytes >> 10} KiB" : $"{result.Bytes >> 20} MiB";
            string what = $"push-pull {size}{(parts > 1 ? $" in {parts} ranges" : "")}, {result.CongestionControl}";
            context.Log($"  {what}: raw {result.RawMilliseconds:0.000} ms, ours {result.Milliseconds:0.000} ms, median of the rounds' ratios {result.Ratio:0.00}");
            // bytes/s so that the ratio is the median of the rounds' ratios: what else the machine does meets both sides of a round alike
            double raw = 2 * result.Bytes / result.RawMilliseconds / 1e6;
            lines.Add(new BenchmarkLine(what, raw * result.Ratio, raw, "GB/s", budget));
            if (length == 16 << 10) lines.Add(new BenchmarkLine($"{what}, time", result.Milliseconds, 0.2, "ms", 1.0, LessIsBetter: true));
        }

        return lines;
    }
}
