using System.Globalization;
using System.Reflection;

namespace DistOpt.Protocol;

/// <summary>
/// Version of what the nodes of a cluster share: wire contracts, journal, resolved specs, and the bits that a spec leads to. Nodes at most one
/// minor version apart work together, so that a cluster can be upgraded node by node while jobs run.
/// <para>
/// A new minor version may add a message, or a field at the end of one, whose absence (null, 0) means what was before. It does not write into
/// the journal, send on the tensor channel, or need as an answer what the minor version before it cannot read; a field that it adds to the spec stands in a
/// resolved spec only where it is used. Whatever changes bits, takes away or changes a meaning is a new major version.
/// </para>
/// </summary>
/// <param name="Major">Versions of different ones never work together.</param>
/// <param name="Minor">From 0; one apart works.</param>
public readonly record struct ProtocolVersion(int Major, int Minor)
{
    /// <summary>Name of the assembly's metadata that holds the version (see the project file, where a test can set another).</summary>
    private const string Metadata = "ProtocolVersion";

    /// <summary>What this build speaks.</summary>
    public static ProtocolVersion Current { get; } = Parse(typeof(ProtocolVersion).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(a => a.Key == Metadata).Value!);

    /// <summary>Whether nodes of both versions may be members of one cluster.</summary>
    public bool WorksWith(ProtocolVersion other) => Major == other.Major && Math.Abs((long)Minor - other.Minor) <= 1;

    /// <exception cref="FormatException">Not two numbers with a point between them.</exception>
    public static ProtocolVersion Parse(string text) =>
        TryParse(text, out var version) ? version : throw new FormatException($"'{text}' is no protocol version such as 1.0");

    public static bool TryParse(string? text, out ProtocolVersion version)
    {
        version = default;
        if (text?.Split('.') is not [var first, var second] || !Number(first, out int major) || !Number(second, out int minor)) return false;
        version = new ProtocolVersion(major, minor);
        return true;

        static bool Number(string digits, out int number) => int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Major}.{Minor}");
}
