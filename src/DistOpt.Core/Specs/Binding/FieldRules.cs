using System.Collections;
using System.Collections.Immutable;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Text.RegularExpressions;
using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Specs.Binding;

/// <summary>
/// The DataAnnotations of one field with DistOpt's own texts. On a list or map, rules about a value hold for each element, rules about
/// length for the whole.
/// </summary>
internal sealed class FieldRules
{
    private readonly RegularExpressionAttribute? _pattern;
    private readonly ImmutableArray<object?> _denied;

    public FieldRules(FieldType type, ImmutableArray<ValidationAttribute> attributes)
    {
        var element = type.Element ?? type;
        foreach (var attribute in attributes)
        {
            switch (attribute)
            {
                case RangeAttribute range:
                    Minimum = Bound(range.Minimum, element, double.NegativeInfinity);
                    Maximum = Bound(range.Maximum, element, double.PositiveInfinity);
                    (MinimumIsExclusive, MaximumIsExclusive) = (range.MinimumIsExclusive, range.MaximumIsExclusive);
                    break;
                case RegularExpressionAttribute pattern:
                    _pattern = pattern;
                    break;
                case AllowedValuesAttribute allowed:
                    Allowed = [.. allowed.Values];
                    break;
                case DeniedValuesAttribute denied:
                    _denied = [.. denied.Values];
                    break;
                case StringLengthAttribute length:
                    (LengthMin, LengthMax) = (length.MinimumLength, length.MaximumLength);
                    break;
                case LengthAttribute length:
                    (LengthMin, LengthMax) = (length.MinimumLength, length.MaximumLength);
                    break;
                case MinLengthAttribute length:
                    LengthMin = length.Length;
                    break;
                case MaxLengthAttribute length:
                    LengthMax = length.Length < 0 ? null : length.Length;
                    break;
                case RequiredAttribute required:
                    NotBlank = !required.AllowEmptyStrings;
                    break;
                default:
                    Other = Other.Add(attribute);
                    break;
            }
        }
    }

    private FieldRules(FieldRules list)
    {
        (Minimum, MinimumIsExclusive) = (list.Minimum, list.MinimumIsExclusive);
        (Maximum, MaximumIsExclusive) = (list.Maximum, list.MaximumIsExclusive);
        (_pattern, _denied, Allowed) = (list._pattern, list._denied, list.Allowed);
    }

    /// <summary>Smallest value; minus infinity for none.</summary>
    public double Minimum { get; } = double.NegativeInfinity;

    public double Maximum { get; } = double.PositiveInfinity;

    public bool MinimumIsExclusive { get; }

    public bool MaximumIsExclusive { get; }

    public string? Pattern => _pattern?.Pattern;

    public ImmutableArray<object?> Allowed { get; } = [];

    public int? LengthMin { get; }

    public int? LengthMax { get; }

    public bool NotBlank { get; }

    /// <summary>Attributes of other types, such as the user's own: asked as they are.</summary>
    public ImmutableArray<ValidationAttribute> Other { get; } = [];

    /// <summary>The same without the bounds on length, which hold for the whole list or map.</summary>
    public FieldRules OfElement => new(this);

    /// <summary>The bounds as an error says them, "between 0 and 1"; null without bounds.</summary>
    public string? RangeText
    {
        get
        {
            var minimum = double.IsInfinity(Minimum) ? null : (MinimumIsExclusive ? "above " : "at least ") + Display(Minimum);
            var maximum = double.IsInfinity(Maximum) ? null : (MaximumIsExclusive ? "below " : "at most ") + Display(Maximum);
            if (minimum is null || maximum is null)
                return minimum ?? maximum;
            return MinimumIsExclusive || MaximumIsExclusive ? $"{minimum} and {maximum}"
                : $"between {Display(Minimum)} and {Display(Maximum)}";
        }
    }

    /// <summary>What is wrong with one value (of the field, or an element of it), or null.</summary>
    public string? CheckValue(object value, string shown)
    {
        if (value is int or long or float or double)
        {
            var number = Convert.ToDouble(value, CultureInfo.InvariantCulture);
            var low = MinimumIsExclusive ? number <= Minimum && !double.IsInfinity(Minimum) : number < Minimum;
            var high = MaximumIsExclusive ? number >= Maximum && !double.IsInfinity(Maximum) : number > Maximum;
            if (low || high)
                return $"is {shown}, but must be {OneSidedText(low)}";
        }

        if (!Allowed.IsEmpty && !Allowed.Any(a => Same(a, value)))
            return $"is {shown}, but must be {Choice(Allowed)}";
        if (!_denied.IsDefaultOrEmpty && _denied.Any(d => Same(d, value)))
            return $"is {shown}, which is not allowed";
        return value is string text ? CheckText(text, shown) : null;
    }

    /// <summary>What is wrong with the number of elements, or null.</summary>
    public string? CheckCount(object collection)
    {
        var count = collection is ICollection c ? c.Count : ((IEnumerable)collection).Cast<object?>().Count();
        if (NotBlank && count == 0)
            return "is empty, but at least one value is needed";
        return CheckLength(count, "value");
    }

    public static string Display(double bound) => Math.Abs(bound) is >= 1e16 or (> 0 and < 1e-4)
        ? SpecScalars.Format(bound) : bound.ToString("0.################", CultureInfo.InvariantCulture);

    private string? CheckText(string text, string shown)
    {
        if (NotBlank && string.IsNullOrWhiteSpace(text))
            return "is empty, but must be given";
        if (CheckLength(text.Length, "character") is { } wrong)
            return wrong;
        try
        {
            return _pattern is null || (text.Length > 0 && _pattern.IsValid(text))
                || (text.Length == 0 && Regex.IsMatch("", $"^(?:{_pattern.Pattern})$"))
                ? null : $"is {shown}, but {_pattern.ErrorMessage ?? "must match " + _pattern.Pattern}";
        }
        catch (RegexMatchTimeoutException)
        {
            // the pattern is the plug-in's and takes too long on this text: the text is at fault as far as the user can tell
            return $"is {shown}, which could not be matched with {_pattern!.Pattern} in time; use a shorter text";
        }
    }

    private string? CheckLength(int length, string unit)
    {
        if (length < LengthMin)
            return $"has {Count(length, unit)}, but must have at least {LengthMin}";
        return length > LengthMax ? $"has {Count(length, unit)}, but must have at most {LengthMax}" : null;
    }

    private string OneSidedText(bool low)
    {
        // both bounds when both are telling: a share, a small number of choices
        if (!double.IsInfinity(Minimum) && Math.Abs(Maximum) <= 1000)
            return RangeText!;
        return low
            ? (MinimumIsExclusive ? "above " : "at least ") + Display(Minimum)
            : (MaximumIsExclusive ? "below " : "at most ") + Display(Maximum);
    }

    private static string Count(int count, string unit) => count == 1 ? $"1 {unit}" : $"{count} {unit}s";

    private static string Choice(ImmutableArray<object?> values) =>
        (values.Length == 1 ? "" : "one of ") + string.Join(", ", values.Select(v => Convert.ToString(v, CultureInfo.InvariantCulture)));

    private static bool Same(object? allowed, object value) => Equals(allowed, value)
        || (allowed is IConvertible and not string && value is long or int or double or float
            && Convert.ToDouble(allowed, CultureInfo.InvariantCulture).Equals(Convert.ToDouble(value, CultureInfo.InvariantCulture)));

    private static double Bound(object bound, FieldType type, double none)
    {
        var value = bound is string text ? double.Parse(text, CultureInfo.InvariantCulture)
            : Convert.ToDouble(bound, CultureInfo.InvariantCulture);
        var unbounded = Math.Abs(value) >= (type.Kind == FieldKind.Integer ? 9.2e18 : float.MaxValue)
            || (type.Clr == typeof(int) && (value >= int.MaxValue || value <= int.MinValue));
        return unbounded ? none : value;
    }
}
