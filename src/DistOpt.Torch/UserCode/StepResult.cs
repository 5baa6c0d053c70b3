using static TorchSharp.torch;

namespace DistOpt.Torch;

/// <summary>What a training or evaluation step gives back for its batch (one gradient shard, or a micro batch of it).</summary>
/// <param name="LossSum">Scalar: the loss summed over samples or tokens, not their mean.</param>
/// <param name="Weight">What the sum is divided by over the whole global batch: samples, tokens. 0 or more.</param>
public readonly record struct StepResult(Tensor LossSum, double Weight);

/// <summary>
/// Forward pass and loss of one batch. Backward, gradients and the optimizer are not its business. Called on several threads at once, each
/// with a module of its own; tensors it makes are disposed of after the step.
/// </summary>
public delegate StepResult TrainingStep<in TModule, in TBatch>(TModule module, TBatch batch, StepContext context);

/// <summary>
/// Measures one batch in eval mode without gradients; the result is the split's "loss", the rest is logged through
/// <see cref="StepContext.Log(string, double, double)"/>.
/// </summary>
public delegate StepResult EvaluationStep<in TModule, in TBatch>(TModule module, TBatch batch, StepContext context);
