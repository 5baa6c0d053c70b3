using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;
using DistOpt.Core.Functions;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs.Binding;

namespace DistOpt.Core.Studies;

/// <summary>
/// A bound on an expression over parameters, such as <c>model.hidden[0] - model.hidden[1]</c> at least 0. Where one of its parameters has no value,
/// it holds.
/// </summary>
public sealed partial class ParameterConstraint
{
    private readonly ConstraintSection _section;
    private readonly Expression _expression;
    private readonly ImmutableArray<(int Index, ImmutableArray<double> Choices)> _variables;

    private ParameterConstraint(ConstraintSection section, Expression expression, ImmutableArray<(int, ImmutableArray<double>)> variables) =>
        (_section, _expression, _variables) = (section, expression, variables);

    /// <summary>The expression.</summary>
    public string Text => _section.Parameters!;

    /// <summary>Places in the space of the parameters that it is on.</summary>
    internal IEnumerable<int> Parameters => _variables.Select(v => v.Index);

    /// <summary>Whether a configuration keeps to all of them.</summary>
    public static bool Hold(ImmutableArray<ParameterConstraint> constraints, ReadOnlySpan<double> values)
    {
        foreach (var constraint in constraints)
            if (!constraint.Holds(values)) return false;
        return true;
    }

    /// <summary>Whether a configuration keeps to it.</summary>
    public bool Holds(ReadOnlySpan<double> values)
    {
        Span<double> at = _variables.Length <= 64 ? stackalloc double[_variables.Length] : new double[_variables.Length];
        for (int i = 0; i < at.Length; i++)
        {
            var (index, choices) = _variables[i];
            double value = values[index];
            if (double.IsNaN(value)) return true;
            at[i] = choices.IsEmpty ? value : choices[(int)value];
        }
        return _section.Violation(_expression.Evaluate(at)) <= 0;
    }

    /// <summary>The constraint of a section that has <see cref="ConstraintSection.Parameters"/>, or what is wrong with it.</summary>
    /// <param name="section">The section.</param>
    /// <param name="space">Its parameters.</param>
    /// <param name="lacks">Whether a parameter may be missing for a mistake in the space alone: there is neither a constraint nor an error then.</param>
    internal static (ParameterConstraint? Constraint, string? Error) Of(ConstraintSection section, SearchSpace space, Func<string, bool>? lacks = null)
    {
        string text = section.Parameters!;
        var (names, variables) = (new Dictionary<string, string>(), new List<(int, ImmutableArray<double>)>());
        string? error = null;
        bool isOpen = false;
        // paths have points and brackets, names of variables have none
        string plain = Name().Replace(text, match =>
        {
            string name = match.Value;
            string variable = name.Replace('.', '_').Replace('[', '_').Replace(']', '_');
            int index = space.IndexOf(name);
            if (names.TryGetValue(variable, out string? other)) error ??= other == name ? null : $"names '{name}' and '{other}', which cannot be told apart in it";
            else if (index >= 0 && ExpressionParser.TakenNames.Contains(name)) error ??= $"names '{name}', which means a function or a number there";
            else if (index >= 0 && Numbers(space.Parameters[index].Domain) is { } numbers)
            {
                names.Add(variable, name);
                variables.Add((index, numbers));
            }
            else if (index >= 0) error ??= $"names '{name}', whose values are no numbers";
            else if (!ExpressionParser.TakenNames.Contains(name) && lacks?.Invoke(name) is true) isOpen = true;
            else if (!ExpressionParser.TakenNames.Contains(name))
            {
                string near = FieldNames.Nearest(name, space.Parameters.Select(p => p.Name)) is { } nearest ? $"; did you mean '{nearest}'?" : "";
                error ??= $"names '{name}', which is no parameter of the space{near}";
            }
            return variable;
        });
        if (error is null && isOpen) return (null, null);
        if (error is null && names.Count == 0) error = "names no parameter of the space";
        if (error is not null) return (null, error);
        try
        {
            return (new ParameterConstraint(section, Expression.Parse(plain, names.Keys), [.. variables]), null);
        }
        catch (ExpressionException e)
        {
            return (null, $"is no expression: {e.Problem}, at character {(e.Position + 1).ToString(CultureInfo.InvariantCulture)}");
        }
    }

    /// <summary>The numbers that choices are; empty where the values are numbers themselves, null where they are none.</summary>
    private static ImmutableArray<double>? Numbers(Domain domain) => domain is not ChoiceDomain { Choices: var choices } ? []
        : choices.All(c => c is long or double) ? [.. choices.Select(c => Convert.ToDouble(c, CultureInfo.InvariantCulture))] : null;

    [GeneratedRegex(@"(?<![0-9.])[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*|\[[0-9]+\])*")]
    private static partial Regex Name();
}
