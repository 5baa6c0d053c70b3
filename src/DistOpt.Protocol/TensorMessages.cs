using MessagePack;

namespace DistOpt.Protocol;

/// <summary>Travels with a push: the plan that the gradient was computed by, and what the tree node weighs.</summary>
[MessagePackObject]
public sealed record PushMeta([property: Key(0)] WirePlan Plan, [property: Key(1)] double Weight, [property: Key(2)] WireMetrics Metrics)
    : IWireMessage;

/// <summary>Travels with the answer of the server that holds key 0: the plan of the next step.</summary>
[MessagePackObject]
public sealed record AnswerMeta([property: Key(0)] WirePlan Plan) : IWireMessage;
