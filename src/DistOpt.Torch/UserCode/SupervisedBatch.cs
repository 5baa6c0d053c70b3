using static TorchSharp.torch;

namespace DistOpt.Torch;

/// <summary>The built-in batch: N samples with their targets. Own batches are any class or record with tensor properties.</summary>
/// <param name="Input">[N, ...], float32 unless the model says otherwise.</param>
/// <param name="Target">[N] class indices (int64), or [N, ...] values (float32).</param>
public record SupervisedBatch(Tensor Input, Tensor Target);
