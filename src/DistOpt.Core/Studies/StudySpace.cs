using System.Collections.Immutable;
using System.Globalization;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Binding;
using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Studies;

/// <summary>
/// The space of a study spec: its parameters, and what their values are in a training spec and in files. Names of parameters are paths
/// (<c>optimizer.learning_rate</c>); of a list <c>model.hidden.length</c> and <c>model.hidden[0]</c>, <c>model.hidden[1]</c> ...
/// </summary>
public sealed class StudySpace
{
    private readonly ImmutableArray<SpaceParameter> _parameters;
    private readonly ImmutableArray<SpaceField> _fields;

    internal StudySpace(
        SearchSpace space, ImmutableArray<SpaceParameter> parameters, ImmutableArray<SpaceField> fields, ImmutableArray<SpaceSection> sections) =>
        (Space, _parameters, _fields, Sections) = (space, parameters, fields, sections);

    /// <summary>What samplers search: one float64 for each parameter, parents before children.</summary>
    public SearchSpace Space { get; }

    /// <summary>Paths of the fields of the training spec that are searched.</summary>
    public IEnumerable<string> Paths => _fields.Select(f => f.Path);

    /// <summary>Sections whose plug-in is searched.</summary>
    internal ImmutableArray<SpaceSection> Sections { get; }

    /// <summary>
    /// A configuration by name, in the order of the space, without parameters that have no value: whole numbers as <see cref="long"/>, real ones as
    /// <see cref="double"/>, choices as they stand in the file (null, bool, long, double, string; lists and sections as YAML text of one line).
    /// </summary>
    public IReadOnlyList<KeyValuePair<string, object?>> Named(ReadOnlySpan<double> values)
    {
        var named = new List<KeyValuePair<string, object?>>(Space.Count);
        for (int i = 0; i < values.Length; i++)
            if (!double.IsNaN(values[i])) named.Add(new(Space.Parameters[i].Name, Value(i, values[i])));
        return named;
    }

    /// <summary>The value of one parameter as <see cref="Named"/> gives it.</summary>
    public object? Value(int index, double value) => Space.Parameters[index].Domain switch
    {
        IntDomain => (long)value,
        ChoiceDomain choices => choices.Choices[(int)value],
        _ => value,
    };

    /// <summary>The value of one parameter as it stands in a spec.</summary>
    public SpecNode Node(int index, double value) => Space.Parameters[index].Domain switch
    {
        IntDomain => new ScalarNode(((long)value).ToString(CultureInfo.InvariantCulture), plain: true),
        ChoiceDomain => _parameters[index].Choices[(int)value],
        _ => new ScalarNode(SpecScalars.Format(value), plain: true),
    };

    /// <summary>The value of one parameter for people: <c>0.001</c>, <c>relu</c>.</summary>
    public string Show(int index, double value) => SpecYamlText.Inline(Node(index, value));

    /// <summary>
    /// The configuration that named values are. A list may be given as a whole (<c>model.hidden: [64, 32]</c>). A parameter with only one value need
    /// not be given.
    /// </summary>
    /// <param name="named">Values by the names of parameters, as they stand in YAML or JSON.</param>
    /// <param name="path">Where they stand, for errors; may be empty.</param>
    /// <param name="partly">Whether parameters may be left out: NaN in what is returned.</param>
    /// <exception cref="SpecException">All that is wrong: names, values outside of their domains, missing or superfluous ones.</exception>
    public double[] Configuration(MappingNode named, string path, bool partly = false)
    {
        ArgumentNullException.ThrowIfNull(named);
        return Configuration(named.Entries.Select(e => (e.Key, e.Value, e.Line ?? e.Value.Line)), path, partly);
    }

    /// <inheritdoc cref="Configuration(MappingNode, string, bool)"/>
    public double[] Configuration(IEnumerable<KeyValuePair<string, SpecNode>> named, string path, bool partly = false)
    {
        ArgumentNullException.ThrowIfNull(named);
        return Configuration(named.Select(e => (e.Key, e.Value, e.Value.Line)), path, partly);
    }

    /// <summary>The configuration that named values are, as <see cref="Named"/> gives them.</summary>
    /// <inheritdoc cref="Configuration(MappingNode, string, bool)"/>
    public double[] Configuration(IEnumerable<KeyValuePair<string, object?>> named, string path, bool partly = false)
    {
        ArgumentNullException.ThrowIfNull(named);
        return Configuration(named.Select(e => (e.Key, (SpecNode)ToNode(e.Value), (int?)null)), path, partly);
    }

    /// <summary>The values of one parameter, or of a list that is given as a whole, each by itself; or what is wrong.</summary>
    internal IEnumerable<(string Name, double Value, string? Error)> Parse(string name, SpecNode node)
    {
        foreach (var (part, value, _) in Spread((name, node, node.Line)))
        {
            int index = Space.IndexOf(part);
            if (index < 0)
            {
                yield return (part, double.NaN, $"gives {part}, which is no parameter of the space");
                continue;
            }
            var (parsed, error) = _parameters[index].Parse(Space.Parameters[index].Domain, value);
            yield return (part, parsed, error is null || part == name ? error : $"gives {part}, which {error}");
        }
    }

    /// <summary>What a configuration sets in a training spec.</summary>
    internal IEnumerable<(string[] Path, SpecNode Value)> Settings(double[] values)
    {
        foreach (var field in _fields)
        {
            if (field.List is not { } list)
            {
                if (!double.IsNaN(values[field.Parameter])) yield return (field.Path.Split('.'), Node(field.Parameter, values[field.Parameter]));
                continue;
            }
            if (double.IsNaN(values[list.Length >= 0 ? list.Length : list.Elements[0]])) continue;
            int length = list.Length < 0 ? list.Elements.Length : (int)values[list.Length];
            yield return (field.Path.Split('.'), new SequenceNode([.. list.Elements.Take(length).Select(e => Node(e, values[e]))]));
        }
    }

    /// <summary>A part of a configuration of a space with mistakes: what names those alone is left out, and nothing is said of what is missing.</summary>
    internal double[] Configuration(MappingNode named, string path, Func<string, bool> lacks) =>
        Configuration(named.Entries.Select(e => (e.Key, e.Value, e.Line ?? e.Value.Line)), path, partly: true, lacks);

    private double[] Configuration(IEnumerable<(string Name, SpecNode Value, int? Line)> named, string path, bool partly, Func<string, bool>? lacks = null)
    {
        var violations = new Violations();
        double[] values = new double[Space.Count];
        Array.Fill(values, double.NaN);
        bool[] isGiven = new bool[Space.Count];
        foreach (var (name, value, line) in named.SelectMany(Spread))
        {
            string at = NodeBinder.Join(path, name);
            violations.Place(at, line);
            int index = Space.IndexOf(name);
            if (index < 0)
            {
                if (lacks?.Invoke(name) is true) continue;
                string nearest = FieldNames.Nearest(name, Space.Parameters.Select(p => p.Name)) is { } near ? $"; did you mean '{near}'?"
                    : "; known are " + string.Join(", ", Space.Parameters.Select(p => p.Name).Take(20));
                violations.Add(at, $"is no parameter of the space{nearest}", line);
                continue;
            }
            if (isGiven[index]) violations.Add(at, "is given twice; remove one", line);
            isGiven[index] = true;
            (values[index], string? error) = _parameters[index].Parse(Space.Parameters[index].Domain, value);
            if (error is not null) violations.Add(at, error, line);
        }
        if (!violations.Any && lacks is null) CheckPresence(values, path, partly, violations);
        violations.ThrowIfAny();
        return values;
    }

    private void CheckPresence(double[] values, string path, bool partly, Violations violations)
    {
        for (int i = 0; i < values.Length; i++)
        {
            var parameter = Space.Parameters[i];
            string at = NodeBinder.Join(path, parameter.Name);
            if (Space.IsActive(i, values))
            {
                if (double.IsNaN(values[i]) && parameter.Domain.IsSingle) values[i] = parameter.Domain.FromUnit(0.5);
                else if (double.IsNaN(values[i]) && !partly) violations.Add(at, "is missing");
                continue;
            }
            if (double.IsNaN(values[i])) continue;
            string parent = Space.FirstBroken(i, values);
            int place = Space.IndexOf(parent);
            violations.Add(at, double.IsNaN(values[place]) ? $"has a value only by that of '{parent}', which is not given; give it too, or leave both away"
                : $"is given, but has no value where {parent} is {Show(place, values[place])}; leave it away");
        }
    }

    /// <summary>A list that is given as a whole, as its length and elements.</summary>
    private IEnumerable<(string Name, SpecNode Value, int? Line)> Spread((string Name, SpecNode Value, int? Line) given)
    {
        var (name, value, line) = given;
        if (value is not SequenceNode sequence || _fields.FirstOrDefault(f => f.Path == name) is not { List: { } list }) return [given];
        var elements = sequence.Items.Select((item, i) => ($"{name}[{i}]", item, line));
        if (list.Length < 0) return elements;
        var length = new ScalarNode(sequence.Items.Length.ToString(CultureInfo.InvariantCulture), plain: true);
        return elements.Prepend((Space.Parameters[list.Length].Name, length, line));
    }

    private static ScalarNode ToNode(object? value) => value switch
    {
        null => ScalarNode.Null,
        bool truth => new ScalarNode(truth ? "true" : "false", plain: true),
        double or float => new ScalarNode(SpecScalars.Format(Convert.ToDouble(value, CultureInfo.InvariantCulture)), plain: true),
        int or long => new ScalarNode(Convert.ToString(value, CultureInfo.InvariantCulture)!, plain: true),
        string text => new ScalarNode(text, plain: false),
        _ => throw new ArgumentException($"a parameter cannot have a value of type {value.GetType().Name}", nameof(value)),
    };
}

/// <summary>What the space's file says of a parameter beside its domain.</summary>
/// <param name="Choices">The choices as they stand in a spec; empty for numbers.</param>
/// <param name="Type">The field's, or of the list's elements; null where the space does not know it.</param>
internal sealed record SpaceParameter(ImmutableArray<SpecNode> Choices, FieldType? Type)
{
    /// <summary>The value by which a configuration has it, or why there is none.</summary>
    public (double Value, string? Error) Parse(Domain domain, SpecNode node)
    {
        if (domain is ChoiceDomain choices)
        {
            object? wanted = ChoiceValue.Of(node, Type);
            for (int i = 0; i < choices.Choices.Length; i++)
                if (Equals(choices.Choices[i], wanted) || (wanted is string text && text == SpecYamlText.Inline(Choices[i]))) return (i, null);
            return (double.NaN, $"is {ScalarBinder.Show(node)}, but must be {(Choices.Length > 1 ? "one of " : "")}"
                + string.Join(", ", Choices.Take(20).Select(SpecYamlText.Inline)) + (Choices.Length > 20 ? ", ..." : ""));
        }
        var numbers = (NumericDomain)domain;
        if (node is not ScalarNode { Plain: true } scalar || !SpecScalars.IsNumber(scalar.Text, out double value))
            return (double.NaN, $"is {ScalarBinder.Show(node)}, but must be a number");
        if (value >= numbers.Low && value <= numbers.High && numbers.Contains(value)) return (numbers.Round(value), null);
        string range = $"between {FieldRules.Display(numbers.Low)} and {FieldRules.Display(numbers.Last)}";
        return (double.NaN, $"is {ScalarBinder.Show(node)}, but must be {range}" + (numbers.Step is { } step && value >= numbers.Low && value <= numbers.High
            ? $" in steps of {FieldRules.Display(step)}" : ""));
    }
}

/// <summary>Choices as values that can be compared: as the field reads them, or as YAML spells them.</summary>
internal static class ChoiceValue
{
    /// <summary>Null, bool, long, double or text; lists and sections as YAML of one line.</summary>
    public static object? Of(SpecNode node, FieldType? type)
    {
        if (node is not ScalarNode scalar) return SpecYamlText.Inline(node);
        if (scalar.IsNull) return null;
        if (!scalar.Plain || type?.Kind is FieldKind.Text) return scalar.Text;
        if (type?.Kind is FieldKind.Enum) return scalar.Text.Replace('_', '-');
        if (SpecScalars.IsBool(scalar.Text, out bool truth)) return truth;
        if (type?.Kind is not FieldKind.Number && SpecScalars.IsInteger(scalar.Text, out var whole) && whole >= long.MinValue && whole <= long.MaxValue)
            return (long)whole;
        if (!SpecScalars.IsNumber(scalar.Text, out double number)) return scalar.Text;
        return type?.Kind is FieldKind.Integer && number == Math.Floor(number) && Math.Abs(number) < 9e15 ? (object)(long)number : number;
    }
}

/// <summary>A field of the training spec that is searched.</summary>
/// <param name="Path">Its path.</param>
/// <param name="Parameter">The parameter that is its value; -1 for a list.</param>
/// <param name="List">Parameters of a list.</param>
internal sealed record SpaceField(string Path, int Parameter, SpaceList? List = null);

/// <param name="Length">The parameter that is the length; -1 = as many as there are elements.</param>
/// <param name="Elements">Parameters of the elements.</param>
internal sealed record SpaceList(int Length, ImmutableArray<int> Elements);

/// <summary>A section whose plug-in is searched.</summary>
/// <param name="Path">The section's path.</param>
/// <param name="Parameter">The parameter that chooses.</param>
/// <param name="Kinds">The plug-in of each choice.</param>
/// <param name="Type">The section's type.</param>
/// <param name="IsName">Whether its plug-in's name is searched, and not the whole section.</param>
internal sealed record SpaceSection(string Path, int Parameter, ImmutableArray<string> Kinds, FieldType Type, bool IsName);
