using System.Collections.Immutable;
using System.Globalization;
using DistOpt.Core.Specs;

namespace DistOpt.Core.SearchSpaces;

/// <summary>
/// A space that contains another one: ranges are at least as wide, choices and parameters are only added. Every configuration of the old space is one of the
/// new one, in which an added parameter has the value that earlier trials are taken to have had.
/// </summary>
public sealed class SpaceWidening
{
    private readonly int[] _places;
    private readonly int[]?[] _choices;
    private readonly double[] _defaults;

    /// <param name="from">The old space.</param>
    /// <param name="to">The new one.</param>
    /// <param name="defaults">
    /// By the names of added parameters: what earlier trials are taken to have had. Not needed where no earlier trial can have had any.
    /// </param>
    /// <exception cref="SpecException">The new space does not contain the old one: everything that is wrong.</exception>
    public SpaceWidening(SearchSpace from, SearchSpace to, IReadOnlyDictionary<string, double> defaults)
    {
        ArgumentNullException.ThrowIfNull(from);
        ArgumentNullException.ThrowIfNull(to);
        ArgumentNullException.ThrowIfNull(defaults);
        (From, To) = (from, to);
        _places = [.. to.Parameters.Select(p => from.IndexOf(p.Name))];
        _choices = [.. to.Parameters.Select((p, i) => _places[i] >= 0 ? Places(from.Parameters[_places[i]].Domain, p.Domain) : null)];
        _defaults = [.. to.Parameters.Select(p => defaults.TryGetValue(p.Name, out double value) ? value : double.NaN)];
        if (Violations(defaults).ToList() is { Count: > 0 } violations) throw new SpecException(violations);
    }

    public SearchSpace From { get; }

    public SearchSpace To { get; }

    /// <summary>A configuration of the old space as one of the new.</summary>
    public ImmutableArray<double> Map(ReadOnlySpan<double> values)
    {
        double[] mapped = Placed(values);
        for (int i = 0; i < mapped.Length; i++)
            if (_places[i] < 0 && To.IsActive(i, mapped)) mapped[i] = _defaults[i];
        return [.. mapped];
    }

    /// <summary>A point to try: what it leaves out stays so, and so are added parameters.</summary>
    public ImmutableArray<double> MapPoint(ReadOnlySpan<double> values) => [.. Placed(values)];

    private double[] Placed(ReadOnlySpan<double> values)
    {
        if (values.Length != From.Count) throw new ArgumentException($"has {values.Length} values for {From.Count} parameters", nameof(values));
        double[] mapped = new double[To.Count];
        for (int i = 0; i < mapped.Length; i++)
        {
            double value = _places[i] < 0 ? double.NaN : values[_places[i]];
            mapped[i] = double.IsNaN(value) || _choices[i] is not { } choices ? value : choices[(int)value];
        }
        return mapped;
    }

    /// <summary>Where choices have come to lie, -1 = nowhere; null for numbers.</summary>
    private static int[]? Places(Domain from, Domain to) =>
        from is ChoiceDomain old && to is ChoiceDomain now ? [.. old.Choices.Select(c => now.Choices.IndexOf(c))] : null;

    private IEnumerable<SpecViolation> Violations(IReadOnlyDictionary<string, double> defaults)
    {
        foreach (var removed in From.Parameters.Where(p => To.IndexOf(p.Name) < 0))
            yield return new($"space.{removed.Name}", "is no longer in the space; parameters can only be added: put it back, with its values or with one value among them");
        foreach (string stray in defaults.Keys.Where(n => To.IndexOf(n) < 0 || From.IndexOf(n) >= 0).Order(StringComparer.Ordinal))
            yield return new($"space.{stray}", "has a default, but is no parameter that is added; leave the default away");
        for (int i = 0; i < To.Count; i++)
        {
            string path = $"space.{To.Parameters[i].Name}";
            foreach (string problem in _places[i] < 0 ? Added(i) : Kept(From.Parameters[_places[i]], To.Parameters[i], i)) yield return new(path, problem);
        }
    }

    private IEnumerable<string> Added(int index)
    {
        if (!CouldHaveValue(index)) yield break;
        double value = _defaults[index];
        if (double.IsNaN(value)) yield return "is added, but has no default: say what earlier trials are taken to have had";
        else if (!To.Parameters[index].Domain.Contains(value))
            yield return string.Create(CultureInfo.InvariantCulture, $"has default {value}, which is not in its domain; earlier trials would not be in the space");
    }

    private IEnumerable<string> Kept(SearchParameter old, SearchParameter now, int index)
    {
        switch (old.Domain, now.Domain)
        {
            case (ChoiceDomain before, ChoiceDomain after):
                foreach (object? gone in before.Choices.Where(c => !after.Choices.Contains(c)))
                    yield return $"no longer has choice '{gone ?? "null"}'; choices can only be added";
                if (before.IsOrdered != after.IsOrdered) yield return $"is {(after.IsOrdered ? "" : "not ")}ordered, unlike before";
                break;
            case (NumericDomain before, NumericDomain after) when before.GetType() == after.GetType():
                if (before.Log != after.Log) yield return $"is {(after.Log ? "" : "not ")}logarithmic, unlike before";
                if (!after.Contains(before.Low) || !after.Contains(before.Last)
                    || (before.Step is { } step && !after.Contains(Math.Min(before.Low + step, before.Last))))
                {
                    yield return string.Create(CultureInfo.InvariantCulture, $"goes from {after.Low} to {after.High}{Steps(after)}, which does not contain all from "
                        + $"{before.Low} to {before.High}{Steps(before)}; ranges can only be made wider, and steps must still meet the values of before");
                }
                else if (before.Step is null && after.Step is not null)
                    yield return "has a step, but had none, so that values of before would not be in it; leave the step away";
                break;
            default:
                yield return "is of another kind than before: a float, an int and choices stay what they are";
                yield break;
        }
        if (!HasSameConditions(old, now, index)) yield return "has other conditions than before: for values of before it must have a value exactly where it had one";
    }

    private static string Steps(NumericDomain domain) => domain.Step is { } step ? string.Create(CultureInfo.InvariantCulture, $" in steps of {step}") : "";

    private bool HasSameConditions(SearchParameter old, SearchParameter now, int index)
    {
        var before = old.Conditions.OrderBy(c => c.Parameter, StringComparer.Ordinal).ToList();
        var after = now.Conditions.OrderBy(c => c.Parameter, StringComparer.Ordinal).ToList();
        if (!before.Select(c => c.Parameter).SequenceEqual(after.Select(c => c.Parameter))) return false;
        for (int i = 0; i < before.Count; i++)
        {
            int parent = To.IndexOf(before[i].Parameter);
            if (parent < 0) continue;
            if (_choices[parent] is { } choices)
            {
                for (int c = 0; c < choices.Length; c++)
                    if (choices[c] >= 0 && before[i].Holds(c) != after[i].Holds(choices[c])) return false;
            }
            else if (before[i].Least != after[i].Least || before[i].Most != after[i].Most || !Same(before[i].Among, after[i].Among)) return false;
        }
        return true;

        static bool Same(ImmutableArray<double>? a, ImmutableArray<double>? b) =>
            a is { } x && b is { } y ? x.Order().SequenceEqual(y.Order()) : a is null && b is null;
    }

    /// <summary>Whether a parameter that is added would have had a value in some trial of before.</summary>
    private bool CouldHaveValue(int index)
    {
        foreach (var (parent, when) in To.Required(index))
        {
            bool couldHold = _places[parent] < 0 ? when.Holds(_defaults[parent])
                : _choices[parent] is { } choices ? choices.Any(c => c >= 0 && when.Holds(c)) : when.IsPossible(From.Parameters[_places[parent]].Domain);
            if (!couldHold) return false;
        }
        return true;
    }
}
