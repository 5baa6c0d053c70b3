using System.Collections.Immutable;
using DistOpt.Core.Parameters;

namespace DistOpt.Core.Optimizers;

/// <summary>What an update depends on beside its arrays.</summary>
/// <param name="Number">Number of this update from 1 (Adam's t).</param>
/// <param name="LearningRate">Learning rate of the step.</param>
/// <param name="GradientScale">Factor on the gradient before use: 1 / weight of the global batch, so that the division costs no pass of its own.</param>
public readonly record struct OptimizerStep(long Number, double LearningRate, float GradientScale)
{
    /// <summary>Weight decay of the parameter group; null: the optimizer's own.</summary>
    public double? WeightDecay { get; init; }

    /// <summary>
    /// Factor of an L1 penalty whose proximal step the optimizer takes behind its update; 0 for none. Above 0 only where its options say that they take it
    /// (<see cref="ILearningRateOptions.TakesProximalStep"/>).
    /// </summary>
    public double L1 { get; init; }

    /// <summary>
    /// The momentum, or beta1, of the step in place of the optimizer's own, where a schedule cycles it; null: the optimizer's own. Set only where its
    /// options say that they take it (<see cref="ILearningRateOptions.TakesMomentum"/>).
    /// </summary>
    public double? Momentum { get; init; }

    /// <summary>
    /// Whether the arrays are of a bias or a norm, a tensor of fewer than two dimensions; told to optimizers with <see cref="IOptimizer.Needs"/>.
    /// </summary>
    public bool IsVector { get; init; }

    /// <summary>Penalties and clipping by value; null for none.</summary>
    public GradientTerms? Terms { get; init; }

    /// <summary>Factor on the gradient after that, from clipping by norm: at most 1.</summary>
    public float ClipFactor { get; init; } = 1;

    /// <summary>Norms of the whole tensor that the arrays belong to, for optimizers that ask for them (<see cref="OptimizerNeeds"/>).</summary>
    public TensorNorms Norms { get; init; }

    /// <summary>Sizes of the tensor that the arrays are, for optimizers that ask for <see cref="OptimizerNeeds.WholeTensors"/>.</summary>
    public TensorSlot? Tensor { get; init; }
}

/// <summary>Euclidean norms of one whole tensor, over all servers, in float64.</summary>
/// <param name="Parameter">Of its weights before the update.</param>
/// <param name="Gradient">Of its gradient as the optimizer sees it.</param>
/// <param name="Direction">Of what <see cref="IDirectionOptimizer"/> measures.</param>
public readonly record struct TensorNorms(double Parameter, double Gradient, double Direction);

/// <summary>What an optimizer must know of whole tensors, which may be cut over several servers.</summary>
[Flags]
public enum OptimizerNeeds
{
    /// <summary>Nothing: it is element-wise.</summary>
    None = 0,

    /// <summary>Norms of parameters and gradient; <see cref="IOptimizer.Apply"/> is called for one tensor's part at a time.</summary>
    Norms = 1,

    /// <summary>Also the norm of its direction: it is an <see cref="IDirectionOptimizer"/>.</summary>
    DirectionNorm = 2,

    /// <summary>Tensors are not cut, and <see cref="IOptimizer.Apply"/> is called for one whole tensor at a time.</summary>
    WholeTensors = 4,
}

/// <summary>
/// A server-side update rule over one key range: element-wise unless <see cref="Needs"/> says otherwise, so that ranges may be cut anywhere at
/// multiples of 1,024. Stateless; slots hold the state. Vector body and scalar tail of a kernel give the same bits, and nothing is allocated.
/// </summary>
public interface IOptimizer
{
    /// <summary>Names of the state vectors, as they stand in a checkpoint: "momentum_buffer", "exp_avg", ...</summary>
    IReadOnlyList<string> Slots { get; }

    /// <summary>
    /// Sizes of what a state vector has for one parameter: its own, unless the optimizer asks for <see cref="OptimizerNeeds.WholeTensors"/> and keeps
    /// less.
    /// </summary>
    /// <param name="slot">Index in <see cref="Slots"/>.</param>
    ImmutableArray<long> SlotShape(int slot, TensorSlot parameter) => parameter.Shape;

    /// <summary>What it must know of whole tensors.</summary>
    OptimizerNeeds Needs => OptimizerNeeds.None;

    /// <summary>Updates <paramref name="parameters"/> and <paramref name="slots"/> in place.</summary>
    /// <param name="step">Update number, rate and scale.</param>
    /// <param name="parameters">Parameters of the range.</param>
    /// <param name="gradient">Gradient sum of the same length.</param>
    /// <param name="slots">One memory per name in <see cref="Slots"/>, each of its length for these parameters; zero before the first step.</param>
    void Apply(in OptimizerStep step, Span<float> parameters, ReadOnlySpan<float> gradient, IReadOnlyList<Memory<float>> slots);
}

/// <summary>An update whose length depends on the norm of its own direction (LAMB), which all servers measure before any of them applies it.</summary>
public interface IDirectionOptimizer : IOptimizer
{
    /// <summary>Sum of squares of the direction over these elements, in float64, in a fixed order. Changes nothing.</summary>
    double MeasureDirection(in OptimizerStep step, ReadOnlySpan<float> parameters, ReadOnlySpan<float> gradient, IReadOnlyList<Memory<float>> slots);
}
