using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Floats = System.Runtime.Intrinsics.Vector256<float>;

namespace DistOpt.Core.Optimizers;

/// <summary>Options of <c>radam</c>; defaults as torch.optim.RAdam.</summary>
public sealed record RAdamOptions : MomentOptions, ILearningRateOptions
{
    bool ILearningRateOptions.TakesMomentum => true;

    [Description("Times the weights, added to the gradient, or taken off the weights where it is decoupled")]
    [Range(0.0, 1000.0)]
    public double WeightDecay { get; init; }

    [Description("Whether weight decay is taken off the weights, as adamw does")]
    public bool DecoupledWeightDecay { get; init; }
}

/// <summary>
/// RAdam (Liu et al., ICLR 2020, algorithm 2) in the order of operations of <c>torch.optim.RAdam</c>, at step t with gradient g and m, v as Adam's:
/// <code>
/// rho(inf) = 2 / (1 - beta2) - 1,  rho(t) = rho(inf) - 2 t beta2^t / (1 - beta2^t)
/// rho(t) above 5:  p -= learning_rate * m / (1 - beta1^t) * rect * sqrt(1 - beta2^t) / (sqrt(v) + epsilon)
///                  rect^2 = (rho(t) - 4)(rho(t) - 2) rho(inf) / ((rho(inf) - 4)(rho(inf) - 2) rho(t))
/// else:            p -= learning_rate * m / (1 - beta1^t)
/// </code>
/// </summary>
public sealed class RAdam(RAdamOptions options) : IMeanSquareOptimizer
{
    private static readonly string[] SlotNames = ["exp_avg", "exp_avg_sq"];

    public IReadOnlyList<string> Slots => SlotNames;

    public MeanSquares MeanSquaresAfter(long updates) => new(1, MeanSquares.Correction(options.Beta2, updates), options.Epsilon);

    public void Apply(in OptimizerStep step, Span<float> parameters, ReadOnlySpan<float> gradient, IReadOnlyList<Memory<float>> slots)
    {
        double power2 = Math.Pow(options.Beta2, step.Number);
        double longest = 2 / (1 - options.Beta2) - 1;
        double length = longest - 2 * step.Number * power2 / (1 - power2);
        double beta1 = step.Momentum ?? options.Beta1;
        double rate = step.LearningRate / (1 - Math.Pow(beta1, step.Number));
        var decay = new Decay(step.WeightDecay ?? options.WeightDecay, step.LearningRate, options.DecoupledWeightDecay);
        var moments = new Moments(beta1, options.Beta2);
        if (length > 5)
        {
            double rectified = Math.Sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length));
            double adapted = rectified * Math.Sqrt(1 - power2);
            var kernel = new Adaptive(decay, moments, (float)(rate * rectified * Math.Sqrt(1 - power2)), (float)options.Epsilon,
                (float)(step.LearningRate * adapted * step.L1));
            FusedUpdate.RunProximal(kernel, "radam", step, parameters, gradient, slots);
        }
        else
        {
            var kernel = new Unadapted(decay, moments, (float)rate, (float)(step.LearningRate * step.L1));
            FusedUpdate.RunProximal(kernel, "radam", step, parameters, gradient, slots);
        }
    }

    private readonly struct Adaptive(Decay decay, Moments moments, float rate, float epsilon, float penalty) : IProximalKernel
    {
        public static int Slots => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Floats parameter, Floats gradient, ref Floats slot0, ref Floats slot1, ref Floats slot2)
        {
            moments.Gather(decay.Apply(gradient, ref parameter), ref slot0, ref slot1);
            parameter -= Vector256.Create(rate) * slot0 / (Vector256.Sqrt(slot1) + Vector256.Create(epsilon));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Floats Threshold(Floats slot0, Floats slot1, Floats slot2) => Vector256.Create(penalty) / (Vector256.Sqrt(slot1) + Vector256.Create(epsilon));
    }

    private readonly struct Unadapted(Decay decay, Moments moments, float rate, float penalty) : IProximalKernel
    {
        public static int Slots => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Floats parameter, Floats gradient, ref Floats slot0, ref Floats slot1, ref Floats slot2)
        {
            moments.Gather(decay.Apply(gradient, ref parameter), ref slot0, ref slot1);
            parameter -= Vector256.Create(rate) * slot0;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Floats Threshold(Floats slot0, Floats slot1, Floats slot2) => Vector256.Create(penalty);
    }
}
