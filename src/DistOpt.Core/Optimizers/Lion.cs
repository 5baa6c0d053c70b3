using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Floats = System.Runtime.Intrinsics.Vector256<float>;

namespace DistOpt.Core.Optimizers;

/// <summary>Options of <c>lion</c>; its rate is three to ten times smaller than adamw's, its decay as much larger.</summary>
public sealed record LionOptions : ILearningRateOptions
{
    bool ILearningRateOptions.IsAdaptive => true;

    [Description("Base learning rate")]
    [Range(0.0, 1e9, MinimumIsExclusive = true)]
    public double LearningRate { get; init; } = 1e-4;

    [Description("Share of the mean in the direction")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double Beta1 { get; init; } = 0.9;

    [Description("Decay rate of the mean of gradients")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double Beta2 { get; init; } = 0.99;

    [Description("Share of the weights, times the learning rate, that is taken off before each update")]
    [Range(0.0, 1000.0)]
    public double WeightDecay { get; init; }
}

/// <summary>
/// Lion (Chen et al., NeurIPS 2023, algorithm 2), with gradient g:
/// <code>
/// p *= 1 - learning_rate * weight_decay
/// p -= learning_rate * sign(beta1 * m + (1 - beta1) * g)
/// m = beta2 * m + (1 - beta2) * g
/// </code>
/// </summary>
public sealed class Lion(LionOptions options) : IOptimizer
{
    private static readonly string[] SlotNames = ["exp_avg"];

    public IReadOnlyList<string> Slots => SlotNames;

    public void Apply(in OptimizerStep step, Span<float> parameters, ReadOnlySpan<float> gradient, IReadOnlyList<Memory<float>> slots)
    {
        var decay = new Decay(step.WeightDecay ?? options.WeightDecay, step.LearningRate, decoupled: true);
        FusedUpdate.Run(new Kernel(decay, (float)options.Beta1, (float)(1 - options.Beta1), (float)options.Beta2, (float)(1 - options.Beta2),
            (float)step.LearningRate), "lion", step, parameters, gradient, slots);
    }

    private readonly struct Kernel(Decay decay, float keep, float share, float keepMean, float shareMean, float rate) : IUpdateKernel
    {
        public static int Slots => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Floats parameter, Floats gradient, ref Floats slot0, ref Floats slot1, ref Floats slot2)
        {
            var g = decay.Apply(gradient, ref parameter);
            parameter -= Vector256.Create(rate) * Signs.Of(Vector256.Create(keep) * slot0 + Vector256.Create(share) * g);
            slot0 = Vector256.Create(keepMean) * slot0 + Vector256.Create(shareMean) * g;
        }
    }
}
