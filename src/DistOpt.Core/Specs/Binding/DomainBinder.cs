using System.Collections.Immutable;
using System.Globalization;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs.Yaml;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Specs.Binding;

/// <summary>Domains from what a file says of them, and whether their values are ones of the field.</summary>
internal sealed class DomainBinder(Violations violations)
{
    /// <summary>Longest list.</summary>
    public const int LengthMax = 1000;

    private const string Forms = "float: [low, high], int: [low, high], choices: [...] or value: ...";

    /// <summary>The domain; null, and violations, where it is none.</summary>
    public (Domain Domain, ImmutableArray<SpecNode> Choices)? Build(DomainSpec spec, FieldType? type, string path, bool isList = false)
    {
        string[] forms = [.. new[] { ("float", spec.Float is not null), ("int", spec.Int is not null), ("choices", spec.Choices is not null),
            ("value", spec.Value is not null), ("list", isList) }.Where(f => f.Item2).Select(f => f.Item1)];
        // a broken one has its violation, and is not there
        if (forms.Length == 0 && violations.Touches(path)) return null;
        if (forms.Length != 1)
        {
            violations.Add(path, forms.Length == 0 ? $"says nothing of its values: give it one of {Forms}"
                : $"has {string.Join(" and ", forms)}: keep one of them");
            return null;
        }
        string form = forms[0];
        bool isRange = form is "float" or "int";
        if (spec.Log && !isRange) violations.Add($"{path}.log", $"is for float and int, not for {form}; leave it away");
        if (spec.Step is not null && !isRange) violations.Add($"{path}.step", $"is for float and int, not for {form}; leave it away");
        if (spec.Ordered && form != "choices") violations.Add($"{path}.ordered", $"is for choices, not for {form}; leave it away");
        if (isList) return null;
        if (spec.Float is { } real) return (new FloatDomain(real[0], real[1], spec.Step, spec.Log), []);
        if (spec.Int is { } whole) return Whole(whole, spec, path) is { } domain ? (domain, []) : null;
        ImmutableArray<SpecNode> choices = spec.Choices is { } several ? [.. several] : [spec.Value!];
        return (new ChoiceDomain([.. choices.Select(c => ChoiceValue.Of(c, type))], spec.Ordered), choices);
    }

    private IntDomain? Whole(IReadOnlyList<long> ends, DomainSpec spec, string path)
    {
        double step = spec.Step ?? 1;
        if (step != Math.Floor(step) || step > IntDomain.WholeMax)
        {
            violations.Add($"{path}.step", $"is {FieldRules.Display(step)}, but whole numbers need a whole step");
            return null;
        }
        if (ends.All(e => Math.Abs((double)e) <= IntDomain.WholeMax)) return new IntDomain(ends[0], ends[1], (long)step, spec.Log);
        violations.Add($"{path}.int",
            $"is [{ends[0]}, {ends[1]}], but must be between -{IntDomain.WholeMax} and {IntDomain.WholeMax}: values are kept as float64");
        return null;
    }

    /// <summary>Says which values of a domain a field does not take.</summary>
    /// <param name="domain">The domain.</param>
    /// <param name="choices">Its choices as they stand in the file.</param>
    /// <param name="spec">What the file says.</param>
    /// <param name="type">The field's type.</param>
    /// <param name="rules">The field's bounds.</param>
    /// <param name="binder">Says it.</param>
    /// <param name="found">Takes it.</param>
    /// <param name="path">Where it stands.</param>
    public static void Check(Domain domain, ImmutableArray<SpecNode> choices, DomainSpec spec, FieldType type, FieldRules rules, NodeBinder binder,
        Violations found, string path)
    {
        if (domain is ChoiceDomain)
        {
            for (int i = 0; i < choices.Length; i++)
                binder.CheckValue(type, rules, choices[i], spec.Choices is null ? path : $"{path}.choices[{i}]");
            return;
        }
        var (form, numbers) = (domain is IntDomain ? "int" : "float", (NumericDomain)domain);
        bool fits = type.Kind is FieldKind.Number || (type.Kind is FieldKind.Integer && domain is IntDomain);
        if (!fits)
        {
            string remedy = type.Kind switch
            {
                FieldKind.Integer => "int: [low, high]",
                FieldKind.List => "list: { length: ..., each: ... }, or choices of whole lists",
                _ => "choices: [...]",
            };
            string numbersOf = form == "int" ? "whole numbers" : "real numbers (float)";
            found.Add(path, $"is searched as {numbersOf}, but the field must be {type.Expectation}; write {remedy}");
            return;
        }
        if (numbers.Problems().Any()) return;
        binder.CheckValue(type, rules, End(domain, numbers.Low), $"{path}.{form}[0]");
        binder.CheckValue(type, rules, End(domain, numbers.Last), $"{path}.{form}[1]");
    }

    /// <summary>An end of a range with the digits that errors show, if those are all it has.</summary>
    private static ScalarNode End(Domain domain, double value)
    {
        if (domain is IntDomain) return new ScalarNode(((long)value).ToString(CultureInfo.InvariantCulture), plain: true);
        string text = FieldRules.Display(value);
        return new ScalarNode(double.Parse(text, CultureInfo.InvariantCulture) == value ? text : SpecScalars.Format(value), plain: true);
    }
}
