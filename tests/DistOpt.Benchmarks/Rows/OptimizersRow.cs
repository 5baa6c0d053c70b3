using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;
using DistOpt.Core.Randomness;
using DistOpt.Core.Training;

namespace DistOpt.Benchmarks.Rows;

/// <summary>
/// A server's update by every optimizer of the catalogue with its defaults, norms of whole tensors included, one thread: nanoseconds a parameter, beside
/// a copy of the memory that stochastic gradient descent touches (12 bytes a parameter). Tensors are matrices of 1,000 x 1,000.
/// </summary>
internal sealed class OptimizersRow : IBenchmarkRow
{
    private const int Side = 1000;
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
            long count = (long)matrices * Side * Side;
            var update = new Update(optimizer, matrices);
            FlatBuffer from = new((long)(count * BytesOfSgd / 8)), to = new(from.Length);
            from.Span.Fill(1);
            var times = context.Interleave((entry.Name, update.Step), ("memory copy", () => from.Span.CopyTo(to.Span)));
            yield return new BenchmarkLine($"{entry.Name}, {count / 1_000_000} M parameters, vs a copy of {BytesOfSgd:0} bytes each", times[0].Median / count * 1e9,
                times[1].Median / count * 1e9, "ns", null, LessIsBetter: true);
        }
    }

    private sealed class Update
    {
        private readonly ParameterShard<Lease> _shard;
        private readonly FlatBuffer _gradient;
        private readonly TensorNormSums _sums;
        private readonly TensorNormReducer _reducer;
        private readonly double[][] _partials;

        public Update(IOptimizer optimizer, int matrices)
        {
            const int length = Side * Side;
            var layout = new ParameterLayout(Enumerable.Range(0, matrices).Select(i => new TensorSlot($"{i}.weight", [Side, Side], (long)i * length, length)), []);
            var weights = new FlatBuffer(layout.ParameterCount);
            _gradient = new FlatBuffer(layout.ParameterCount);
            RandomKey.Of(1, RandomPurpose.Data).FillUniform(weights.Span);
            RandomKey.Of(2, RandomPurpose.Data).FillUniform(_gradient.Span);
            var range = new KeyRange(0, layout.ParameterCount);
            _shard = new ParameterShard<Lease>(weights.Memory, new UpdateRule(optimizer), layout, range, new ReductionTree(1), lease => lease.Memory);
            _sums = new TensorNormSums(layout.Parameters.Length);
            _reducer = new TensorNormReducer(layout, [range]);
            _partials = [.. Enumerable.Range(0, _shard.NormRounds).Select(round => new double[_shard.NormCount(round)])];
        }

        public void Step()
        {
            var plan = new StepPlan(_shard.Version, 0, 0, 64, 1e-3);
            for (int round = 0; round < _partials.Length; round++)
            {
                _shard.Measure(round, plan, _gradient.Span, 64, _sums, _partials[round]);
                _reducer.Add(0, round, _partials[round]);
                _reducer.Take(round, _sums);
            }
            _shard.Apply(plan, _gradient.Span, 64, _sums);
        }
    }

    private sealed record Lease(Memory<float> Memory) : IDisposable
    {
        public void Dispose() { }
    }
}
