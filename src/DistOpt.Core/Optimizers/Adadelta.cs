using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Floats = System.Runtime.Intrinsics.Vector256<float>;

namespace DistOpt.Core.Optimizers;

/// <summary>Options of <c>adadelta</c>; defaults as torch.optim.Adadelta.</summary>
public sealed record AdadeltaOptions : ILearningRateOptions
{
    bool ILearningRateOptions.IsAdaptive => true;

    bool ILearningRateOptions.KeepsMeanSquares => true;

    [Description("Base learning rate: a factor on a step whose length the method finds itself")]
    [Range(0.0, 1e9, MinimumIsExclusive = true)]
    public double LearningRate { get; init; } = 1;

    [Description("Decay rate of the mean squares")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double Rho { get; init; } = 0.9;

    [Description("Added below both roots")]
    [Range(1e-30, 1.0)]
    public double Epsilon { get; init; } = 1e-6;

    [Description("Times the weights, added to the gradient")]
    [Range(0.0, 1000.0)]
    public double WeightDecay { get; init; }
}

/// <summary>
/// Adadelta (Zeiler 2012, algorithm 1) in the order of operations of <c>torch.optim.Adadelta</c>, with gradient g:
/// <code>
/// g += weight_decay * p
/// s = rho * s + (1 - rho) * g * g
/// d = sqrt(a + epsilon) / sqrt(s + epsilon) * g
/// a = rho * a + (1 - rho) * d * d
/// p -= learning_rate * d
/// </code>
/// </summary>
public sealed class Adadelta(AdadeltaOptions options) : IMeanSquareOptimizer
{
    private static readonly string[] SlotNames = ["square_avg", "acc_delta"];

    public IReadOnlyList<string> Slots => SlotNames;

    /// <summary>Without the lengths of the steps before, which are no matter of the gradient's noise.</summary>
    public MeanSquares MeanSquaresAfter(long updates) => new(0, MeanSquares.Correction(options.Rho, updates), 0) { Inner = options.Epsilon };

    public void Apply(in OptimizerStep step, Span<float> parameters, ReadOnlySpan<float> gradient, IReadOnlyList<Memory<float>> slots)
    {
        var decay = new Decay(step.WeightDecay ?? options.WeightDecay, step.LearningRate, decoupled: false);
        FusedUpdate.Run(new Kernel(decay, (float)options.Rho, (float)(1 - options.Rho), (float)options.Epsilon, (float)step.LearningRate),
            "adadelta", step, parameters, gradient, slots);
    }

    private readonly struct Kernel(Decay decay, float keep, float share, float epsilon, float rate) : IUpdateKernel
    {
        public static int Slots => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Floats parameter, Floats gradient, ref Floats slot0, ref Floats slot1, ref Floats slot2)
        {
            var g = decay.Apply(gradient, ref parameter);
            slot0 = Vector256.Create(keep) * slot0 + Vector256.Create(share) * g * g;
            var delta = Vector256.Sqrt(slot1 + Vector256.Create(epsilon)) / Vector256.Sqrt(slot0 + Vector256.Create(epsilon)) * g;
            slot1 = Vector256.Create(keep) * slot1 + Vector256.Create(share) * delta * delta;
            parameter -= Vector256.Create(rate) * delta;
        }
    }
}
