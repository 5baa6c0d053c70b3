using System.Collections.Immutable;

namespace DistOpt.Core.Specs.Yaml;

/// <summary>A value of a YAML document before it has a type.</summary>
/// <param name="Line">Line in the file from 1; null for what does not come from a file.</param>
public abstract class SpecNode(int? Line)
{
    public int? Line { get; } = Line;
}

/// <summary>
/// A scalar. Whether a plain one is null, a number or text depends on its spelling (YAML 1.2 core schema) and on the field.
/// </summary>
/// <param name="text">The characters, after unquoting.</param>
/// <param name="plain">Whether it was written without quotes.</param>
/// <param name="line">Line from 1.</param>
public sealed class ScalarNode(string text, bool plain, int? line = null) : SpecNode(line)
{
    public string Text { get; } = text;

    public bool Plain { get; } = plain;

    public bool IsNull => Plain && SpecScalars.IsNull(Text);

    public static ScalarNode Null { get; } = new("null", plain: true);
}

public sealed class SequenceNode(ImmutableArray<SpecNode> items, int? line = null) : SpecNode(line)
{
    public ImmutableArray<SpecNode> Items { get; } = items;
}

/// <param name="Key">The field.</param>
/// <param name="Value">Its value.</param>
/// <param name="Line">Line of the key from 1.</param>
public sealed record MappingEntry(string Key, SpecNode Value, int? Line = null);

/// <summary>Fields in file order, no key twice.</summary>
public sealed class MappingNode(ImmutableArray<MappingEntry> entries, int? line = null) : SpecNode(line)
{
    public static MappingNode Empty { get; } = new([]);

    public ImmutableArray<MappingEntry> Entries { get; } = entries;

    public SpecNode? Get(string key)
    {
        foreach (var entry in Entries)
        {
            if (entry.Key == key)
                return entry.Value;
        }

        return null;
    }

    /// <summary>A copy in which <paramref name="key"/> has the value, at its place or at the end.</summary>
    public MappingNode With(string key, SpecNode value)
    {
        for (var i = 0; i < Entries.Length; i++)
        {
            if (Entries[i].Key == key)
                return new MappingNode(Entries.SetItem(i, new MappingEntry(key, value)), Line);
        }

        return new MappingNode(Entries.Add(new MappingEntry(key, value)), Line);
    }
}
