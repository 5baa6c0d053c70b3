using System.Collections.Immutable;
using DistOpt.Core.Specs;

namespace DistOpt.Core.SearchSpaces;

/// <summary>
/// Which values a parameter may take. A value is a float64 everywhere inside: a number as it is, a choice by its index from 0 (Optuna's internal
/// representation). "Unit" is the domain's own scale from 0 to 1, on which samplers work: logarithmic where the domain is, and every value of a
/// domain with steps has an interval of its own around it, so that the ends are as likely as the middle.
/// </summary>
public abstract record Domain
{
    /// <summary>How many values there are; null = a continuum.</summary>
    public abstract long? Count { get; }

    /// <summary>Whether values have an order and distances.</summary>
    public abstract bool IsNumeric { get; }

    /// <summary>Whether there is no choice.</summary>
    public bool IsSingle => Count == 1;

    /// <summary>Whether the value is one of the domain's, steps included; NaN is in no domain.</summary>
    public abstract bool Contains(double value);

    /// <summary>The value that lies at a place within [0, 1]; even places give even values.</summary>
    public abstract double FromUnit(double unit);

    /// <summary>The place of a value within [0, 1].</summary>
    public abstract double ToUnit(double value);

    /// <summary>What is wrong with the domain, without a path.</summary>
    public abstract IEnumerable<string> Problems();

    /// <summary>
    /// What samplers that know distances search in its place, with the same values: of choices in an order their indices, as integers; else itself.
    /// </summary>
    internal virtual Domain Searched => this;
}

/// <summary>Numbers from <see cref="Low"/> to <see cref="High"/>, both included.</summary>
public abstract record NumericDomain : Domain
{
    private protected NumericDomain(double low, double high, double? step, bool log) => (Low, High, Step, Log) = (low, high, step, log);

    public double Low { get; init; }

    public double High { get; init; }

    /// <summary>Distance from one value to the next, counted from <see cref="Low"/>; null = a continuum.</summary>
    public double? Step { get; init; }

    /// <summary>Whether orders of magnitude are as likely as each other.</summary>
    public bool Log { get; init; }

    public override bool IsNumeric => true;

    /// <summary>The last value that steps from <see cref="Low"/> reach.</summary>
    public double Last => Step is null ? High : Math.Min(High, At(Steps));

    public override long? Count => Low == High ? 1 : Step is null ? null : Steps + 1;

    /// <summary>Whole steps between the ends.</summary>
    private long Steps => (long)Math.Floor((High - Low) / Step!.Value + 1e-9);

    /// <summary>The ends of the scale on which samplers work: half a step beyond the values, and their logarithms where the domain is logarithmic.</summary>
    public (double Low, double High) Bounds
    {
        get
        {
            double half = Step / 2 ?? 0;
            return Log ? (Math.Log(Low - half), Math.Log(Last + half)) : (Low - half, Last + half);
        }
    }

    public override bool Contains(double value) => value >= Low && value <= High
        && (Step is not { } step || Math.Abs(Math.Round((value - Low) / step) * step + Low - value) <= 1e-9 * Math.Max(1, Math.Abs(value)));

    /// <summary>The nearest value of the domain.</summary>
    public double Round(double value)
    {
        return Step is not { } step ? Math.Clamp(value, Low, High)
            : At((long)Math.Clamp(Math.Round((value - Low) / step, MidpointRounding.AwayFromZero), 0, Steps));
    }

    /// <summary>The value some steps above <see cref="Low"/>, as its decimal digits say: 19 steps of 0.05 are 0.95, not 0.9500000000000001.</summary>
    internal double At(long steps) => Step is not { } step ? Low
        // a decimal has 15 digits of a float64: the lowest value must not lie below the domain for those that it leaves out
        : Math.Max(Low, Math.Min(High, step >= 1e-12 && Math.Max(Math.Abs(Low), Math.Abs(High)) <= 1e12 ? (double)((decimal)Low + steps * (decimal)step)
            : Low + steps * step));

    /// <summary>How many steps a value of the domain lies above <see cref="Low"/>; 0 where there are no steps.</summary>
    internal long StepsTo(double value) => Step is { } step ? (long)Math.Round((value - Low) / step) : 0;

    /// <summary>A value on the scale of <see cref="Bounds"/>.</summary>
    public double ToScale(double value) => Log ? Math.Log(value) : value;

    /// <summary>The nearest value of the domain to one on the scale of <see cref="Bounds"/>.</summary>
    public double FromScale(double place) => Round(Log ? Math.Exp(place) : place);

    public override double FromUnit(double unit)
    {
        var (low, high) = Bounds;
        return FromScale(low + unit * (high - low));
    }

    public override double ToUnit(double value)
    {
        var (low, high) = Bounds;
        return high > low ? (ToScale(value) - low) / (high - low) : 0.5;
    }

    public override IEnumerable<string> Problems()
    {
        if (!double.IsFinite(Low) || !double.IsFinite(High)) yield return $"goes from {Low} to {High}: both must be finite";
        else if (Low > High) yield return $"goes from {Low} to {High}: the first must not be above the second";
        if (Step is { } step && !(step > 0 && double.IsFinite(step))) yield return $"has step {step}: it must be above 0";
        if (Log && Low <= 0) yield return $"is logarithmic from {Low}: that must be above 0";
    }
}

/// <summary>Real numbers; with a step those that lie a whole number of steps above <see cref="NumericDomain.Low"/>.</summary>
public sealed record FloatDomain : NumericDomain
{
    public FloatDomain(double low, double high, double? step = null, bool log = false) : base(low, high, step, log) { }

    public override IEnumerable<string> Problems() =>
        base.Problems().Concat(Log && Step is not null ? ["has a step and is logarithmic: only one of the two is possible"] : []);
}

/// <summary>Integers; a logarithmic domain has step 1.</summary>
public sealed record IntDomain : NumericDomain
{
    /// <summary>Values are kept as float64, which has every whole number up to here.</summary>
    public const long WholeMax = 1L << 53;

    // whole as they were given, where float64 does not have them
    private readonly (long Low, long High)? _beyond;

    public IntDomain(long low, long high, long step = 1, bool log = false) : base(low, high, step, log)
    {
        if (low is < -WholeMax or > WholeMax || high is < -WholeMax or > WholeMax) _beyond = (low, high);
    }

    public override IEnumerable<string> Problems()
    {
        foreach (string problem in base.Problems()) yield return problem;
        if (Log && Step != 1) yield return $"has step {Step} and is logarithmic: only one of the two is possible";
        if (_beyond is var (low, high)) yield return $"goes from {low} to {high}: both must be between -{WholeMax} and {WholeMax}, since values are kept as float64";
    }
}

/// <summary>One of a few values, by its index.</summary>
/// <param name="Choices">Null, booleans, numbers and texts, each once.</param>
/// <param name="IsOrdered">
/// Whether neighbours are alike, as with sizes or levels: tpe, gp, cma-es and auto then search the indices as integers, and pbt steps from one to the next.
/// </param>
public sealed record ChoiceDomain(ImmutableArray<object?> Choices, bool IsOrdered = false) : Domain
{
    public override long? Count => Choices.Length;

    public override bool IsNumeric => false;

    internal override Domain Searched => IsOrdered ? new IntDomain(0, Choices.Length - 1) : this;

    public override bool Contains(double value) => value >= 0 && value < Choices.Length && value == Math.Floor(value);

    public override double FromUnit(double unit) => Math.Min(Math.Floor(unit * Choices.Length), Choices.Length - 1);

    public override double ToUnit(double value) => (value + 0.5) / Choices.Length;

    public override IEnumerable<string> Problems()
    {
        if (Choices.IsDefaultOrEmpty)
        {
            yield return "has no choices: give at least one";
            yield break;
        }
        foreach (var twice in Choices.GroupBy(c => c).Where(g => g.Count() > 1)) yield return $"has choice '{twice.Key ?? "null"}' {twice.Count()} times: give it once";
    }

    public bool Equals(ChoiceDomain? other) => other is not null && IsOrdered == other.IsOrdered && Choices.SequenceEqual(other.Choices);

    public override int GetHashCode() => Choices.Aggregate(HashCode.Combine(IsOrdered), HashCode.Combine);
}
