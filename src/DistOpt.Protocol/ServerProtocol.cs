using MessagePack;

namespace DistOpt.Protocol;

/// <summary>
/// Training coordinator to every server, once all nodes have started: answer with the weights you have. The server of key 0 adds the
/// first plan.
/// </summary>
[MessagePackObject]
public sealed record BeginTraining([property: Key(0)] int JobEpoch) : IWireMessage;

/// <summary>Anyone to the server of key 0: end at the next step.</summary>
[MessagePackObject]
public sealed record RequestStop([property: Key(0)] int Reason) : IWireMessage;

/// <summary>
/// Training coordinator to a server: send weights (0), buffers (1), selected weights (2) or selected buffers (3) to the collector on its
/// node.
/// </summary>
[MessagePackObject]
public sealed record CollectParts([property: Key(0)] int[] Parts) : IWireMessage;

/// <summary>
/// Training coordinator to every server: load the selected weights and answer with them at version <paramref name="Step"/> (the run's end).
/// </summary>
[MessagePackObject]
public sealed record PublishSelected([property: Key(0)] long Step) : IWireMessage;

/// <summary>Training coordinator to a server: whom are you waiting for? Answered by <see cref="Waiting"/>.</summary>
[MessagePackObject]
public sealed record AskWaiting : IWireMessage;

/// <summary>A server or replica to the training coordinator: what it waits for, in words, and the step it is at. Empty if it waits for nobody.</summary>
[MessagePackObject]
public sealed record Waiting([property: Key(0)] string Actor, [property: Key(1)] long Step, [property: Key(2)] string[] Whom) : IWireMessage;
