using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;

namespace DistOpt.Benchmarks.Rows;

/// <summary>
/// A server's update by every optimizer of the catalogue with its defaults, norms of whole tensors included, one thread: nanoseconds a parameter, beside
/// a copy of the memory that stochastic gradient descent touches (12 bytes a parameter). Tensors are matrices of 1,000 x 1,000.
/// </summary>
internal sealed class OptimizersRow : IBenchmarkRow
{
    private const double BytesOfSgd = 12;

    public string Name => "optimizers";

    public string Summary => "an update by every optimizer, one thread, nanoseconds a parameter";

    public IEnumerable<BenchmarkLine> Run(BenchmarkContext context)
    {
        foreach (var entry in OptimizerCatalog.Default.Entries)
        {
            var optimizer = entry.Factory(Activator.CreateInstance(entry.OptionsType)!);
            // products of matrices take so long that one is enough
            int matrices = optimizer is Muon ? 1 : 10;
            long count = (long)matrices * ServerUpdate.Side * ServerUpdate.Side;
            var update = new ServerUpdate(new UpdateRule(optimizer), matrices);
            FlatBuffer from = new((long)(count * BytesOfSgd / 8)), to = new(from.Length);
            from.Span.Fill(1);
            var times = context.Interleave((entry.Name, update.Step), ("memory copy", () => from.Span.CopyTo(to.Span)));
            yield return new BenchmarkLine($"{entry.Name}, {count / 1_000_000} M parameters, vs a copy of {BytesOfSgd:0} bytes each", times[0].Median / count * 1e9,
                times[1].Median / count * 1e9, "ns", null, LessIsBetter: true);
        }
    }
}
