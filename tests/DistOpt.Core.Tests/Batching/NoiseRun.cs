using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Tests.Optimizers;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Batching;

/// <summary>Servers of a job whose gradients are made up, leaf by leaf, and the planner that they tell of its noise.</summary>
internal sealed class NoiseRun : IDisposable
{
    /// <summary>Samples in every batch.</summary>
    public const int Size = 40;

    /// <summary>Share of the running means that is kept.</summary>
    public double Smoothing { get; }

    private readonly ParameterLayout _layout;
    private readonly UpdateRule _rule;
    private readonly KeyRange[] _ranges;
    private readonly ParameterShard<Lease>[] _servers;
    private readonly TensorNormReducer _reducer;
    private readonly TensorNormSums _sums;

    public NoiseRun(string optimizer, int leaves, NoiseNorm norm, ParameterLayout layout, double smoothing = 0.8, params int[] cuts)
    {
        var spec = new TrainingSpec
        {
            Optimizer = new OptimizerSpec(optimizer.Split(' ')[0], OptimizerVariants.OptionsOf(optimizer)),
            Batch = new BatchSpec("fixed", new FixedBatchOptions { Size = Size })
            {
                LearningRateScaling = LearningRateScaling.Adascale,
                NoiseSmoothing = smoothing,
                NoiseNorm = norm,
            },
            Training = new TrainingSection { Epochs = 1, GradientShards = leaves },
        };
        (_layout, Smoothing) = (layout, smoothing);
        _rule = new UpdateRule(OptimizerVariants.Make(optimizer), spec);
        long[] ends = [0, .. cuts, layout.ParameterCount];
        _ranges = [.. ends.Zip(ends.Skip(1), (a, b) => new KeyRange(a, b))];
        Weights = new float[layout.ParameterCount];
        Array.Fill(Weights, 0.5f);
        _servers = [.. _ranges.Select(r => new ParameterShard<Lease>(Weights.AsMemory((int)r.Begin, (int)r.Length), _rule, layout, r,
            new ReductionTree(leaves), lease => lease.Memory))];
        _reducer = new TensorNormReducer(layout, _ranges, _rule.Noise);
        _sums = new TensorNormSums(layout.Parameters.Length, _rule.Noise);
        const int train = 1_000_000;
        Planner = new StepPlanner(spec, new ConstantSchedule(), 1e-3, BatchPlanner.Of(spec, train), new DataCounts(train, 0, 0));
    }

    public StepPlanner Planner { get; }

    public float[] Weights { get; }

    public NoiseState Noise => Planner.Save().Batch!.Noise;

    /// <summary>The first server, to be pushed to by a test itself.</summary>
    public bool Push(TreeNode node, float[] gradient) => _servers[0].Push(Planner.Current.Step, node, new Lease(gradient), new LeafResult(1, new MetricSums()));

    /// <summary>One step.</summary>
    /// <param name="gradients">The sum of every leaf.</param>
    /// <param name="weights">What it weighs.</param>
    /// <param name="order">In which leaves arrive; a number may come again.</param>
    public void Step(float[][] gradients, double[] weights, params int[] order)
    {
        var plan = Planner.Current;
        LeafResult? result = null;
        var sums = new List<Lease>();
        for (int s = 0; s < _servers.Length; s++)
        {
            var came = new HashSet<int>();
            foreach (int leaf in order)
            {
                var metrics = new MetricSums();
                metrics.Add(MetricSums.Loss, weights[leaf], weights[leaf]);
                if (plan.MeasuresLeaves) LeafNorms.Measure(metrics, gradients[leaf], weights[leaf]);
                if (plan.PushesLeaves) LeafNorms.Count(metrics, weights[leaf]);
                var lease = new Lease([.. gradients[leaf].AsSpan((int)_ranges[s].Begin, (int)_ranges[s].Length)]);
                Assert.Equal(came.Add(leaf), _servers[s].Push(plan.Step, new TreeNode(0, leaf), lease, new LeafResult(weights[leaf], metrics)));
            }
            (var sum, result) = _servers[s].Take();
            sums.Add(sum);
        }
        for (int round = 0; round < _rule.NormRounds; round++)
        {
            for (int s = 0; s < _servers.Length; s++)
            {
                double[] partials = new double[_servers[s].NormCount(round)];
                _servers[s].Measure(round, plan, sums[s].Memory.Span, result!.Weight, _sums, partials);
                _reducer.Add(s, round, partials);
            }
            _reducer.Take(round, _sums);
        }
        Planner.Observe(result!.Metrics, result.Weight, _sums.Noise());
        Planner.Advance();
        for (int s = 0; s < _servers.Length; s++) _servers[s].Apply(plan, sums[s].Memory.Span, result.Weight, _sums);
    }

    public void Dispose()
    {
        foreach (var server in _servers) server.Dispose();
    }

    internal sealed class Lease(float[] values) : IDisposable
    {
        public Memory<float> Memory => values;

        public void Dispose() { }
    }
}
