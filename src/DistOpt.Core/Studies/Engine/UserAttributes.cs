using System.Collections.ObjectModel;
using System.Text.Json;

namespace DistOpt.Core.Studies.Engine;

/// <summary>What users want to be known of a study and its trials. A trial without any costs nothing.</summary>
internal sealed class UserAttributes
{
    private const int Study = -1;

    private readonly Dictionary<int, Dictionary<string, JsonElement>> _of = [];

    /// <param name="trial">Null = the study.</param>
    public void Set(int? trial, string name, string json)
    {
        int of = trial ?? Study;
        // those that were handed out before stay as they were
        _of[of] = new Dictionary<string, JsonElement>(_of.GetValueOrDefault(of) ?? [], StringComparer.Ordinal) { [name] = Parse(json) };
    }

    /// <param name="trial">Null = the study.</param>
    public IReadOnlyDictionary<string, JsonElement> Of(int? trial) =>
        _of.TryGetValue(trial ?? Study, out var attributes) ? attributes : ReadOnlyDictionary<string, JsonElement>.Empty;

    private static JsonElement Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }
}
