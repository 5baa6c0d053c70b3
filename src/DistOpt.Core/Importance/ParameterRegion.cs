using System.Collections.Immutable;
using DistOpt.Core.SearchSpaces;

namespace DistOpt.Core.Importance;

/// <summary>Which end of a parameter's range the best trials lie at.</summary>
public enum RangeEnd
{
    None,
    Low,
    High,
}

/// <summary>How often a choice was made.</summary>
/// <param name="Choice">Its index.</param>
/// <param name="Best">Among the best trials.</param>
/// <param name="All">Among all.</param>
public readonly record struct ChoiceCount(int Choice, int Best, int All);

/// <summary>Where the best trials have a parameter.</summary>
/// <param name="Parameter">Its index in the space.</param>
/// <param name="Best">How many of the best trials have it.</param>
/// <param name="All">How many trials have it.</param>
public sealed record ParameterRegion(int Parameter, int Best, int All)
{
    /// <summary>A tenth of the range next to an end.</summary>
    private const double Outermost = 0.1;

    /// <summary>Smallest value among the best trials; NaN where none has it, and of unordered choices.</summary>
    public double Low { get; init; } = double.NaN;

    /// <summary>Largest value among the best trials.</summary>
    public double High { get; init; } = double.NaN;

    /// <summary>Their median.</summary>
    public double Median { get; init; } = double.NaN;

    /// <summary>What share of the domain, on its own scale, lies from <see cref="Low"/> to <see cref="High"/>.</summary>
    public double Share { get; init; } = double.NaN;

    /// <summary>The end of a range in whose outermost tenth at least half of the best trials are, of at least three: more may lie beyond it.</summary>
    public RangeEnd End { get; init; }

    /// <summary>Of choices, in their order.</summary>
    public ImmutableArray<ChoiceCount> Choices { get; init; } = [];

    /// <summary>Looks at one parameter.</summary>
    /// <param name="space">What was searched.</param>
    /// <param name="parameter">Its index.</param>
    /// <param name="best">Configurations of the best trials.</param>
    /// <param name="all">Configurations of all, the best among them.</param>
    public static ParameterRegion Of(SearchSpace space, int parameter, IEnumerable<ImmutableArray<double>> best, IEnumerable<ImmutableArray<double>> all)
    {
        ArgumentNullException.ThrowIfNull(space);
        var domain = space.Parameters[parameter].Domain;
        double[] top = [.. best.Select(c => c[parameter]).Where(v => !double.IsNaN(v)).Order()];
        double[] every = [.. all.Select(c => c[parameter]).Where(v => !double.IsNaN(v))];
        var region = new ParameterRegion(parameter, top.Length, every.Length);
        if (domain is ChoiceDomain choices)
        {
            region = region with
            {
                Choices = [.. Enumerable.Range(0, choices.Choices.Length).Select(i => new ChoiceCount(i, top.Count(v => v == i), every.Count(v => v == i)))],
            };
            if (!choices.IsOrdered) return region;
        }
        if (top.Length == 0) return region;
        var (low, high) = (top[0], top[^1]);
        double[] places = [.. top.Select(domain.ToUnit)];
        bool isOpen = top.Length >= 3 && domain is NumericDomain { IsSingle: false } && domain.Count is not <= 10;
        return region with
        {
            Low = low,
            High = high,
            Median = top[(top.Length - 1) / 2],
            Share = domain.Count is { } count ? (Rank(domain, high) - Rank(domain, low) + 1) / count : places[^1] - places[0],
            End = isOpen && 2 * places.Count(p => p >= 1 - Outermost) >= places.Length ? RangeEnd.High
                : isOpen && 2 * places.Count(p => p <= Outermost) >= places.Length ? RangeEnd.Low : RangeEnd.None,
        };
    }

    private static double Rank(Domain domain, double value) => domain is NumericDomain numbers ? numbers.StepsTo(value) : value;
}
