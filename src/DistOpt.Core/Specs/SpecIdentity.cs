using System.Security.Cryptography;
using System.Text;
using DistOpt.Core.Specs.Binding;
using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Specs;

/// <summary>
/// What decides the bits of a run's weights apart from the data and the program: the resolved spec without the fields marked
/// <see cref="OutsideIdentityAttribute"/> (name, workers, servers, limits, paths). Two runs with equal identity, equal data and equal
/// builds have equal weights under bsp.
/// </summary>
public static class SpecIdentity
{
    /// <summary>The canonical text, as <see cref="SpecWriter"/> writes the remaining fields.</summary>
    public static string Text(TrainingSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return SpecYamlText.Write(new NodeWriter(field => !field.OutsideIdentity).WriteRecord(spec.Resolve()));
    }

    /// <summary>SHA-256 of the UTF-8 text, 64 lower-case hexadecimal digits.</summary>
    public static string Hash(TrainingSpec spec) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Text(spec))));
}
