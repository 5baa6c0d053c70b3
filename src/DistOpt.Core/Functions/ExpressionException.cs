namespace DistOpt.Core.Functions;

/// <summary>A text is no expression.</summary>
public sealed class ExpressionException : Exception
{
    private const int ShownMax = 60;

    /// <param name="text">The expression.</param>
    /// <param name="position">Character at which it is wrong, from 0; the length of the text = its end.</param>
    /// <param name="problem">What is wrong there, and what to do.</param>
    public ExpressionException(string text, int position, string problem)
        : base($"{problem}, at character {position + 1}{Environment.NewLine}{Show(text, position)}") => (Position, Problem) = (position, problem);

    /// <summary>Character at which the text is wrong, from 0.</summary>
    public int Position { get; }

    /// <summary>What is wrong there, in one line.</summary>
    public string Problem { get; }

    /// <summary>The text, or the part of a long one around the position, and below it a caret.</summary>
    private static string Show(string text, int position)
    {
        int begin = text.Length <= ShownMax ? 0 : Math.Clamp(position - ShownMax / 2, 0, text.Length - ShownMax);
        string part = string.Concat(text.AsSpan(begin, Math.Min(ShownMax, text.Length - begin)).ToString().Select(c => char.IsControl(c) ? ' ' : c));
        string front = begin > 0 ? "..." : "";
        string back = begin + part.Length < text.Length ? "..." : "";
        return $"  {front}{part}{back}{Environment.NewLine}  {new string(' ', front.Length + position - begin)}^";
    }
}
