using System.Collections.Immutable;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace DistOpt.Core.Specs.Yaml;

/// <summary>
/// Reads one YAML document with bounded size and depth. Anchors, aliases and tags are refused (no use in a spec, and aliases let a
/// kilobyte of text stand for gigabytes), and so are keys that occur twice.
/// </summary>
public static class SpecYaml
{
    /// <summary>Largest document, in characters.</summary>
    public const int LengthMax = 1 << 20;

    /// <summary>Deepest nesting.</summary>
    public const int DepthMax = 32;

    /// <summary>The document's root; an empty document is an empty mapping.</summary>
    /// <param name="text">The document.</param>
    /// <param name="source">What errors call it: the file's name, or the path of an override.</param>
    /// <param name="lines">Whether the nodes carry line numbers.</param>
    /// <exception cref="SpecException">Not valid YAML, or one of the refused things; one violation with its line.</exception>
    public static SpecNode Parse(string text, string source, bool lines = true)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(source);
        if (text.Length > LengthMax)
            throw new SpecException(source, $"has {text.Length} characters, but may have at most {LengthMax}");
        try
        {
            return new Reader(text, source, lines).ReadDocument();
        }
        catch (YamlException e)
        {
            var (line, message) = Explain(e, text);
            throw new SpecException([new SpecViolation(source, $"not valid YAML: {message}", lines ? line : null)]);
        }
    }

    private static int Line(in Mark mark) => (int)Math.Clamp(mark.Line, 1, int.MaxValue);

    private static (int Line, string Message) Explain(YamlException e, string text)
    {
        // the scanner notices a tab late, and complains about the line before it
        var first = Line(e.Start);
        var suspects = text.Split('\n').Skip(first - 1).Take(2).ToList();
        var tab = suspects.FindIndex(l => l.TakeWhile(char.IsWhiteSpace).Contains('\t') && !string.IsNullOrWhiteSpace(l));
        if (tab >= 0)
            return (first + tab, "the line is indented with a tab; use spaces");
        var message = e.Message;
        return (first, message.Length == 0 ? "unexpected text" : char.ToLowerInvariant(message[0]) + message[1..].TrimEnd('.'));
    }

    private sealed class Reader(string text, string source, bool lines)
    {
        private readonly Parser _parser = new(new Scanner(new StringReader(text.TrimStart('\uFEFF')), skipComments: true));

        public SpecNode ReadDocument()
        {
            Next();
            if (Next() is StreamEnd)
                return MappingNode.Empty;
            var root = ReadNode(Next(), 0);
            Next();
            if (Next() is not StreamEnd)
                throw Refuse(_parser.Current!, "holds a second document; a spec is one document without '---' inside");
            return root;
        }

        private ParsingEvent Next()
        {
            try
            {
                return _parser.MoveNext() ? _parser.Current! : throw new YamlException("unexpected end of the text");
            }
            catch (Exception e) when (e is InvalidOperationException or ArgumentException)
            {
                // YamlDotNet's scanner throws these for some malformed texts (a plain scalar where no key may stand; half a surrogate)
                var at = _parser.Current?.End ?? Mark.Empty;
                throw new YamlException(at, at, "the text after this cannot be read; check quotes, brackets and colons");
            }
        }

        private SpecNode ReadNode(ParsingEvent e, int depth)
        {
            if (depth > DepthMax)
                throw Refuse(e, $"is nested deeper than {DepthMax} levels");
            if (e is AnchorAlias or NodeEvent { Anchor.IsEmpty: false })
                throw Refuse(e, "anchors and aliases are not supported; if a text begins with '*' or '&', put it in quotes");
            if (e is NodeEvent { Tag: { IsEmpty: false } tag } && tag.Value != "!")
                throw Refuse(e, $"tags such as '{tag.Value}' are not supported; if a text begins with '!', put it in quotes");
            return e switch
            {
                Scalar scalar => new ScalarNode(scalar.Value, scalar.Style is ScalarStyle.Plain or ScalarStyle.Any, LineOf(e)),
                SequenceStart => ReadSequence(e, depth),
                MappingStart => ReadMapping(e, depth),
                _ => throw Refuse(e, "a value is missing"),
            };
        }

        private SequenceNode ReadSequence(ParsingEvent start, int depth)
        {
            var items = ImmutableArray.CreateBuilder<SpecNode>();
            for (var e = Next(); e is not SequenceEnd; e = Next())
                items.Add(ReadNode(e, depth + 1));
            return new SequenceNode(items.DrainToImmutable(), LineOf(start));
        }

        private MappingNode ReadMapping(ParsingEvent start, int depth)
        {
            var entries = ImmutableArray.CreateBuilder<MappingEntry>();
            var seen = new Dictionary<string, int>();
            for (var e = Next(); e is not MappingEnd; e = Next())
            {
                if (ReadNode(e, depth + 1) is not ScalarNode key)
                    throw Refuse(e, "a field's name must be plain text");
                if (!seen.TryAdd(key.Text, Line(e.Start)))
                    throw Refuse(e, $"field '{key.Text}' is given twice (first in line {seen[key.Text]}); remove one");
                entries.Add(new MappingEntry(key.Text, ReadNode(Next(), depth + 1), LineOf(e)));
            }

            return new MappingNode(entries.DrainToImmutable(), LineOf(start));
        }

        private int? LineOf(ParsingEvent e) => lines ? Line(e.Start) : null;

        private SpecException Refuse(ParsingEvent e, string message) => new([new SpecViolation(source, message, LineOf(e))]);
    }
}
