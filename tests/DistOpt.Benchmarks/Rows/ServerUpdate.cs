using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;
using DistOpt.Core.Randomness;
using DistOpt.Core.Training;

namespace DistOpt.Benchmarks.Rows;

/// <summary>A step of one server with all parameters, norms included, one thread; its one shard pushes the same gradient each time.</summary>
internal sealed class ServerUpdate
{
    public const int Side = 1000;

    private readonly ParameterShard<Lease> _shard;
    private readonly FlatBuffer _gradient;
    private readonly TensorNormSums _sums;
    private readonly TensorNormReducer _reducer;
    private readonly double[][] _partials;

    /// <param name="rule">The update.</param>
    /// <param name="matrices">Parameters, in matrices of <see cref="Side"/> x <see cref="Side"/>.</param>
    public ServerUpdate(UpdateRule rule, int matrices)
    {
        const int length = Side * Side;
        var layout = new ParameterLayout(Enumerable.Range(0, matrices).Select(i => new TensorSlot($"{i}.weight", [Side, Side], (long)i * length, length)), []);
        var weights = new FlatBuffer(layout.ParameterCount);
        _gradient = new FlatBuffer(layout.ParameterCount);
        RandomKey.Of(1, RandomPurpose.Data).FillUniform(weights.Span);
        RandomKey.Of(2, RandomPurpose.Data).FillUniform(_gradient.Span);
        var range = new KeyRange(0, layout.ParameterCount);
        _shard = new ParameterShard<Lease>(weights.Memory, rule, layout, range, new ReductionTree(1), lease => lease.Memory);
        _sums = new TensorNormSums(layout.Parameters.Length, rule.Noise);
        _reducer = new TensorNormReducer(layout, [range], rule.Noise);
        _partials = [.. Enumerable.Range(0, _shard.NormRounds).Select(round => new double[_shard.NormCount(round)])];
    }

    /// <summary>One update.</summary>
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

    private sealed record Lease(Memory<float> Memory) : IDisposable
    {
        public void Dispose() { }
    }
}
