using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Training;

/// <summary>Opens what a job needs on a node: model and data. Implemented by the tensor engine (DistOpt.Torch), or by a test.</summary>
public interface IJobRuntimeFactory
{
    /// <summary>Loads the data and builds the model. Slow and blocking; called on a thread of its own.</summary>
    /// <param name="spec">The resolved spec: every default filled in, gradient shards fixed.</param>
    /// <exception cref="SpecException">Data or model cannot be opened as the spec says; all violations at once.</exception>
    IJobRuntime Open(TrainingSpec spec);
}

/// <summary>The parts of the data, as sample counts.</summary>
public sealed record DataCounts(long Train, long Validation, long Test)
{
    public long Of(DataSplit split) => split switch
    {
        DataSplit.Train => Train,
        DataSplit.Validation => Validation,
        DataSplit.Test => Test,
        _ => throw new ArgumentOutOfRangeException(nameof(split), split, null),
    };
}

public enum DataSplit
{
    Train,
    Validation,
    Test,
}

/// <summary>
/// What must be equal on every node of a job (DESIGN section 4). Values are short texts, so that an error can show both.
/// </summary>
/// <param name="Exact">Checks that always hold: user code, data rows and hash, layout.</param>
/// <param name="Numeric">Checks that matter under <c>bit_exact</c>: libtorch version, CPU capability, hash of a probe gradient.</param>
public sealed record JobFingerprint(IReadOnlyDictionary<string, string> Exact, IReadOnlyDictionary<string, string> Numeric)
{
    /// <summary>
    /// Build of DistOpt's own code that computes. It may differ while a cluster is upgraded, which is told; bits are judged by
    /// <see cref="Numeric"/>. Empty = it has none.
    /// </summary>
    public string Engine { get; init; } = "";
}

/// <summary>A job's model and data on one node. Thread-safe except where said; workers made from it belong to one thread each.</summary>
public interface IJobRuntime : IDisposable
{
    ParameterLayout Layout { get; }

    DataCounts Data { get; }

    JobFingerprint Fingerprint { get; }

    /// <summary>Names of the classes by index; empty where there are none.</summary>
    IReadOnlyList<string> Classes => [];

    /// <summary>Warnings for the user that opening gave rise to (for example: a module that draws from libtorch's generator).</summary>
    IReadOnlyList<string> Warnings { get; }

    /// <summary>
    /// Initial weights, the same bits on every node: <paramref name="parameters"/> has <c>Layout.ParameterCount</c> elements,
    /// <paramref name="buffers"/> <c>Layout.BufferCount</c>.
    /// </summary>
    void WriteInitialWeights(Span<float> parameters, Span<float> buffers);

    /// <summary>
    /// A replica of the model whose weights are views of <paramref name="weights"/> (<c>Layout.ParameterCount</c> elements, written by others
    /// between steps). To be called, used and disposed on the thread that will compute.
    /// </summary>
    IGradientWorker CreateWorker(FlatBuffer weights);

    /// <summary>Writes the model files of a run (<c>model.safetensors</c> or <c>last.safetensors</c> form) from flat weights.</summary>
    /// <param name="path">File to write; replaced atomically.</param>
    void SaveModel(string path, ReadOnlyMemory<float> parameters, ReadOnlyMemory<float> buffers);

    /// <summary>Writes <c>inference.json</c>: model kind and options, input shapes and types, normalization, classes, columns.</summary>
    void SaveInference(string path);
}

/// <summary>What one leaf of the reduction tree carries beside its gradient.</summary>
/// <param name="Weight">Sum of the weights (samples, tokens) in the shard: the gradient's share of the divisor.</param>
/// <param name="Metrics">Loss sum and whatever the training step logged.</param>
public sealed record LeafResult(double Weight, MetricSums Metrics)
{
    /// <summary>
    /// First position at which the gradient of a shard below is not finite (<see cref="Divergence.FirstNonFinite"/>); null where all are. Whoever
    /// computes gradients need not look: it is found out.
    /// </summary>
    public long? NonFinite { get; init; }
}

/// <summary>Computes gradient shards and evaluation slices with the weights it is bound to. One thread only.</summary>
public interface IGradientWorker : IDisposable
{
    /// <summary>
    /// Writes the sum of per-sample gradients of one gradient shard into <paramref name="gradient"/> (which is overwritten, and is all
    /// zero for an empty shard).
    /// </summary>
    /// <param name="plan">The step.</param>
    /// <param name="shard">Positions of the shard within the global batch.</param>
    /// <param name="shardIndex">Index of the gradient shard.</param>
    /// <param name="gradient"><c>Layout.ParameterCount</c> elements; buffers are reused from step to step.</param>
    /// <param name="buffersIn">Buffer section of version <c>plan.Step</c>; empty where the layout has none.</param>
    /// <param name="buffersOut">Receives the buffer section after the forward pass; empty unless this is shard 0 of a layout with buffers.</param>
    LeafResult ComputeLeaf(StepPlan plan, PositionRange shard, int shardIndex, FlatBuffer gradient,
        ReadOnlySpan<float> buffersIn, Span<float> buffersOut);

    /// <summary>Metrics of one slice of a split: samples <c>[slice.Begin, slice.End)</c> in the split's fixed order, in eval mode.</summary>
    MetricSums Evaluate(DataSplit split, PositionRange slice, ReadOnlySpan<float> buffers);

    /// <summary>
    /// Measures batch-norm statistics anew with the weights as they are: their mean over forward passes in training mode over the whole training part, in
    /// the order of its first epoch and in fixed batches, as <c>torch.optim.swa_utils.update_bn</c>. The same bits whoever does it.
    /// </summary>
    /// <param name="buffersIn">The buffer section before.</param>
    /// <param name="buffersOut">Receives it with the new statistics; what is none stays as it is.</param>
    void UpdateBatchNorm(ReadOnlySpan<float> buffersIn, Span<float> buffersOut) => buffersIn.CopyTo(buffersOut);

    /// <summary>Seconds that getting batches took since this was last asked (a figure for people); 0 where nobody measures it.</summary>
    double TakeDataSeconds() => 0;

    /// <summary>
    /// Tells which shards this worker will compute next, so that batches can be prepared ahead (<c>data.prefetch</c>). A hint: bits do not
    /// depend on it.
    /// </summary>
    void Prefetch(StepPlan plan, PositionRange shard, int shardIndex);
}
