using System.Globalization;
using System.Text;

namespace DistOpt.Core.Specs.Yaml;

/// <summary>Nodes as YAML text: mappings as indented blocks, lists in one line, '\n' line ends.</summary>
public static class SpecYamlText
{
    public static string Write(MappingNode root)
    {
        ArgumentNullException.ThrowIfNull(root);
        var text = new StringBuilder();
        WriteBlock(text, root, 0);
        return text.ToString();
    }

    /// <summary>A value in one line: <c>[1, 2]</c>, <c>{ kind: sgd }</c>, <c>"a: b"</c>.</summary>
    public static string Inline(SpecNode node) => node switch
    {
        ScalarNode { Plain: true } scalar => scalar.Text,
        ScalarNode scalar => Quote(scalar.Text),
        SequenceNode sequence => "[" + string.Join(", ", sequence.Items.Select(Inline)) + "]",
        MappingNode { Entries.IsEmpty: true } => "{}",
        MappingNode mapping => "{ " + string.Join(", ", mapping.Entries.Select(e => $"{Text(e.Key)}: {Inline(e.Value)}")) + " }",
        _ => throw new ArgumentException($"{node.GetType()} is no spec node", nameof(node)),
    };

    /// <summary>A text as a scalar: plain where every reader takes it for text, otherwise in double quotes.</summary>
    public static string Text(string value) => SpecScalars.IsUnmistakablyText(value) ? value : Quote(value);

    private static void WriteBlock(StringBuilder text, MappingNode mapping, int depth)
    {
        foreach (var (key, value, _) in mapping.Entries)
        {
            text.Append(' ', 2 * depth).Append(Text(key)).Append(':');
            if (value is MappingNode { Entries.IsEmpty: false } inner)
            {
                text.Append('\n');
                WriteBlock(text, inner, depth + 1);
            }
            else
            {
                text.Append(' ').Append(Inline(value)).Append('\n');
            }
        }
    }

    private static string Quote(string value)
    {
        var text = new StringBuilder("\"");
        foreach (var c in value)
        {
            _ = c switch
            {
                '"' => text.Append("\\\""),
                '\\' => text.Append("\\\\"),
                '\n' => text.Append("\\n"),
                '\t' => text.Append("\\t"),
                '\r' => text.Append("\\r"),
                < ' ' or (>= '\x7f' and <= '\xa0') or '\u2028' or '\u2029' or '\uFEFF' =>
                    text.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture)),
                _ => text.Append(c),
            };
        }

        return text.Append('"').ToString();
    }
}
