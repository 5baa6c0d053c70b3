using DistOpt.Core.Specs.Binding;
using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Specs;

/// <summary>
/// Specs as YAML text that reads back as the same spec: every field in the order of declaration, numbers with all their bits. Fields
/// that came with a later minor version are left out at their defaults (<see cref="AddedInAttribute"/>).
/// </summary>
public static class SpecWriter
{
    /// <summary>The text of a spec or of any other record of fields.</summary>
    /// <exception cref="ArgumentException">The record has a property that a field of a spec cannot have.</exception>
    public static string Write(object spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return SpecYamlText.Write(new NodeWriter().WriteRecord(spec));
    }
}
