using MessagePack;

namespace DistOpt.Protocol;

/// <summary>Travels with a push: the plan that the gradient was computed by, and what the tree node weighs.</summary>
[MessagePackObject]
public sealed record PushMeta([property: Key(0)] WirePlan Plan, [property: Key(1)] double Weight, [property: Key(2)] WireMetrics Metrics)
    : IWireMessage
{
    /// <summary>First position of the whole vector at which the gradient of a shard below is not finite; null = all are.</summary>
    [Key(3)]
    public long? NonFinite { get; init; }
}

/// <summary>Travels with the answer of the server that holds key 0: the plan of the next step.</summary>
[MessagePackObject]
public sealed record AnswerMeta([property: Key(0)] WirePlan Plan) : IWireMessage;

/// <summary>Travels with the first slice of a state that the server of key 0 sends: what belongs to it beside the vectors.</summary>
/// <param name="CopySeconds">How long the server was held up by copying it.</param>
[MessagePackObject]
public sealed record StateMeta([property: Key(0)] WireState State, [property: Key(1)] double CopySeconds) : IWireMessage
{
    /// <summary>For the backup of the server of key 0; null for others.</summary>
    [Key(2)]
    public RowsKept? Rows { get; init; }
}

/// <summary>Travels with a step's gradient sum to the backup of a server.</summary>
/// <param name="Weight">Sum of the weights (samples, tokens) of the global batch.</param>
/// <param name="State">State after the step, without the vectors.</param>
[MessagePackObject]
public sealed record ReplicateMeta([property: Key(0)] WirePlan Plan, [property: Key(1)] double Weight, [property: Key(2)] WireState State)
    : IWireMessage
{
    /// <summary>For the backup of the server of key 0; null for others.</summary>
    [Key(3)]
    public RowsKept? Rows { get; init; }

    /// <summary>Where the update wants norms of whole tensors: their sums; null elsewhere.</summary>
    [Key(4)]
    public WireNorms? Norms { get; init; }
}

/// <summary>Sums of squares over whole tensors, round by round.</summary>
[MessagePackObject]
public sealed record WireNorms([property: Key(0)] double[][] Rounds);
