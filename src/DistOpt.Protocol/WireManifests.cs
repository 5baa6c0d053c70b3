namespace DistOpt.Protocol;

/// <summary>The closed table of wire contracts: manifest to type. Append only; a name is never used again for another shape.</summary>
public static class WireManifests
{
    private static readonly Dictionary<string, Type> Types = new(StringComparer.Ordinal)
    {
    };

    private static readonly Dictionary<Type, string> Names = Types.ToDictionary(p => p.Value, p => p.Key);

    public static IReadOnlyDictionary<string, Type> All => Types;

    /// <summary>Manifest of a message, or null if the type is not a contract.</summary>
    public static string? Of(Type type) => Names.GetValueOrDefault(type);

    public static Type? TypeOf(string manifest) => Types.GetValueOrDefault(manifest);
}
