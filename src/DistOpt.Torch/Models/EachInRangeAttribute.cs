using System.Collections;
using System.ComponentModel.DataAnnotations;
using System.Globalization;

namespace DistOpt.Torch.Models;

/// <summary>Every element of a list of integers lies in [<paramref name="minimum"/>, <paramref name="maximum"/>].</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class EachInRangeAttribute(long minimum, long maximum) : ValidationAttribute
{
    public long Minimum { get; } = minimum;

    public long Maximum { get; } = maximum;

    protected override ValidationResult? IsValid(object? value, ValidationContext validationContext)
    {
        if (value is not IEnumerable list) return ValidationResult.Success;
        int index = 0;
        foreach (object? element in list)
        {
            long number = Convert.ToInt64(element, CultureInfo.InvariantCulture);
            if (number < Minimum || number > Maximum)
            {
                return new ValidationResult($"element {index} is {number}, but must be between {Minimum} and {Maximum}",
                    validationContext?.MemberName is { } name ? [name] : null);
            }
            index++;
        }
        return ValidationResult.Success;
    }
}
