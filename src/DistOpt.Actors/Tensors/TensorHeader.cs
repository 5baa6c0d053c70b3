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

    /// <summary>A slice of a server's state (see <see cref="TensorHeader.Part"/>), server to whoever collects it.</summary>
    Snapshot = 5,

    /// <summary>A slice of the state that a server or a backup is to go on from; the first one has the rest of the state with it.</summary>
    Restore = 6,

    /// <summary>A version by its number, server to a replica's recovery: weights (part 0) or buffers (part 1).</summary>
    Version = 7,

    /// <summary>A step's whole gradient sum over a server's key range, server to its backup.</summary>
    Replicate = 8,

    /// <summary>The buffer section after that step, server of key 0 to its backup, before <see cref="Replicate"/>.</summary>
    ReplicateBuffers = 9,

    /// <summary>Backup to server: it has taken in what was sent under the number in <see cref="TensorHeader.Part"/>. Empty payload.</summary>
    Replicated = 10,

    /// <summary>What an evaluation decided, server of key 0 to its backup. Empty payload.</summary>
    ReplicateState = 11,

    /// <summary>
    /// What a server has measured for the norms of a step, server to the server of key 0: float64 values as raw bits, two places each; the round
    /// stands in <see cref="TensorHeader.Part"/>, the server in the tree node's index.
    /// </summary>
    Norms = 12,

    /// <summary>The sums of a round over all servers, server of key 0 to the others; as <see cref="Norms"/>.</summary>
    NormSums = 13,

    /// <summary>As <see cref="Push"/>, in bfloat16: two numbers in each place, from place 0 (<see cref="Bfloat16.Pack"/>).</summary>
    PushBfloat16 = 14,

    /// <summary>The running average that is evaluated at a barrier, server to replica: of weights (part 4) or buffers (part 5).</summary>
    Average = 15,

    /// <summary>
    /// What a server has measured of a step whose leaves it measures, server to its backup, before <see cref="Replicate"/>; as <see cref="Norms"/>.
    /// </summary>
    ReplicateNorms = 16,
}

/// <summary>Kinds of receivers on a node.</summary>
public enum TensorTarget : byte
{
    Server = 1,
    Replica = 2,
    Collector = 3,
    Backup = 4,
    Recovery = 5,
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
/// <param name="Part">Number of a message between server and backup; otherwise which vector of the state it is a part of: see <see
/// cref="Core.Checkpoints.CheckpointPart"/>.</param>
public readonly record struct TensorHeader(
    TensorKind Kind,
    TensorAddress To,
    int JobEpoch,
    long Step,
    TreeNode Node,
    KeyRange Range,
    int Part = 0);
