namespace DistOpt.Protocol;

/// <summary>Version of the wire contract. Nodes of a cluster compare it when they join.</summary>
public static class ProtocolVersion
{
    public const string Current = "1.0";
}
