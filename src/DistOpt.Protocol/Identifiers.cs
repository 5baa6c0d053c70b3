using MessagePack;

namespace DistOpt.Protocol;

/// <summary>One incarnation of a node: a restarted process has another id. Text such as <c>10.0.0.7:4053#1a2b3c4d</c>, or <c>local</c>.</summary>
[MessagePackObject]
public readonly record struct NodeId([property: Key(0)] string Value)
{
    /// <summary>The id without what tells incarnations apart, for people.</summary>
    [IgnoreMember]
    public string Address => Value.LastIndexOf('#') is > 0 and var at ? Value[..at] : Value;

    /// <summary>Whether this is another incarnation of that node: the same address, another process.</summary>
    public bool Succeeds(NodeId other) => this != other && Value.LastIndexOf('#') is > 0 and var at
        && other.Value.StartsWith(Value[..(at + 1)], StringComparison.Ordinal);

    public override string ToString() => Value;
}

/// <summary>Id of a job; ids sort by time.</summary>
[MessagePackObject]
public readonly record struct JobId([property: Key(0)] string Value)
{
    public override string ToString() => Value;
}
