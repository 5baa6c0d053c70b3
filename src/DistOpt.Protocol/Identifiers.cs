using MessagePack;

namespace DistOpt.Protocol;

/// <summary>One incarnation of a node: a restarted process has another id. Text such as <c>10.0.0.7:4053#1a2b3c4d</c>, or <c>local</c>.</summary>
[MessagePackObject]
public readonly record struct NodeId([property: Key(0)] string Value)
{
    public override string ToString() => Value;
}

/// <summary>Id of a job; ids sort by time.</summary>
[MessagePackObject]
public readonly record struct JobId([property: Key(0)] string Value)
{
    public override string ToString() => Value;
}
