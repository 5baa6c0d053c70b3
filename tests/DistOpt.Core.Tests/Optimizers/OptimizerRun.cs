using System.Collections.Concurrent;
using System.Collections.Immutable;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Tests.Optimizers;

/// <summary>
/// Parameters, slots and reproducible gradients under one update rule, cut over servers as a test wants it, which exchange norms as the servers of
/// a job do.
/// </summary>
internal sealed class OptimizerRun
{
    /// <summary>What most tests go through, whatever the optimizer: drawn once for all of them.</summary>
    private static readonly ConcurrentDictionary<long, float[]> s_gradients = [];

    private const int KeptSteps = 300;

    private readonly float[] _gradient;
    private readonly UpdateRule _rule;
    private readonly ImmutableArray<SlotLayout> _slotLayouts;
    private readonly Dictionary<string, (KeyRange[] Ranges, RangeUpdate[] Updates, TensorNormReducer Reducer)> _cut = [];
    private readonly TensorNormSums _sums;
    private readonly double[] _partials;

    public OptimizerRun(IOptimizer optimizer, int length) : this(new UpdateRule(optimizer), Vector(length)) { }

    /// <summary>Goes on from another run's parameters and slots under another rule with the same slots.</summary>
    public OptimizerRun(UpdateRule rule, OptimizerRun before) : this(rule, before.Layout)
    {
        before.Parameters.CopyTo(Parameters, 0);
        for (int i = 0; i < Slots.Length; i++) before.Slots[i].CopyTo(Slots[i]);
    }

    public OptimizerRun(UpdateRule rule, ParameterLayout layout)
    {
        (_rule, Layout, _sums) = (rule, layout, new TensorNormSums(layout.Parameters.Length, rule.Noise));
        Parameters = new float[layout.ParameterCount];
        _gradient = new float[layout.ParameterCount];
        _partials = new double[6 * Parameters.Length + 6];
        _slotLayouts = SlotLayout.Of(layout, rule);
        Slots = [.. _slotLayouts.Select(slot => (Memory<float>)new float[slot.Length])];
        var random = new CounterRandom(11, RandomPurpose.InitialWeights);
        foreach (ref float p in Parameters.AsSpan()) p = (float)random.NextGaussian();
    }

    public ParameterLayout Layout { get; }

    public float[] Parameters { get; }

    public Memory<float>[] Slots { get; }

    public Func<long, double> Rate { get; init; } = RateAt;

    /// <summary>The momentum of a step in place of the optimizer's own.</summary>
    public Func<long, double?> Momentum { get; init; } = _ => null;

    /// <summary>One tensor of one dimension.</summary>
    public static ParameterLayout Vector(int length) => new([new TensorSlot("parameters", [length], 0, length)], []);

    /// <summary>5,000 parameters: two matrices, kernels of four dimensions, biases.</summary>
    public static ParameterLayout Network { get; } = Of(("0.weight", [40, 50]), ("0.bias", [40]), ("1.weight", [30, 4, 3, 3]), ("1.bias", [30]), ("2.weight", [10, 185]));

    public static ParameterLayout Of(params (string Name, long[] Shape)[] tensors)
    {
        long offset = 0;
        var slots = new List<TensorSlot>();
        foreach (var (name, shape) in tensors)
        {
            long length = shape.Aggregate(1L, (a, b) => a * b);
            slots.Add(new TensorSlot(name, [.. shape], offset, length));
            offset += length;
        }
        return new ParameterLayout(slots, []);
    }

    /// <summary>Gradient of element i at a step: normal, of sizes from 1e-4 to 10 by element, and at times exactly zero.</summary>
    public static float GradientAt(long step, int i)
    {
        if (step > KeptSteps || i >= Network.ParameterCount) return Draw(step, i);
        return s_gradients.GetOrAdd(step, static s => [.. Enumerable.Range(0, (int)Network.ParameterCount).Select(at => Draw(s, at))])[i];
    }

    private static float Draw(long step, int i)
    {
        var random = new CounterRandom(12, RandomPurpose.Data, step, i);
        return random.NextInt(10) == 0 ? 0 : (float)(random.NextGaussian() * Math.Pow(10, i % 6 - 4));
    }

    public static double RateAt(long step) => 0.01 / (1 + 0.01 * step);

    /// <summary>One step over the whole length, cut at the given places.</summary>
    public void Step(long number, float scale = 1, params ReadOnlySpan<int> cuts)
    {
        for (int i = 0; i < _gradient.Length; i++) _gradient[i] = GradientAt(number, i) / scale;
        Step(number, scale, _gradient, cuts);
    }

    public void Step(long number, float scale, ReadOnlySpan<float> gradient, params ReadOnlySpan<int> cuts)
    {
        var (ranges, updates, reducer) = CutAt(cuts);
        var step = new OptimizerStep(number, Rate(number), scale) { Momentum = Momentum(number) };
        // leaves are made up where servers measure them: each has the gradient, with a weight of its own
        for (int leaf = 0; _rule.MeasuresLeavesAt(number - 1) && leaf < _rule.MeasuredLeaves; leaf++)
        {
            for (int s = 0; s < ranges.Length; s++)
                updates[s].MeasureLeaf(leaf, number - 1, leaf + 1, gradient.Slice((int)ranges[s].Begin, (int)ranges[s].Length));
        }
        for (int round = 0; round < _rule.NormRounds; round++)
        {
            for (int s = 0; s < ranges.Length; s++)
            {
                var (begin, length) = ((int)ranges[s].Begin, (int)ranges[s].Length);
                var partials = _partials.AsSpan(0, updates[s].Count(round));
                updates[s].Measure(round, step, _sums, Parameters.AsSpan(begin, length), gradient.Slice(begin, length), partials);
                reducer.Add(s, round, partials);
            }
            reducer.Take(round, _sums);
        }
        for (int s = 0; s < ranges.Length; s++)
        {
            var (begin, length) = ((int)ranges[s].Begin, (int)ranges[s].Length);
            updates[s].Apply(step, _rule.NormRounds > 0 ? _sums : null, Parameters.AsSpan(begin, length), gradient.Slice(begin, length));
        }
    }

    private (KeyRange[] Ranges, RangeUpdate[] Updates, TensorNormReducer Reducer) CutAt(ReadOnlySpan<int> cuts)
    {
        string key = cuts.Length == 0 ? "" : string.Join(' ', cuts.ToArray());
        if (_cut.TryGetValue(key, out var known)) return known;
        long[] ends = [0, .. cuts.ToArray(), Parameters.Length];
        KeyRange[] ranges = [.. ends.Zip(ends.Skip(1), (a, b) => new KeyRange(a, b))];
        RangeUpdate[] updates = [.. ranges.Select(r => new RangeUpdate(_rule, Layout, r, [.. Slots.Select((s, i) => Part(s, _slotLayouts[i].RangeOf(r)))]))];
        return _cut[key] = (ranges, updates, new TensorNormReducer(Layout, ranges, _rule.Noise));
    }

    /// <summary>What the latest step measured of its gradient for batch strategies.</summary>
    public NoiseSums Noise() => _sums.Noise();

    /// <summary>Bits of parameters and slots.</summary>
    public int[] Bits() =>
        [.. Parameters.Concat(Slots.SelectMany(s => s.ToArray())).Select(BitConverter.SingleToInt32Bits)];

    private static Memory<float> Part(Memory<float> slot, KeyRange range) => slot.Slice((int)range.Begin, (int)range.Length);
}
