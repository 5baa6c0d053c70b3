using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Floats = System.Runtime.Intrinsics.Vector256<float>;

namespace DistOpt.Core.Optimizers;

/// <summary>Options of <c>nadam</c>; defaults as torch.optim.NAdam.</summary>
public sealed record NAdamOptions : MomentOptions
{
    public NAdamOptions() => LearningRate = 2e-3;

    [Description("How fast the momentum's warm-up ends")]
    [Range(0.0, 1.0)]
    public double MomentumDecay { get; init; } = 4e-3;

    [Description("Times the weights, added to the gradient, or taken off the weights where it is decoupled")]
    [Range(0.0, 1000.0)]
    public double WeightDecay { get; init; }

    [Description("Whether weight decay is taken off the weights, as adamw does")]
    public bool DecoupledWeightDecay { get; init; }
}

/// <summary>
/// NAdam (Dozat, ICLR workshop 2016) in the order of operations of <c>torch.optim.NAdam</c>, at step t with gradient g and m, v as Adam's:
/// <code>
/// mu(t) = beta1 * (1 - 0.96^(t * momentum_decay) / 2)
/// r = sqrt(v / (1 - beta2^t)) + epsilon
/// p -= learning_rate * (1 - mu(t)) / (1 - mu(1)...mu(t)) * g / r
/// p -= learning_rate * mu(t+1) / (1 - mu(1)...mu(t+1)) * m / r
/// </code>
/// </summary>
public sealed class NAdam(NAdamOptions options) : IMeanSquareOptimizer
{
    private static readonly string[] SlotNames = ["exp_avg", "exp_avg_sq"];

    // the product of mu(1) to mu(t) with its t, which follows from t alone: remembered, so that a step costs one factor
    private long _known;
    private double _product = 1;

    public IReadOnlyList<string> Slots => SlotNames;

    public MeanSquares MeanSquaresAfter(long updates) => new(1, MeanSquares.Correction(options.Beta2, updates), options.Epsilon);

    public void Apply(in OptimizerStep step, Span<float> parameters, ReadOnlySpan<float> gradient, IReadOnlyList<Memory<float>> slots)
    {
        double mu = Mu(step.Number), next = Mu(step.Number + 1), product = Product(step.Number);
        double correction2 = 1 - Math.Pow(options.Beta2, step.Number);
        var decay = new Decay(step.WeightDecay ?? options.WeightDecay, step.LearningRate, options.DecoupledWeightDecay);
        double gradientRate = step.LearningRate * (1 - mu) / (1 - product), meanRate = step.LearningRate * next / (1 - product * next);
        double lasting = gradientRate + meanRate * (1 - Math.Pow(options.Beta1, step.Number));
        var kernel = new Kernel(decay, new Moments(options.Beta1, options.Beta2), (float)(1 / correction2), (float)options.Epsilon,
            (float)gradientRate, (float)meanRate, (float)(lasting * step.L1));
        FusedUpdate.RunProximal(kernel, "nadam", step, parameters, gradient, slots);
    }

    private double Mu(long t) => options.Beta1 * (1 - 0.5 * Math.Pow(0.96, t * options.MomentumDecay));

    private double Product(long t)
    {
        // always the same factors in the same order, so that a run that was resumed gets the same product
        if (_known > t) (_known, _product) = (0, 1);
        while (_known < t) _product *= Mu(++_known);
        return _product;
    }

    private readonly struct Kernel(Decay decay, Moments moments, float correction, float epsilon, float gradientRate,
        float meanRate, float penalty) : IProximalKernel
    {
        public static int Slots => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Floats parameter, Floats gradient, ref Floats slot0, ref Floats slot1, ref Floats slot2)
        {
            var g = decay.Apply(gradient, ref parameter);
            moments.Gather(g, ref slot0, ref slot1);
            var root = Root(slot1);
            parameter -= Vector256.Create(gradientRate) * g / root;
            parameter -= Vector256.Create(meanRate) * slot0 / root;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Floats Threshold(Floats slot0, Floats slot1, Floats slot2) => Vector256.Create(penalty) / Root(slot1);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private Floats Root(Floats square) => Vector256.Sqrt(square * Vector256.Create(correction)) + Vector256.Create(epsilon);
    }
}
