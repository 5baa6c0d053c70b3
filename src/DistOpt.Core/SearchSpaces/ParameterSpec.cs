using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.SearchSpaces;

/// <summary>The values of a parameter as a file gives them: exactly one of float, int, choices and value.</summary>
public record DomainSpec
{
    [Description("Real numbers [low, high], both included")]
    [Length(2, 2)]
    public IReadOnlyList<double>? Float { get; init; }

    [Description("Whole numbers [low, high], both included")]
    [Length(2, 2)]
    public IReadOnlyList<long>? Int { get; init; }

    [Description("With float or int: orders of magnitude are as likely as each other")]
    public bool Log { get; init; }

    [Description("With float or int: distance from one value to the next, counted from low; null = 1 for int, a continuum for float")]
    [Range(0.0, double.MaxValue, MinimumIsExclusive = true)]
    public double? Step { get; init; }

    [Description("A few values, whatever the field takes: texts, numbers, true and false, null, whole lists or sections")]
    [MinLength(1)]
    [MaxLength(10_000)]
    public IReadOnlyList<SpecNode>? Choices { get; init; }

    [Description("With choices: neighbours are alike, as with sizes or levels")]
    public bool Ordered { get; init; }

    [Description("One value that stays; short for it is the value alone: path: value")]
    public SpecNode? Value { get; init; }
}

/// <summary>
/// One parameter of <c>space:</c>, whose key is a path into the training spec: <c>optimizer.learning_rate: { float: [1e-5, 1e-1], log: true }</c>.
/// </summary>
public sealed record ParameterSpec : DomainSpec
{
    [Description("Lists whose length and elements are searched: { length: { int: [1, 4] }, each: { int: [16, 512], log: true } }")]
    public ListSpec? List { get; init; }

    [Description("When the parameter has a value; else the training spec's holds: { path: value }, { path: [several] } or { path: { at_least: 2, at_most: 4 } }")]
    public IReadOnlyDictionary<string, SpecNode>? When { get; init; }
}

/// <summary>
/// Lists of variable length. Parameter <c>path.length</c> is their length (none where it is fixed), <c>path[0]</c>, <c>path[1]</c> ... are the
/// elements, each with a value where the list is that long.
/// </summary>
public sealed record ListSpec
{
    [Description("Number of elements: a number, or { int: [low, high] }")]
    [Required]
    public DomainSpec? Length { get; init; }

    [Description("Values of each element")]
    [Required]
    public DomainSpec? Each { get; init; }
}
