using System.Globalization;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Specs.Binding;

/// <summary>Short forms of a parameter, and what is often written in place of the right one.</summary>
internal static class SpaceForms
{
    private static readonly Dictionary<string, string> Remedies = new()
    {
        ["low"] = "a range is written float: [low, high] or int: [low, high]",
        ["high"] = "a range is written float: [low, high] or int: [low, high]",
        ["min"] = "a range is written float: [low, high] or int: [low, high]",
        ["max"] = "a range is written float: [low, high] or int: [low, high]",
        ["lower"] = "a range is written float: [low, high] or int: [low, high]",
        ["upper"] = "a range is written float: [low, high] or int: [low, high]",
        ["uniform"] = "write float: [low, high]",
        ["quniform"] = "write float: [low, high] and step: ...",
        ["randint"] = "write int: [low, high], both included",
        ["loguniform"] = "write float: [low, high] and log: true",
        ["log_float"] = "write float: [low, high] and log: true",
        ["log_int"] = "write int: [low, high] and log: true",
        ["values"] = "write choices: [...]",
        ["categorical"] = "write choices: [...]",
        ["choice"] = "write choices: [...]",
        ["grid_search"] = "write choices: [...], and study.sampler: grid",
        ["condition"] = "write when: { path: value }",
        ["if"] = "write when: { path: value }",
    };

    /// <summary><c>value</c>, also of a list's length and elements, as the mapping that it is short for.</summary>
    public static MappingNode Long(SpecNode node)
    {
        if (node is not MappingNode mapping) return Value(node);
        if (mapping.Get("list") is not MappingNode list) return mapping;
        if (list.Get("length") is ScalarNode { IsNull: false } length)
            list = list.With("length", Of("int", new SequenceNode([length, length], length.Line), length));
        if (list.Get("each") is { } each and not (MappingNode or ScalarNode { IsNull: true })) list = list.With("each", Value(each));
        return mapping.With("list", list);
    }

    /// <summary>Why a mapping is no parameter but a section of them; null where it is one.</summary>
    public static string? Unknown(string path, MappingNode node, RecordShape shape)
    {
        bool IsOwn(MappingEntry e) => shape.Find(e.Key) is not null || Remedies.ContainsKey(e.Key) || e.Value is not MappingNode;
        if (node.Entries.IsEmpty || node.Entries.Any(IsOwn)) return null;
        return $"is a section: give each of its parameters a line with its whole path, such as {path}.{node.Entries[0].Key}: {{ ... }}";
    }

    /// <summary>Fields that are none, but whose meaning is plain: name and what to write.</summary>
    public static IEnumerable<(string Field, string Message)> Mistakes(MappingNode node) => node.Entries.Where(e => Remedies.ContainsKey(e.Key))
        .Select(e => (e.Key, string.Create(CultureInfo.InvariantCulture, $"unknown field '{e.Key}': {Remedies[e.Key]}")));

    /// <summary>The parameter without them.</summary>
    public static MappingNode WithoutMistakes(MappingNode node) => new([.. node.Entries.Where(e => !Remedies.ContainsKey(e.Key))], node.Line);

    /// <summary>A parameter as it stands in a file, without what it does not say.</summary>
    public static MappingNode Write(DomainSpec spec) => new([.. new NodeWriter().WriteRecord(spec).Entries
        .Where(e => e.Key == "value" ? spec.Value is not null : e.Value is not ScalarNode { Plain: true, Text: "null" or "false" })
        .Select(e => e.Key == "list" && spec is ParameterSpec { List: { } list } ? e with { Value = Write(list) } : e)]);

    /// <summary>Plain scalars of every other spelling than numbers, truth values and null in quotes, so that they can stand inside lists of one line.</summary>
    public static SpecNode Quoted(SpecNode node) => node switch
    {
        ScalarNode { IsNull: true } => new ScalarNode("null", plain: true, node.Line),
        ScalarNode { Plain: true, Text: var text } when !SpecScalars.IsBool(text, out _) && !SpecScalars.IsNumber(text, out _)
            && !SpecScalars.IsInteger(text, out _) && !SpecScalars.IsUnmistakablyText(text) => new ScalarNode(text, plain: false, node.Line),
        SequenceNode list => new SequenceNode([.. list.Items.Select(Quoted)], list.Line),
        MappingNode fields => new MappingNode([.. fields.Entries.Select(e => e with { Value = Quoted(e.Value) })], fields.Line),
        _ => node,
    };

    private static MappingNode Write(ListSpec list) =>
        new([new MappingEntry("length", Write(list.Length ?? new DomainSpec())), new MappingEntry("each", Write(list.Each ?? new DomainSpec()))]);

    private static MappingNode Value(SpecNode value) => Of("value", value, value);

    private static MappingNode Of(string field, SpecNode value, SpecNode at) => new([new MappingEntry(field, value, at.Line)], at.Line);
}
