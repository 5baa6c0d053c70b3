using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;

namespace DistOpt.Actors.Tensors;

/// <summary>What a tensor frame carries. The numbers are on the wire: append only.</summary>
public enum TensorKind : byte
{
    /// <summary>A tree node's gradient sum over a server's key range, worker to server.</summary>
    Push = 1,

    /// <summary>Weights of a server's key range, server to replica: the answer to the step's pushes.</summary>
    Answer = 2,

    /// <summary>The buffer section after shard 0's forward pass, worker to the server of key 0.</summary>
    PushBuffers = 3,

    /// <summary>The buffer section, server of key 0 to replica.</summary>
    AnswerBuffers = 4,

    /// <summary>Weights (or buffers, or slots) of a key range, server to whoever collects them.</summary>
    Snapshot = 5,
}

/// <summary>Kinds of receivers on a node.</summary>
public enum TensorTarget : byte
{
    Server = 1,
    Replica = 2,
    Collector = 3,
}

/// <summary>Receiver of frames on a node: (job, kind of receiver, index).</summary>
/// <param name="Job">64-bit key of the job, from its id.</param>
public readonly record struct TensorAddress(ulong Job, TensorTarget Target, int Index);

/// <summary>
/// Header of a tensor frame; travels in-band before the payload. The payload is raw little-endian float32 of <see cref="Range"/>'s length.
/// (job epoch, step, node, range) identifies a push: a repeat has the same bits and is dropped.
/// </summary>
/// <param name="Kind">What the payload is.</param>
/// <param name="To">Receiver on the node that the frame is sent to.</param>
/// <param name="JobEpoch">Number of times servers of the job were placed anew; lower ones are refused.</param>
/// <param name="Step">Step (or weights version) the payload belongs to.</param>
/// <param name="Node">Tree node of a push; default otherwise.</param>
/// <param name="Range">Key range of the payload in its section.</param>
/// <param name="Part">Which vector a snapshot carries: 0 weights, 1 buffers, 2 selected weights, 3 selected buffers, 16+i optimizer slot i.</param>
public readonly record struct TensorHeader(
    TensorKind Kind,
    TensorAddress To,
    int JobEpoch,
    long Step,
    TreeNode Node,
    KeyRange Range,
    int Part = 0);

/// <summary>Values of <see cref="TensorHeader.Part"/> in a snapshot.</summary>
public static class SnapshotParts
{
    public const int Weights = 0;
    public const int Buffers = 1;
    public const int SelectedWeights = 2;
    public const int SelectedBuffers = 3;
}
