using System.Collections.Immutable;
using System.ComponentModel;
using System.Globalization;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Functions;

/// <summary>Fields of <c>model: { kind: function }</c>.</summary>
public sealed record FunctionOptions
{
    [Description("The function to minimize: numbers, variables, constants, pi, e, + - * / ^, parentheses, "
        + "sin cos tan exp log sqrt abs tanh min max")]
    public string Expression { get; init; } = "x^2";

    [Description("The variables, each with the value from which it starts")]
    public ImmutableSortedDictionary<string, double> Variables { get; init; } =
        ImmutableSortedDictionary.Create<string, double>(StringComparer.Ordinal).Add("x", 2);

    [Description("Names for numbers that stay as they are")]
    public ImmutableSortedDictionary<string, double> Constants { get; init; } =
        ImmutableSortedDictionary.Create<string, double>(StringComparer.Ordinal);

    /// <summary>The expression over these variables, in the order of their names.</summary>
    /// <exception cref="ExpressionException">It is none.</exception>
    public Expression Parse() => Functions.Expression.Parse(Expression, Variables.Keys, Constants);

    /// <summary>All that is wrong with them.</summary>
    /// <param name="path">Where they stand in the spec: <c>model</c>.</param>
    public IEnumerable<SpecViolation> Violations(string path)
    {
        var names = Names(path).ToList();
        foreach (var violation in names) yield return violation;
        if (Variables.Count == 0) yield return new($"{path}.variables", "names no variable, but at least one is needed, such as variables: { x: 2 }");
        if (Variables.Count == 0 || names.Count > 0) yield break;
        Expression expression;
        SpecViolation? wrong = null;
        try
        {
            expression = Parse();
            foreach (string name in Variables.Keys.Where(n => !expression.Uses(n)))
                wrong ??= new($"{path}.variables.{name}", $"does not appear in '{Shown(Expression)}'; use it there or leave it away");
        }
        catch (ExpressionException e)
        {
            wrong = new($"{path}.expression", e.Message);
        }
        if (wrong is not null) yield return wrong;
    }

    private IEnumerable<SpecViolation> Names(string path)
    {
        var all = Variables.Select(v => (Section: "variables", v.Key, v.Value)).Concat(Constants.Select(c => (Section: "constants", c.Key, c.Value)));
        foreach (var (section, name, value) in all)
        {
            string at = $"{path}.{section}.{name}";
            if (!IsName(name)) yield return new(at, "is no name: write letters, digits and '_', a letter first, at most 100");
            else if (ExpressionParser.TakenNames.Contains(name)) yield return new(at, $"has the name of a function or of a known constant; choose another one");
            else if (section == "variables" && (name == MetricSums.Loss || RunJson.ReservedNames.Contains(name)))
                yield return new(at, "has the name of a field of metric rows; choose another one");
            else if (section == "constants" && Variables.ContainsKey(name)) yield return new(at, "is a variable too; remove one of them");
            if (!float.IsFinite((float)value))
            {
                yield return new(at, string.Create(CultureInfo.InvariantCulture,
                    $"is {value}, but must be a finite number below {float.MaxValue:0.0e+0}"));
            }
        }
    }

    private static bool IsName(string name) => name.Length is > 0 and <= 100 && (char.IsAsciiLetter(name[0]) || name[0] == '_')
        && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_');

    private static string Shown(string text) => text.Length <= 60 ? text : text[..60] + "...";
}
