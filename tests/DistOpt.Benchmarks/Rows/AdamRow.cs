using System.Numerics.Tensors;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;
using DistOpt.Core.Randomness;
using TorchSharp;

namespace DistOpt.Benchmarks.Rows;

/// <summary>
/// A server's Adam step on 10 M parameters, one thread. It reads parameters, gradient and both moments and writes all but the gradient: 28
/// bytes a parameter. The copies move as many: they read one half and write the other. Which copy is fastest depends on the machine (the
/// C library's uses non-temporal stores for large blocks, small blocks stay in the cache), so the fastest is the baseline.
/// </summary>
internal sealed class AdamRow : IBenchmarkRow
{
    private const int Parameters = 10_000_000;
    private const double Bytes = 28.0 * Parameters;

    public string Name => "adam";

    public string Summary => "fused Adam over 10 M parameters, one thread, against memory copy by bytes touched";

    public IEnumerable<BenchmarkLine> Run(BenchmarkContext context)
    {
        var optimizer = new Adam(new AdamOptions());
        FlatBuffer parameters = new(Parameters), gradient = new(Parameters), mean = new(Parameters), square = new(Parameters);
        RandomKey.Of(1, RandomPurpose.Data).FillUniform(parameters.Span);
        RandomKey.Of(2, RandomPurpose.Data).FillUniform(gradient.Span);
        Memory<float>[] slots = [mean.Memory, square.Memory];
        long step = 0;

        FlatBuffer from = new((long)Bytes / 8), to = new((long)Bytes / 8);
        from.Span.Fill(1);

        torch.set_num_threads(1);
        using var scope = torch.NewDisposeScope();
        var weight = new TorchSharp.Modules.Parameter(torch.tensor(parameters.Span.ToArray()));
        weight.grad = torch.tensor(gradient.Span.ToArray());
        using var torchAdam = torch.optim.Adam([weight], lr: 1e-3);

        var times = context.Interleave(
            ("fused Adam", () => optimizer.Apply(new OptimizerStep(++step, 1e-3, 1f / 64), parameters.Span, gradient.Span, slots)),
            ("memory copy, whole", () => from.Span.CopyTo(to.Span)),
            ("memory copy, 16 KiB pieces", () => CopyInPieces(from.Span, to.Span)),
            ("in-place pass (x = -x)", () => TensorPrimitives.Negate(from.Span, from.Span)),
            ("torch.optim.Adam", () => torchAdam.step()));
        double ours = Rate(times[0]);
        double copy = Math.Max(Rate(times[1]), Rate(times[2]));
        yield return new BenchmarkLine("Adam, 10 M parameters, 1 thread, vs memory copy", ours, copy, "GB/s", 0.8);
        // a copy also reads the lines that it is about to overwrite; this is the stricter limit
        yield return new BenchmarkLine("Adam, 10 M parameters, 1 thread, vs in-place pass", ours, Rate(times[3]), "GB/s", null);
        // torch's passes over memory touch some four times as many bytes: half of that gain is the least
        yield return new BenchmarkLine("Adam, 10 M parameters, 1 thread, vs torch.optim.Adam", ours, Rate(times[4]), "GB/s", 2);
    }

    private static double Rate(Timing timing) => Bytes / timing.Median / 1e9;

    private static void CopyInPieces(ReadOnlySpan<float> from, Span<float> to)
    {
        const int piece = 4096;
        for (int at = 0; at < from.Length; at += piece)
        {
            int length = Math.Min(piece, from.Length - at);
            from.Slice(at, length).CopyTo(to[at..]);
        }
    }
}
