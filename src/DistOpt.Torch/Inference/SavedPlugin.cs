using System.Text.Json;
using DistOpt.Core.Specs;

namespace DistOpt.Torch.Inference;

/// <summary>A plug-in as <c>inference.json</c> holds it: its name, and the fields of its options record in snake case.</summary>
public sealed record SavedPlugin(string Kind, JsonElement Options)
{
    /// <summary>Takes over a resolved plug-in of a spec.</summary>
    public static SavedPlugin From(PluginSpec plugin)
    {
        object options = plugin.Options ?? new object();
        return new(plugin.Kind, JsonSerializer.SerializeToElement(options, options.GetType(), InferenceDocument.Json));
    }

    /// <summary>The options as an instance of the record that the catalogue names.</summary>
    /// <exception cref="SpecException">The saved fields do not fit the record.</exception>
    public object OptionsAs(Type type)
    {
        try
        {
            return Options.Deserialize(type, InferenceDocument.Json)
                ?? throw new SpecException(Kind, "the saved options are null, but must be an object");
        }
        catch (Exception e) when (e is JsonException or NotSupportedException or InvalidOperationException)
        {
            throw new SpecException(Kind, $"the saved options do not fit {type.Name} of this program: {e.Message}");
        }
    }
}
