using DistOpt.Core.Optimizers;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Tests.Optimizers;

/// <summary>Parameters, slots and reproducible gradients of one optimizer under test.</summary>
internal sealed class OptimizerRun
{
    private readonly float[] _gradient;

    public OptimizerRun(IOptimizer optimizer, int length)
    {
        Optimizer = optimizer;
        Parameters = new float[length];
        _gradient = new float[length];
        Slots = [.. optimizer.Slots.Select(_ => (Memory<float>)new float[length])];
        var random = new CounterRandom(11, RandomPurpose.InitialWeights);
        foreach (ref float p in Parameters.AsSpan()) p = (float)random.NextGaussian();
    }

    public IOptimizer Optimizer { get; }

    public float[] Parameters { get; }

    public Memory<float>[] Slots { get; }

    /// <summary>Gradient of element i at a step: normal, of sizes from 1e-4 to 10 by element, and at times exactly zero.</summary>
    public static float GradientAt(long step, int i)
    {
        var random = new CounterRandom(12, RandomPurpose.Data, step, i);
        return random.NextInt(10) == 0 ? 0 : (float)(random.NextGaussian() * Math.Pow(10, i % 6 - 4));
    }

    public static double RateAt(long step) => 0.01 / (1 + 0.01 * step);

    /// <summary>One step over the whole length, cut at the given places.</summary>
    public void Step(long number, float scale = 1, params ReadOnlySpan<int> cuts)
    {
        for (int i = 0; i < _gradient.Length; i++) _gradient[i] = GradientAt(number, i) / scale;
        int begin = 0;
        foreach (int cut in cuts)
        {
            Apply(number, scale, begin, cut);
            begin = cut;
        }
        Apply(number, scale, begin, _gradient.Length);
    }

    private void Apply(long number, float scale, int begin, int end) => Optimizer.Apply(new OptimizerStep(number, RateAt(number), scale),
        Parameters.AsSpan(begin..end), _gradient.AsSpan(begin..end), [.. Slots.Select(s => s[begin..end])]);

    /// <summary>Bits of parameters and slots.</summary>
    public int[] Bits() =>
        [.. Parameters.Concat(Slots.SelectMany(s => s.ToArray())).Select(BitConverter.SingleToInt32Bits)];
}
