using System.Text;

namespace DistOpt.Core.Tests.Conventions;

/// <summary>C# source reduced to code, so that a rule is not broken by a comment or a message that names what it forbids.</summary>
internal static class CodeText
{
    /// <summary>
    /// Blanks comments and the contents of string and character literals and keeps every line break. Holes of interpolated strings are
    /// blanked with their string: a rule looks for statements, not for what a message prints.
    /// </summary>
    public static string Of(string source)
    {
        var code = new StringBuilder(source.Length);
        int i = 0;
        while (i < source.Length)
        {
            int end = SkipFrom(source, i);
            if (end == i)
            {
                code.Append(source[i++]);
                continue;
            }
            for (; i < end; i++) code.Append(source[i] == '\n' ? '\n' : ' ');
        }
        return code.ToString();
    }

    private static int SkipFrom(string text, int at)
    {
        char c = text[at];
        if (c == '/' && At(text, at + 1) == '/') return End(text.IndexOf('\n', at), text);
        if (c == '/' && At(text, at + 1) == '*') return After(text.IndexOf("*/", at + 2, StringComparison.Ordinal), 2, text);
        if (c == '\'') return SkipQuoted(text, at, '\'');
        if (c != '"') return at;

        int quotes = 0;
        while (At(text, at + quotes) == '"') quotes++;
        if (quotes >= 3) return After(text.IndexOf(new string('"', quotes), at + quotes, StringComparison.Ordinal), quotes, text);
        bool verbatim = At(text, at - 1) == '@' || (At(text, at - 1) == '$' && At(text, at - 2) == '@');
        return verbatim ? SkipVerbatim(text, at) : SkipQuoted(text, at, '"');
    }

    private static int SkipQuoted(string text, int at, char quote)
    {
        int i = at + 1;
        while (i < text.Length && text[i] != quote && text[i] != '\n') i += text[i] == '\\' ? 2 : 1;
        return Math.Min(i + 1, text.Length);
    }

    private static int SkipVerbatim(string text, int at)
    {
        int i = at + 1;
        while (i < text.Length)
        {
            if (text[i] != '"') i++;
            else if (At(text, i + 1) == '"') i += 2;
            else return i + 1;
        }
        return text.Length;
    }

    private static char At(string text, int index) => index >= 0 && index < text.Length ? text[index] : '\0';
    private static int End(int found, string text) => found < 0 ? text.Length : found;
    private static int After(int found, int length, string text) => found < 0 ? text.Length : found + length;
}
