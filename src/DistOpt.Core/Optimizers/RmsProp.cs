using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Floats = System.Runtime.Intrinsics.Vector256<float>;

namespace DistOpt.Core.Optimizers;

/// <summary>Options of <c>rmsprop</c>; defaults as torch.optim.RMSprop.</summary>
public sealed record RmsPropOptions : ILearningRateOptions
{
    bool ILearningRateOptions.IsAdaptive => true;

    bool ILearningRateOptions.KeepsMeanSquares => true;

    // where gradients stand still, as at a lasso's minimum, the variance is 0 and a step has no length
    bool ILearningRateOptions.TakesProximalStep => !Centered;

    bool ILearningRateOptions.TakesMomentum => Momentum > 0;

    [Description("Base learning rate")]
    [Range(0.0, 1e9, MinimumIsExclusive = true)]
    public double LearningRate { get; init; } = 1e-2;

    [Description("Decay rate of the mean square")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double Alpha { get; init; } = 0.99;

    [Description("Added to the root of the mean square, against division by zero")]
    [Range(1e-30, 1.0)]
    public double Epsilon { get; init; } = 1e-8;

    [Description("Share of the momentum buffer that is kept each step; 0 = none")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double Momentum { get; init; }

    [Description("Whether the variance is divided by in place of the mean square")]
    public bool Centered { get; init; }

    [Description("Times the weights, added to the gradient")]
    [Range(0.0, 1000.0)]
    public double WeightDecay { get; init; }
}

/// <summary>
/// RMSProp (Tieleman and Hinton, Coursera 2012, lecture 6e; centered: Graves 2013, section 2.1) in the order of operations of
/// <c>torch.optim.RMSprop</c>, with gradient g:
/// <code>
/// g += weight_decay * p
/// s = alpha * s + (1 - alpha) * g * g
/// centered: a += (1 - alpha) * (g - a), r = sqrt(max(s - a * a, 0))       else r = sqrt(s)
/// momentum: b = momentum * b + g / (r + epsilon), p -= learning_rate * b       else p -= learning_rate * g / (r + epsilon)
/// </code>
/// The maximum with 0 is not torch's, which has NaN there.
/// </summary>
public sealed class RmsProp : IMeanSquareOptimizer
{
    private readonly RmsPropOptions _options;

    public RmsProp(RmsPropOptions options)
    {
        _options = options;
        string[] average = options.Centered ? ["grad_avg"] : [];
        string[] buffer = options.Momentum > 0 ? ["momentum_buffer"] : [];
        Slots = ["square_avg", .. average, .. buffer];
    }

    public IReadOnlyList<string> Slots { get; }

    /// <summary>The mean square also where the variance is divided by, which is 0 where gradients stand still.</summary>
    public MeanSquares MeanSquaresAfter(long updates) => new(0, MeanSquares.Correction(_options.Alpha, updates), _options.Epsilon);

    public void Apply(in OptimizerStep step, Span<float> parameters, ReadOnlySpan<float> gradient, IReadOnlyList<Memory<float>> slots)
    {
        var decay = new Decay(step.WeightDecay ?? _options.WeightDecay, step.LearningRate, decoupled: false);
        double heavy = step.Momentum ?? _options.Momentum;
        double gain = Gain.Of(heavy, step.Number);
        var square = new Square(decay, (float)_options.Alpha, (float)(1 - _options.Alpha), (float)_options.Epsilon,
            (float)(step.LearningRate * gain * step.L1));
        var (rate, momentum) = ((float)step.LearningRate, (float)heavy);
        switch (_options.Centered, _options.Momentum > 0)
        {
            case (false, false):
                FusedUpdate.RunProximal(new Plain(square, rate), "rmsprop", step, parameters, gradient, slots);
                break;
            case (false, true):
                FusedUpdate.RunProximal(new Heavy(square, rate, momentum), "rmsprop", step, parameters, gradient, slots);
                break;
            case (true, false):
                FusedUpdate.Run(new Centered(square, rate), "rmsprop", step, parameters, gradient, slots);
                break;
            default:
                FusedUpdate.Run(new CenteredHeavy(square, rate, momentum), "rmsprop", step, parameters, gradient, slots);
                break;
        }
    }

    private readonly struct Square(Decay decay, float keep, float share, float epsilon, float penalty)
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Floats Normalized(Floats gradient, ref Floats parameter, ref Floats s)
        {
            var g = decay.Apply(gradient, ref parameter);
            s = Vector256.Create(keep) * s + Vector256.Create(share) * g * g;
            return g / Root(s);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Floats Centered(Floats gradient, ref Floats parameter, ref Floats s, ref Floats a)
        {
            var g = decay.Apply(gradient, ref parameter);
            s = Vector256.Create(keep) * s + Vector256.Create(share) * g * g;
            a += Vector256.Create(share) * (g - a);
            // rounding may leave a variance of nearly 0 below it
            return g / Root(Vector256.Max(s - a * a, Floats.Zero));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Floats Threshold(Floats s) => Vector256.Create(penalty) / Root(s);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private Floats Root(Floats s) => Vector256.Sqrt(s) + Vector256.Create(epsilon);
    }

    private readonly struct Plain(Square square, float rate) : IProximalKernel
    {
        public static int Slots => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Floats parameter, Floats gradient, ref Floats slot0, ref Floats slot1, ref Floats slot2) =>
            parameter -= Vector256.Create(rate) * square.Normalized(gradient, ref parameter, ref slot0);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Floats Threshold(Floats slot0, Floats slot1, Floats slot2) => square.Threshold(slot0);
    }

    private readonly struct Heavy(Square square, float rate, float momentum) : IProximalKernel
    {
        public static int Slots => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Floats parameter, Floats gradient, ref Floats slot0, ref Floats slot1, ref Floats slot2)
        {
            slot1 = Vector256.Create(momentum) * slot1 + square.Normalized(gradient, ref parameter, ref slot0);
            parameter -= Vector256.Create(rate) * slot1;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Floats Threshold(Floats slot0, Floats slot1, Floats slot2) => square.Threshold(slot0);
    }

    private readonly struct Centered(Square square, float rate) : IUpdateKernel
    {
        public static int Slots => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Floats parameter, Floats gradient, ref Floats slot0, ref Floats slot1, ref Floats slot2) =>
            parameter -= Vector256.Create(rate) * square.Centered(gradient, ref parameter, ref slot0, ref slot1);
    }

    private readonly struct CenteredHeavy(Square square, float rate, float momentum) : IUpdateKernel
    {
        public static int Slots => 3;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Floats parameter, Floats gradient, ref Floats slot0, ref Floats slot1, ref Floats slot2)
        {
            slot2 = Vector256.Create(momentum) * slot2 + square.Centered(gradient, ref parameter, ref slot0, ref slot1);
            parameter -= Vector256.Create(rate) * slot2;
        }
    }
}
