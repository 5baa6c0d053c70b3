using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Floats = System.Runtime.Intrinsics.Vector256<float>;

namespace DistOpt.Core.Optimizers;

/// <summary>Options of <c>lars</c>.</summary>
public sealed record LarsOptions : ILearningRateOptions
{
    [Description("Base learning rate, before each tensor's own factor")]
    [Range(0.0, 1e9, MinimumIsExclusive = true)]
    public double LearningRate { get; init; } = 1;

    [Description("Share of the momentum buffer that is kept each step")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double Momentum { get; init; } = 0.9;

    [Description("Length of an update in units of the tensor's own, at rate 1")]
    [Range(0.0, 10.0, MinimumIsExclusive = true)]
    public double TrustCoefficient { get; init; } = 1e-3;

    [Description("Times the weights, added to the gradient")]
    [Range(0.0, 1000.0)]
    public double WeightDecay { get; init; }

    bool ILearningRateOptions.StepsByLearningRate => false;
}

/// <summary>
/// LARS (You, Gitman and Ginsburg 2017, algorithm 1), for each tensor w with gradient g; the factor is 1 where a norm is 0:
/// <code>
/// rate = learning_rate * trust_coefficient * |w| / (|g| + weight_decay * |w|)
/// v = momentum * v + rate * (g + weight_decay * w)
/// w -= v
/// </code>
/// </summary>
public sealed class Lars(LarsOptions options) : IOptimizer
{
    private static readonly string[] SlotNames = ["momentum_buffer"];

    public IReadOnlyList<string> Slots => SlotNames;

    public OptimizerNeeds Needs => OptimizerNeeds.Norms;

    public void Apply(in OptimizerStep step, Span<float> parameters, ReadOnlySpan<float> gradient, IReadOnlyList<Memory<float>> slots)
    {
        double decay = step.WeightDecay ?? options.WeightDecay;
        var (weights, gradients, _) = step.Norms;
        double trust = weights > 0 && gradients > 0 ? options.TrustCoefficient * weights / (gradients + decay * weights) : 1;
        FusedUpdate.Run(new Kernel(new Decay(decay, step.LearningRate, decoupled: false), (float)options.Momentum, (float)(step.LearningRate * trust)),
            "lars", step, parameters, gradient, slots);
    }

    private readonly struct Kernel(Decay decay, float momentum, float rate) : IUpdateKernel
    {
        public static int Slots => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Floats parameter, Floats gradient, ref Floats slot0, ref Floats slot1, ref Floats slot2)
        {
            slot0 = Vector256.Create(momentum) * slot0 + Vector256.Create(rate) * decay.Apply(gradient, ref parameter);
            parameter -= slot0;
        }
    }
}
