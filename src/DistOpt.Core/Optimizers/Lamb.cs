using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Floats = System.Runtime.Intrinsics.Vector256<float>;

namespace DistOpt.Core.Optimizers;

/// <summary>Options of <c>lamb</c>.</summary>
public sealed record LambOptions : MomentOptions, ILearningRateOptions
{
    public LambOptions() => Epsilon = 1e-6;

    [Description("Times the weights, added to the direction")]
    [Range(0.0, 1000.0)]
    public double WeightDecay { get; init; }

    [Description("Whether biases and norms (tensors of fewer than two dimensions) take the factor by their norm too; false = the plain rate for them, as "
        + "MLPerf's and optax's trust_ratio_mask do")]
    public bool TrustBiases { get; init; } = true;

    bool ILearningRateOptions.TakesProximalStep => false;

    bool ILearningRateOptions.TakesMomentum => true;
}

/// <summary>
/// LAMB (You et al., ICLR 2020, algorithm 2), for each tensor w with gradient g at step t; the factor |w| / |r| is 1 where a norm is 0,
/// and for biases and norms where <see cref="LambOptions.TrustBiases"/> is false:
/// <code>
/// m += (1 - beta1) * (g - m)            v = beta2 * v + (1 - beta2) * g * g
/// r = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon) + weight_decay * w
/// w -= learning_rate * |w| / |r| * r
/// </code>
/// </summary>
public sealed class Lamb(LambOptions options) : IDirectionOptimizer, IMeanSquareOptimizer
{
    private static readonly string[] SlotNames = ["exp_avg", "exp_avg_sq"];

    public IReadOnlyList<string> Slots => SlotNames;

    public MeanSquares MeanSquaresAfter(long updates) => new(1, MeanSquares.Correction(options.Beta2, updates), options.Epsilon);

    public OptimizerNeeds Needs => OptimizerNeeds.Norms | OptimizerNeeds.DirectionNorm;

    public double MeasureDirection(in OptimizerStep step, ReadOnlySpan<float> parameters, ReadOnlySpan<float> gradient,
        IReadOnlyList<Memory<float>> slots) => FusedUpdate.MeasureDirection(KernelAt(step, 0), "lamb", step, parameters, gradient, slots);

    public void Apply(in OptimizerStep step, Span<float> parameters, ReadOnlySpan<float> gradient, IReadOnlyList<Memory<float>> slots)
    {
        var (weights, _, length) = step.Norms;
        double trust = (options.TrustBiases || !step.IsVector) && weights > 0 && length > 0 ? weights / length : 1;
        FusedUpdate.Run(KernelAt(step, step.LearningRate * trust), "lamb", step, parameters, gradient, slots);
    }

    private Kernel KernelAt(in OptimizerStep step, double rate)
    {
        double beta1 = step.Momentum ?? options.Beta1;
        return new(new Moments(beta1, options.Beta2),
            (float)(1 / (1 - Math.Pow(beta1, step.Number))), (float)(1 / (1 - Math.Pow(options.Beta2, step.Number))),
            (float)options.Epsilon, (float)(step.WeightDecay ?? options.WeightDecay), (float)rate);
    }

    private readonly struct Kernel(Moments moments, float correction1, float correction2, float epsilon, float weightDecay,
        float rate) : IUpdateKernel, IDirectionKernel
    {
        public static int Slots => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Floats parameter, Floats gradient, ref Floats slot0, ref Floats slot1, ref Floats slot2) =>
            parameter -= Vector256.Create(rate) * Move(parameter, gradient, ref slot0, ref slot1);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Floats Direction(Floats parameter, Floats gradient, Floats slot0, Floats slot1) => Move(parameter, gradient, ref slot0, ref slot1);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private Floats Move(Floats parameter, Floats gradient, ref Floats slot0, ref Floats slot1)
        {
            moments.Gather(gradient, ref slot0, ref slot1);
            var r = slot0 * Vector256.Create(correction1) / (Vector256.Sqrt(slot1 * Vector256.Create(correction2)) + Vector256.Create(epsilon));
            return weightDecay == 0 ? r : r + Vector256.Create(weightDecay) * parameter;
        }
    }
}
