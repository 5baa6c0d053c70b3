using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Floats = System.Runtime.Intrinsics.Vector256<float>;

namespace DistOpt.Core.Optimizers;

/// <summary>Options of <c>sgd</c>, as torch.optim.SGD.</summary>
public sealed record SgdOptions : ILearningRateOptions, IValidatableObject
{
    bool ILearningRateOptions.TakesProximalStep => true;

    bool ILearningRateOptions.TakesMomentum => Momentum > 0;

    [Description("Base learning rate")]
    [Range(0.0, 1e9, MinimumIsExclusive = true)]
    public double LearningRate { get; init; } = 1e-2;

    [Description("Share of the momentum buffer that is kept each step; 0 = plain gradient descent")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double Momentum { get; init; }

    [Description("Share of the gradient that is left out of the momentum buffer after the first step")]
    [Range(0.0, 1.0)]
    public double Dampening { get; init; }

    [Description("Nesterov's look-ahead; wants momentum above 0 and dampening 0")]
    public bool Nesterov { get; init; }

    [Description("Times the weights, added to the gradient")]
    [Range(0.0, 1000.0)]
    public double WeightDecay { get; init; }

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Nesterov && Momentum == 0)
            yield return new ValidationResult("nesterov needs momentum above 0; set momentum, such as 0.9", [nameof(Nesterov)]);
        if (Nesterov && Dampening != 0)
            yield return new ValidationResult($"nesterov needs dampening 0, not {Dampening}", [nameof(Nesterov)]);
    }
}

/// <summary>Options of <c>gd</c>: gradient descent, which is <c>sgd</c> without momentum on the whole training part (<see cref="GradientDescent"/>).</summary>
public sealed record GdOptions : ILearningRateOptions
{
    bool ILearningRateOptions.TakesProximalStep => true;

    [Description("Base learning rate")]
    [Range(0.0, 1e9, MinimumIsExclusive = true)]
    public double LearningRate { get; init; } = 0.1;

    [Description("Times the weights, added to the gradient")]
    [Range(0.0, 1000.0)]
    public double WeightDecay { get; init; }
}

/// <summary>Options of <c>momentum</c> and <c>nesterov</c>: <c>sgd</c> with the usual momentum.</summary>
public sealed record MomentumOptions : ILearningRateOptions
{
    bool ILearningRateOptions.TakesProximalStep => true;

    bool ILearningRateOptions.TakesMomentum => true;

    [Description("Base learning rate")]
    [Range(0.0, 1e9, MinimumIsExclusive = true)]
    public double LearningRate { get; init; } = 1e-2;

    [Description("Share of the momentum buffer that is kept each step")]
    [Range(0.0, 1.0, MinimumIsExclusive = true, MaximumIsExclusive = true)]
    public double Momentum { get; init; } = 0.9;

    [Description("Times the weights, added to the gradient")]
    [Range(0.0, 1000.0)]
    public double WeightDecay { get; init; }
}

/// <summary>
/// Stochastic gradient descent with momentum in the order of operations of <c>torch.optim.SGD</c> (Sutskever et al., ICML 2013, with the
/// rate outside the buffer), with gradient g:
/// <code>
/// g += weight_decay * p
/// b = g at the first step, else momentum * b + (1 - dampening) * g
/// p -= learning_rate * (b, or g + momentum * b with nesterov, or g without momentum)
/// </code>
/// </summary>
public sealed class Sgd : IOptimizer
{
    private static readonly string[] SlotNames = ["momentum_buffer"];

    private readonly SgdOptions _options;

    private readonly string _name;

    public Sgd(SgdOptions options) : this("sgd", options) { }

    public Sgd(GdOptions options)
        : this("gd", new SgdOptions { LearningRate = options.LearningRate, WeightDecay = options.WeightDecay }) { }

    public Sgd(MomentumOptions options, bool nesterov)
        : this(nesterov ? "nesterov" : "momentum", new SgdOptions
        {
            LearningRate = options.LearningRate,
            Momentum = options.Momentum,
            WeightDecay = options.WeightDecay,
            Nesterov = nesterov,
        })
    { }

    private Sgd(string name, SgdOptions options) => (_name, _options) = (name, options);

    public IReadOnlyList<string> Slots => _options.Momentum == 0 ? [] : SlotNames;

    public void Apply(in OptimizerStep step, Span<float> parameters, ReadOnlySpan<float> gradient, IReadOnlyList<Memory<float>> slots)
    {
        double momentum = step.Momentum ?? _options.Momentum;
        double gain = _options.Momentum == 0 ? 1 : Gain.Of(momentum, _options.Dampening, step.Number);
        if (_options.Nesterov) gain = 1 + momentum * gain;
        var descent = new Descent((float)(step.WeightDecay ?? _options.WeightDecay), (float)step.LearningRate, (float)(step.LearningRate * gain * step.L1));
        if (_options.Momentum == 0)
        {
            FusedUpdate.RunProximal(new Plain(descent), _name, step, parameters, gradient, slots);
            return;
        }
        // torch starts the buffer with the undampened gradient
        float share = step.Number == 1 ? 1 : (float)(1 - _options.Dampening);
        if (_options.Nesterov) FusedUpdate.RunProximal(new Nesterov(descent, (float)momentum), _name, step, parameters, gradient, slots);
        else FusedUpdate.RunProximal(new Heavy(descent, (float)momentum, share), _name, step, parameters, gradient, slots);
    }

    private readonly struct Descent(float weightDecay, float rate, float penalty)
    {
        public Floats Threshold => Vector256.Create(penalty);

        // not "+ 0 * p": an infinite parameter would become NaN where torch keeps it
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Floats Decayed(Floats g, Floats parameter) => weightDecay == 0 ? g : g + Vector256.Create(weightDecay) * parameter;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref Floats parameter, Floats direction) => parameter -= Vector256.Create(rate) * direction;
    }

    private readonly struct Plain(Descent descent) : IProximalKernel
    {
        public static int Slots => 0;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Floats parameter, Floats gradient, ref Floats slot0, ref Floats slot1, ref Floats slot2) =>
            descent.Step(ref parameter, descent.Decayed(gradient, parameter));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Floats Threshold(Floats slot0, Floats slot1, Floats slot2) => descent.Threshold;
    }

    private readonly struct Heavy(Descent descent, float momentum, float share) : IProximalKernel
    {
        public static int Slots => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Floats parameter, Floats gradient, ref Floats slot0, ref Floats slot1, ref Floats slot2)
        {
            slot0 = Vector256.Create(momentum) * slot0 + Vector256.Create(share) * descent.Decayed(gradient, parameter);
            descent.Step(ref parameter, slot0);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Floats Threshold(Floats slot0, Floats slot1, Floats slot2) => descent.Threshold;
    }

    private readonly struct Nesterov(Descent descent, float momentum) : IProximalKernel
    {
        public static int Slots => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Update(ref Floats parameter, Floats gradient, ref Floats slot0, ref Floats slot1, ref Floats slot2)
        {
            var g = descent.Decayed(gradient, parameter);
            slot0 = Vector256.Create(momentum) * slot0 + g;
            descent.Step(ref parameter, g + Vector256.Create(momentum) * slot0);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Floats Threshold(Floats slot0, Floats slot1, Floats slot2) => descent.Threshold;
    }
}
