using MessagePack;

namespace DistOpt.Protocol;

/// <summary>Server of key 0 to every replica: the evaluation at this step is complete, and this is the plan that came of it.</summary>
[MessagePackObject]
public sealed record Proceed([property: Key(0)] WirePlan Plan) : IWireMessage;

/// <summary>
/// Training coordinator to every replica, after <see cref="PublishSelected"/>: evaluate your slices of these splits on the weights of version
/// <paramref name="Step"/> and report to the training coordinator.
/// </summary>
[MessagePackObject]
public sealed record EvaluateSplits([property: Key(0)] long Step, [property: Key(1)] int[] Splits) : ICoordinatorMessage;

/// <summary>Metrics of one evaluation slice.</summary>
[MessagePackObject]
public sealed record SliceMetrics([property: Key(0)] int Slice, [property: Key(1)] WireMetrics Metrics);

/// <summary>
/// Replica to the server of key 0 (at a barrier) or to the training coordinator (at the end): its workers' slices of a split.
/// Identified by (step, split, slice): a repeat is dropped.
/// </summary>
[MessagePackObject]
public sealed record EvaluationSlices(
    [property: Key(0)] long Step,
    [property: Key(1)] int Split,
    [property: Key(2)] SliceMetrics[] Slices) : IWireMessage;

/// <summary>Replica to training coordinator: so many gradient shards are computed in place of, or after the loss of, somebody else.</summary>
[MessagePackObject]
public sealed record ShardsRedone([property: Key(0)] int JobEpoch, [property: Key(1)] long Step, [property: Key(2)] int Shards) : IWireMessage;
