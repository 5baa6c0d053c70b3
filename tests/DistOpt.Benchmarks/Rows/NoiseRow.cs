using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Specs;

namespace DistOpt.Benchmarks.Rows;

/// <summary>
/// What it costs a server to measure the noise of gradients at every step, with one gradient shard, from consecutive gradients: Adam on 10 M parameters, one
/// thread, without it, in the plain norm, and in the norm in which Adam divides.
/// </summary>
internal sealed class NoiseRow : IBenchmarkRow
{
    private const int Matrices = 10;
    private const double Parameters = (double)Matrices * ServerUpdate.Side * ServerUpdate.Side;

    /// <summary>Updates before the noise is measured: nothing is, in the first ones.</summary>
    private const int Before = 6;

    public string Name => "noise";

    public string Summary => "Adam's update with the noise of gradients measured, one thread, nanoseconds a parameter";

    public IEnumerable<BenchmarkLine> Run(BenchmarkContext context)
    {
        ServerUpdate bare = new(new UpdateRule(new Adam(new AdamOptions())), Matrices), plain = Of(NoiseNorm.Plain), divided = Of(NoiseNorm.Preconditioned);
        foreach (var update in (ServerUpdate[])[bare, plain, divided])
            for (int i = 0; i < Before; i++) update.Step();
        var times = context.Interleave(("no noise", bare.Step), ("plain", plain.Step), ("preconditioned", divided.Step));
        double Nanoseconds(int i) => times[i].Median / Parameters * 1e9;
        yield return new BenchmarkLine("Adam, 10 M parameters, noise in the plain norm, vs none", Nanoseconds(1), Nanoseconds(0), "ns", null, LessIsBetter: true);
        yield return new BenchmarkLine("Adam, 10 M parameters, noise in Adam's norm, vs none", Nanoseconds(2), Nanoseconds(0), "ns", null, LessIsBetter: true);
    }

    private static ServerUpdate Of(NoiseNorm norm)
    {
        var spec = new TrainingSpec
        {
            Optimizer = new OptimizerSpec("adam", new AdamOptions()),
            Batch = new BatchSpec("noise-scale", new NoiseScaleBatchOptions()) { NoiseNorm = norm },
            Training = new TrainingSection { GradientShards = 1 },
        };
        return new ServerUpdate(new UpdateRule(new Adam(new AdamOptions()), spec), Matrices);
    }
}
