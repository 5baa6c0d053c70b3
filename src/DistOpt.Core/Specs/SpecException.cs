using System.Collections.Immutable;

namespace DistOpt.Core.Specs;

/// <summary>One thing that is wrong with the input: where, and in one clear line the value, the bound and what to do.</summary>
/// <param name="Path">Path into the spec such as <c>optimizer.learning_rate</c>, or a file or option name; may be empty.</param>
/// <param name="Message">The whole line as the user reads it, without the path.</param>
/// <param name="Line">Line in the spec file from 1, or null.</param>
public sealed record SpecViolation(string Path, string Message, int? Line = null)
{
    public override string ToString() => (Path, Line) switch
    {
        ("", null) => Message,
        ("", { } line) => $"line {line}: {Message}",
        ({ } path, null) => $"{path}: {Message}",
        ({ } path, { } line) => $"{path} (line {line}): {Message}",
    };
}

/// <summary>Bad input: carries all violations at once. The command line prints one line for each and exits with 2.</summary>
public sealed class SpecException : Exception
{
    public SpecException(IEnumerable<SpecViolation> violations)
        : this([.. violations]) { }

    public SpecException(string path, string message)
        : this([new SpecViolation(path, message)]) { }

    private SpecException(ImmutableArray<SpecViolation> violations)
        : base(string.Join(Environment.NewLine, violations)) => Violations = violations;

    public ImmutableArray<SpecViolation> Violations { get; }
}
