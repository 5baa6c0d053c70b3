using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Floats = System.Runtime.Intrinsics.Vector256<float>;

namespace DistOpt.Core.Optimizers;

/// <summary>Options of <c>adagrad</c>; defaults as torch.optim.Adagrad.</summary>
public sealed record AdagradOptions : ILearningRateOptions
{
    bool ILearningRateOptions.IsAdaptive => true;

    bool ILearningRateOptions.KeepsMeanSquares => true;

    [Description("Base learning rate")]
    [Range(0.0, 1e9, MinimumIsExclusive = true)]
    public double LearningRate { get; init; } = 1e-2;

    [Description("Fall of the rate: it is divided by 1 + (t - 1) times this")]
    [Range(0.0, 1000.0)]
    public double LearningRateDecay { get; init; }

    [Description("What the sum of squared gradients begins with")]
    [Range(0.0, 1000.0)]
    public double InitialAccumulator { get; init; }

    [Description("Added to the root of the sum, against division by zero")]
    [Range(1e-30, 1.0)]
    public double Epsilon { get; init; } = 1e-10;

    [Description("Times the weights, added to the gradient")]
    [Range(0.0, 1000.0)]
    public double WeightDecay { get; init; }

    bool ILearningRateOptions.TakesProximalStep => true;
}

/// <summary>
/// Adagrad (Duchi, Hazan and Singer, JMLR 2011) in the order of operations of <c>torch.optim.Adagrad</c>, with gradient g:
/// <code>
/// g += weight_decay * p
/// s += g * g
/// p -= learning_rate / (1 + (t - 1) * learning_rate_decay) * g / (sqrt(s) + epsilon)
/// </code>
/// </summary>
public sealed class Adagrad(AdagradOptions options) : IMeanSquareOptimizer
{
    private static readonly string[] SlotNames = ["sum"];

    public IReadOnlyList<string> Slots => SlotNames;

    /// <summary>The sum's mean: its growth is that of the rate's fall, and no matter of the gradient's noise.</summary>
    public MeanSquares MeanSquaresAfter(long updates) => new(0, 1.0 / updates, options.Epsilon);

    public void Apply(in OptimizerStep step, Span<float> parameters, ReadOnlySpan<float> gradient, IReadOnlyList<Memory<float>> slots)
    {
        double rate = step.LearningRate / (1 + (step.Number - 1) * options.LearningRateDecay);
        // the slot is zero before the first step
        float initial = step.Number == 1 ? (float)options.InitialAccumulator : 0;
        var decay = new Decay(step.WeightDecay ?? options.WeightDecay, step.LearningRate, decoupled: false);
        FusedUpdate.RunProximal(new Kernel(decay, initial, (float)rate, (float)options.Epsilon, (float)(rate * step.L1)), "adagrad", step, parameters, gradient,
            slots);
    }

    private readonly struct Kernel(Decay decay, float initial, float rate, float epsilon, float penalty) : IProximalKernel
    {
        public static int Slots => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Floats parameter, Floats gradient, ref Floats slot0, ref Floats slot1, ref Floats slot2)
        {
            var g = decay.Apply(gradient, ref parameter);
            slot0 = slot0 + Vector256.Create(initial) + g * g;
            parameter -= Vector256.Create(rate) * g / (Vector256.Sqrt(slot0) + Vector256.Create(epsilon));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Floats Threshold(Floats slot0, Floats slot1, Floats slot2) =>
            Vector256.Create(penalty) / (Vector256.Sqrt(slot0) + Vector256.Create(epsilon));
    }
}
