using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Floats = System.Runtime.Intrinsics.Vector256<float>;

namespace DistOpt.Core.Optimizers;

/// <summary>Options of <c>lars</c>.</summary>
public sealed record LarsOptions : ILearningRateOptions, IValidatableObject
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

    [Description("Added to the gradient's norm, against division by almost zero (optax's eps)")]
    [Range(0.0, 1.0)]
    public double Epsilon { get; init; }

    [Description("Nesterov's look-ahead; wants momentum above 0")]
    public bool Nesterov { get; init; }

    [Description("Times the weights, added to the gradient")]
    [Range(0.0, 1000.0)]
    public double WeightDecay { get; init; }

    [Description("Whether biases and norms (tensors of fewer than two dimensions) take the factor by their norm too; false = the plain rate for them, as "
        + "MLPerf's and optax's trust_ratio_mask do")]
    public bool TrustBiases { get; init; } = true;

    bool ILearningRateOptions.TakesMomentum => Momentum > 0;

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Nesterov && Momentum == 0)
            yield return new ValidationResult("nesterov needs momentum above 0; set momentum, such as 0.9", [nameof(Nesterov)]);
    }
}

/// <summary>
/// LARS (You, Gitman and Ginsburg 2017, algorithm 1), for each tensor w with gradient g; the factor of the learning rate is 1 where a norm is 0, and for
/// biases and norms where <see cref="LarsOptions.TrustBiases"/> is false:
/// <code>
/// rate = learning_rate * trust_coefficient * |w| / (|g| + weight_decay * |w| + epsilon)
/// u = rate * (g + weight_decay * w)
/// v = momentum * v + u
/// w -= nesterov ? u + momentum * v : v
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
        bool isTrusted = (options.TrustBiases || !step.IsVector) && weights > 0 && gradients > 0;
        double trust = isTrusted ? options.TrustCoefficient * weights / (gradients + decay * weights + options.Epsilon) : 1;
        var (decayed, momentum, rate) = (new Decay(decay, step.LearningRate, decoupled: false), (float)(step.Momentum ?? options.Momentum),
            (float)(step.LearningRate * trust));
        if (options.Nesterov) FusedUpdate.Run(new LookAhead(decayed, momentum, rate), "lars", step, parameters, gradient, slots);
        else FusedUpdate.Run(new Kernel(decayed, momentum, rate), "lars", step, parameters, gradient, slots);
    }

    private readonly struct LookAhead(Decay decay, float momentum, float rate) : IUpdateKernel
    {
        public static int Slots => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Floats parameter, Floats gradient, ref Floats slot0, ref Floats slot1, ref Floats slot2)
        {
            var u = Vector256.Create(rate) * decay.Apply(gradient, ref parameter);
            slot0 = Vector256.Create(momentum) * slot0 + u;
            parameter -= u + Vector256.Create(momentum) * slot0;
        }
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
