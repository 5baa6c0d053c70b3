using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Floats = System.Runtime.Intrinsics.Vector256<float>;

namespace DistOpt.Core.Optimizers;

/// <summary>Options of <c>adam</c>; defaults as torch.optim.Adam.</summary>
public sealed record AdamOptions : MomentOptions, ILearningRateOptions
{
    bool ILearningRateOptions.TakesMomentum => true;

    [Description("Times the weights, added to the gradient (an L2 penalty, which Adam rescales like the gradient; adamw decouples it)")]
    [Range(0.0, 1000.0)]
    public double WeightDecay { get; init; }

    [Description("Whether the largest mean square so far is divided by (Reddi et al. 2018)")]
    public bool Amsgrad { get; init; }
}

/// <summary>Options of <c>adamw</c>; defaults as torch.optim.AdamW.</summary>
public sealed record AdamWOptions : MomentOptions, ILearningRateOptions
{
    bool ILearningRateOptions.TakesMomentum => true;

    [Description("Share of the weights, times the learning rate, that is taken off before each update")]
    [Range(0.0, 1000.0)]
    public double WeightDecay { get; init; } = 0.01;

    [Description("Whether the largest mean square so far is divided by (Reddi et al. 2018)")]
    public bool Amsgrad { get; init; }
}

/// <summary>
/// Adam (Kingma and Ba, ICLR 2015, algorithm 1) and AdamW (Loshchilov and Hutter, ICLR 2019, algorithm 2) in the order of operations of
/// <c>torch.optim</c>, at step t with gradient g:
/// <code>
/// adam:  g += weight_decay * p          adamw: p *= 1 - learning_rate * weight_decay
/// m += (1 - beta1) * (g - m)            v = beta2 * v + (1 - beta2) * g * g
/// p -= learning_rate / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
/// </code>
/// With amsgrad (Reddi, Kale and Kumar, ICLR 2018) the largest v so far stands in place of v in the last line.
/// </summary>
public sealed class Adam : IMeanSquareOptimizer
{
    private static readonly string[] TwoSlots = ["exp_avg", "exp_avg_sq"];
    private static readonly string[] ThreeSlots = [.. TwoSlots, "max_exp_avg_sq"];

    private readonly string _name;
    private readonly MomentOptions _options;
    private readonly double _weightDecay;
    private readonly bool _decoupled;
    private readonly bool _amsgrad;

    public Adam(AdamOptions options) : this("adam", options, options.WeightDecay, decoupled: false, options.Amsgrad) { }

    public Adam(AdamWOptions options) : this("adamw", options, options.WeightDecay, decoupled: true, options.Amsgrad) { }

    private Adam(string name, MomentOptions options, double weightDecay, bool decoupled, bool amsgrad) =>
        (_name, _options, _weightDecay, _decoupled, _amsgrad) = (name, options, weightDecay, decoupled, amsgrad);

    public IReadOnlyList<string> Slots => _amsgrad ? ThreeSlots : TwoSlots;

    public MeanSquares MeanSquaresAfter(long updates) => new(_amsgrad ? 2 : 1, MeanSquares.Correction(_options.Beta2, updates), _options.Epsilon);

    public void Apply(in OptimizerStep step, Span<float> parameters, ReadOnlySpan<float> gradient, IReadOnlyList<Memory<float>> slots)
    {
        double beta1 = step.Momentum ?? _options.Beta1;
        double correction1 = 1 - Math.Pow(beta1, step.Number);
        double correction2 = 1 - Math.Pow(_options.Beta2, step.Number);
        var decay = new Decay(step.WeightDecay ?? _weightDecay, step.LearningRate, _decoupled);
        var descent = new Descent((float)(step.LearningRate / correction1), (float)(1 / Math.Sqrt(correction2)), (float)_options.Epsilon,
            (float)(step.LearningRate * step.L1));
        var moments = new Moments(beta1, _options.Beta2);
        if (_amsgrad) FusedUpdate.RunProximal(new Largest(decay, moments, descent), _name, step, parameters, gradient, slots);
        else FusedUpdate.RunProximal(new Plain(decay, moments, descent), _name, step, parameters, gradient, slots);
    }

    private readonly struct Descent(float rate, float rootCorrection, float epsilon, float penalty)
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref Floats parameter, Floats m, Floats square) => parameter -= Vector256.Create(rate) * m / Root(square);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Floats Threshold(Floats square) => Vector256.Create(penalty) / Root(square);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private Floats Root(Floats square) => Vector256.Sqrt(square) * Vector256.Create(rootCorrection) + Vector256.Create(epsilon);
    }

    private readonly struct Plain(Decay decay, Moments moments, Descent descent) : IProximalKernel
    {
        public static int Slots => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Floats parameter, Floats gradient, ref Floats slot0, ref Floats slot1, ref Floats slot2)
        {
            moments.Gather(decay.Apply(gradient, ref parameter), ref slot0, ref slot1);
            descent.Step(ref parameter, slot0, slot1);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Floats Threshold(Floats slot0, Floats slot1, Floats slot2) => descent.Threshold(slot1);
    }

    private readonly struct Largest(Decay decay, Moments moments, Descent descent) : IProximalKernel
    {
        public static int Slots => 3;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Floats parameter, Floats gradient, ref Floats slot0, ref Floats slot1, ref Floats slot2)
        {
            moments.Gather(decay.Apply(gradient, ref parameter), ref slot0, ref slot1);
            slot2 = Vector256.Max(slot2, slot1);
            descent.Step(ref parameter, slot0, slot2);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Floats Threshold(Floats slot0, Floats slot1, Floats slot2) => descent.Threshold(slot2);
    }
}
