using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using DistOpt.Core.SearchSpaces;

namespace DistOpt.Core.Studies.Engine;

/// <summary>Values that code gives, as choices are kept: null, bool, long, double or text.</summary>
internal static class ChoiceValues
{
    /// <summary>Whether <see cref="Canonical"/> has a value for it.</summary>
    public static bool IsKnown(object? value) =>
        value is null or bool or string or long or double or float or decimal or sbyte or byte or short or ushort or int or uint or Enum;

    /// <summary>A choice as the type that a program wants: as it is, or one that is kept as <see cref="Canonical"/> has it.</summary>
    public static bool TryAs<T>(object? choice, [MaybeNullWhen(false)] out T value)
    {
        object? found = choice switch
        {
            T => choice,
            string member when typeof(T).IsEnum && Enum.TryParse(typeof(T), member, out object? parsed) => parsed,
            long number and >= int.MinValue and <= int.MaxValue when typeof(T) == typeof(int) => (int)number,
            double number when typeof(T) == typeof(float) => (float)number,
            _ => null,
        };
        value = found is T same ? same : default;
        return found is T;
    }

    /// <exception cref="ArgumentException">It is none of these.</exception>
    public static object? Canonical(object? value, string name) => value switch
    {
        null or bool or string or long or double => value,
        float number => (double)number,
        decimal number => (double)number,
        sbyte or byte or short or ushort or int or uint => Convert.ToInt64(value, CultureInfo.InvariantCulture),
        Enum member => member.ToString(),
        _ => throw new ArgumentException(
            $"'{name}' has a value of type {value.GetType().Name}: choices are null, truth values, numbers, texts and enums", nameof(value)),
    };
}

/// <summary>A value of a point that was enqueued, in the domain that its parameter turns out to have.</summary>
internal static class PointValue
{
    /// <exception cref="ArgumentException">It is not in the domain.</exception>
    public static double In(Domain domain, object? value, string name)
    {
        if (domain is ChoiceDomain choices)
        {
            for (int i = 0; i < choices.Choices.Length; i++)
                if (Equals(choices.Choices[i], value)) return i;
        }
        else if (value is long or double)
        {
            double number = Convert.ToDouble(value, CultureInfo.InvariantCulture);
            if (domain.Contains(number)) return number;
        }
        throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
            $"'{name}' is {value ?? "null"} in the point to try first, which is not in {Functions.StudyIdentity.Show(domain)}"), nameof(value));
    }
}
