using System.Globalization;
using System.Numerics;
using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Specs.Binding;

/// <summary>Scalars to values of a field's type, and how errors show what was given.</summary>
internal static class ScalarBinder
{
    private const int ShownMax = 60;

    /// <summary>The value, or why there is none.</summary>
    public static (object? Value, string? Error) Bind(FieldType type, ScalarNode node)
    {
        if (!node.Plain && type.Kind is FieldKind.Bool or FieldKind.Integer or FieldKind.Number)
            return (null, $"is the text {Show(node)}, but must be {type.Expectation}; remove the quotes");
        return type.Kind switch
        {
            FieldKind.Bool => SpecScalars.IsBool(node.Text, out var truth) ? (truth, null) : Wrong(type, node),
            FieldKind.Integer => BindInteger(type, node),
            FieldKind.Number => BindNumber(type, node),
            FieldKind.Text => (node.Text, null),
            FieldKind.Enum => BindEnum(type, node),
            _ => Wrong(type, node),
        };
    }

    /// <summary>What the user wrote, short enough for one line.</summary>
    public static string Show(SpecNode node)
    {
        if (node is not ScalarNode scalar)
            return node is SequenceNode ? "a list" : "a mapping of fields";
        if (scalar.IsNull)
            return "null";
        var text = new string([.. scalar.Text.Select(c => char.IsControl(c) ? '?' : c)]);
        if (text.Length > ShownMax)
            text = text[..ShownMax] + "...";
        var bare = scalar.Plain
            && (SpecScalars.IsNumber(text, out _) || SpecScalars.IsInteger(text, out _) || SpecScalars.IsBool(text, out _));
        return bare ? text : $"'{text}'";
    }

    private static (object?, string?) BindInteger(FieldType type, ScalarNode node)
    {
        if (!SpecScalars.IsInteger(node.Text, out var whole))
        {
            if (!SpecScalars.IsNumber(node.Text, out var number))
                return Wrong(type, node);
            if (!double.IsFinite(number) || Math.Floor(number) != number)
                return (null, $"{Show(node)} is not a whole number");
            whole = new BigInteger(number);
        }

        var (minimum, maximum) = type.Clr == typeof(int) ? (int.MinValue, int.MaxValue) : (long.MinValue, long.MaxValue);
        if (whole < minimum || whole > maximum)
            return (null, $"is {Show(node)}, but must be " + (whole < 0 ? $"at least {minimum}" : $"at most {maximum}"));
        return (type.Clr == typeof(int) ? (object)(int)whole : (long)whole, null);
    }

    private static (object?, string?) BindNumber(FieldType type, ScalarNode node)
    {
        if (!SpecScalars.IsNumber(node.Text, out var number))
            return Wrong(type, node);
        var isFloat = type.Clr == typeof(float);
        if (!double.IsFinite(number) || (isFloat && !float.IsFinite((float)number)))
            return (null, $"is {Show(node)}, but must be a finite number");
        return (isFloat ? (object)(float)number : number, null);
    }

    private static (object?, string?) BindEnum(FieldType type, ScalarNode node)
    {
        var names = FieldType.EnumNames(type.Clr);
        var index = Array.IndexOf(names, node.Text.Replace('_', '-'));
        if (index >= 0)
            return (Enum.Parse(type.Clr, Enum.GetNames(type.Clr)[index]), null);
        var nearest = FieldNames.Nearest(node.Text, names) is { } name ? $"; did you mean '{name}'?" : "";
        return (null, $"is {Show(node)}, but must be {type.Expectation}{nearest}");
    }

    private static (object?, string?) Wrong(FieldType type, SpecNode node) => (null, $"is {Show(node)}, but must be {type.Expectation}");
}
