using System.Collections.Immutable;
using System.Globalization;
using DistOpt.Core.Specs;

namespace DistOpt.Core.SearchSpaces;

/// <summary>When a parameter has a value at all: a parent, which stands before it, has one of some values.</summary>
/// <param name="Parameter">The parent's name.</param>
/// <param name="Least">Least value of the parent, as it is kept (choices by index).</param>
/// <param name="Most">Greatest value of the parent.</param>
/// <param name="Among">Values of the parent, of which it must have one; null = any from <paramref name="Least"/> to <paramref name="Most"/>.</param>
public sealed record Condition(string Parameter, double Least = double.NegativeInfinity, double Most = double.PositiveInfinity,
    ImmutableArray<double>? Among = null)
{
    /// <summary>NaN, a parent without a value, never holds.</summary>
    public bool Holds(double parent) => parent >= Least && parent <= Most && (Among is not { } among || among.Contains(parent));

    /// <summary>Whether any value of the parent's domain holds.</summary>
    public bool IsPossible(Domain parent) => First(parent) is not null;

    /// <summary>The first value of the parent's domain that holds; null = none does.</summary>
    internal double? First(Domain parent)
    {
        if (parent is not NumericDomain numbers) return Enumerable.Range(0, (int)parent.Count!).Select(i => (double?)i).FirstOrDefault(i => Holds(i!.Value));
        if (Among is { } among) return among.Where(v => numbers.Contains(v) && Holds(v)).Select(v => (double?)v).Order().FirstOrDefault();
        return LeastIn(numbers) is { } least && Holds(least) ? least : null;
    }

    /// <summary>Both conditions on the same parameter.</summary>
    internal Condition And(Condition other) => this with
    {
        Least = Math.Max(Least, other.Least),
        Most = Math.Min(Most, other.Most),
        Among = (Among, other.Among) switch
        {
            ({ } own, { } others) => [.. own.Intersect(others)],
            var (own, others) => own ?? others,
        },
    };

    /// <summary>The first value of the domain that is not below the condition's; null = all are.</summary>
    private double? LeastIn(NumericDomain numbers)
    {
        double from = Math.Max(Least, numbers.Low);
        if (from > numbers.Last) return null;
        if (numbers.Step is not { } step) return from;
        long steps = (long)Math.Ceiling((from - numbers.Low) / step - 1e-9);
        // as the domain has it: 3 steps of 0.1 are 0.3
        return numbers.At(steps) is var value && value >= from ? value : numbers.At(steps + 1);
    }
}

/// <summary>A parameter to search: a path into the training spec such as <c>optimizer.learning_rate</c>.</summary>
/// <param name="Name">The path.</param>
/// <param name="Domain">Its values.</param>
/// <param name="When">When it has one; null = always.</param>
public sealed record SearchParameter(string Name, Domain Domain, Condition? When = null)
{
    /// <summary>Further conditions, on other parameters, that must hold beside <see cref="When"/>; empty where that is null.</summary>
    public ImmutableArray<Condition> AndWhen { get; init; } = [];

    /// <summary>All its conditions.</summary>
    public IEnumerable<Condition> Conditions => When is null ? AndWhen : AndWhen.Prepend(When);
}

/// <summary>
/// The parameters of a study, parents before children. A configuration is one float64 for each parameter in their order; NaN where the parameter
/// has no value, since its condition does not hold.
/// </summary>
public sealed class SearchSpace
{
    private readonly (int Parent, Condition When)[][] _conditions;

    /// <exception cref="SpecException">Everything that is wrong with it.</exception>
    public SearchSpace(IEnumerable<SearchParameter> parameters)
    {
        Parameters = [.. parameters];
        if (Violations().ToList() is { Count: > 0 } violations) throw new SpecException(violations);
        _conditions = [.. Parameters.Select(p => p.Conditions.Select(c => (IndexOf(c.Parameter), c)).ToArray())];
    }

    public ImmutableArray<SearchParameter> Parameters { get; }

    /// <summary>Everything that tells it from another space, as text: equal texts are equal spaces.</summary>
    public override string ToString() => string.Join("; ", Parameters.Select(p => $"{p.Name} {TextOf(p.Domain)}" + string.Concat(p.Conditions.Select(c =>
        string.Create(CultureInfo.InvariantCulture, $" when {c.Parameter} {c.Least:R}..{c.Most:R} {(c.Among is { } among ? string.Join('|', among) : "")}")))));

    /// <summary>Number of parameters.</summary>
    public int Count => Parameters.Length;

    /// <summary>Whether some parameters have a value only sometimes.</summary>
    public bool IsConditional => Array.Exists(_conditions, c => c.Length > 0);

    /// <summary>How many configurations there are; null = a continuum, or more than fit into 63 bits.</summary>
    public long? Size
    {
        get
        {
            try
            {
                return Configurations(0, []);
            }
            catch (OverflowException)
            {
                return null;
            }
        }
    }

    /// <summary>The place of a parameter, or -1.</summary>
    public int IndexOf(string name)
    {
        for (int i = 0; i < Parameters.Length; i++)
            if (Parameters[i].Name == name) return i;
        return -1;
    }

    /// <summary>Whether a parameter has a value, by the values of those before it.</summary>
    public bool IsActive(int index, ReadOnlySpan<double> values)
    {
        foreach (var (parent, when) in _conditions[index])
            if (!when.Holds(values[parent])) return false;
        return true;
    }

    /// <summary>Whether a condition of some parameter asks for the value of this one.</summary>
    internal bool IsParent(int index) => Array.Exists(_conditions, c => Array.Exists(c, one => one.Parent == index));

    /// <summary>A configuration in which what has been given stays, and the rest is as suggested, or random where nothing is.</summary>
    /// <param name="given">NaN where nothing is.</param>
    /// <param name="suggested">A configuration.</param>
    /// <param name="random">One of random values, for parameters that have a value only beside what is given.</param>
    public double[] Complete(ReadOnlySpan<double> given, ReadOnlySpan<double> suggested, Func<int, double> random)
    {
        ArgumentNullException.ThrowIfNull(random);
        double[] values = new double[Count];
        Array.Fill(values, double.NaN);
        for (int i = 0; i < values.Length; i++)
        {
            if (!IsActive(i, values)) continue;
            values[i] = !double.IsNaN(given[i]) ? given[i] : !double.IsNaN(suggested[i]) ? suggested[i] : Parameters[i].Domain.FromUnit(random(i));
        }
        return values;
    }

    /// <summary>What is wrong with a configuration: values outside of their domains, missing or where none belongs.</summary>
    public IEnumerable<SpecViolation> Check(double[] values)
    {
        if (values.Length != Count)
        {
            yield return new SpecViolation("", $"has {values.Length} values for {Count} parameters");
            yield break;
        }
        for (int i = 0; i < Count; i++)
        {
            bool isActive = IsActive(i, values);
            if (isActive && !Parameters[i].Domain.Contains(values[i]))
                yield return new SpecViolation(Parameters[i].Name, string.Create(CultureInfo.InvariantCulture, $"is {values[i]}, which is not in its domain"));
            if (!isActive && !double.IsNaN(values[i]))
                yield return new SpecViolation(Parameters[i].Name, $"has a value, but {FirstBroken(i, values)} is not as its condition wants");
        }
    }

    /// <summary>
    /// What must hold for a parameter to have a value, its parents' and their parents' conditions included: by the place of the parameter that each is
    /// about.
    /// </summary>
    internal Dictionary<int, Condition> Required(int index)
    {
        var required = new Dictionary<int, Condition>();
        var open = new Stack<int>([index]);
        while (open.TryPop(out int next))
        {
            foreach (var when in Parameters[next].Conditions)
            {
                int parent = IndexOf(when.Parameter);
                required[parent] = required.TryGetValue(parent, out var other) ? other.And(when) : when;
                open.Push(parent);
            }
        }
        return required;
    }

    /// <summary>The parameter because of which another one has no value.</summary>
    internal string FirstBroken(int index, ReadOnlySpan<double> values)
    {
        foreach (var (parent, when) in _conditions[index])
            if (!when.Holds(values[parent])) return Parameters[parent].Name;
        throw new ArgumentException($"{Parameters[index].Name} has a value", nameof(index));
    }

    private static string TextOf(Domain domain) => domain switch
    {
        NumericDomain n => string.Create(CultureInfo.InvariantCulture, $"{n.GetType().Name} {n.Low:R}..{n.High:R} step {n.Step:R}{(n.Log ? " log" : "")}"),
        ChoiceDomain c => (c.IsOrdered ? "ordered " : "") + string.Join('|', c.Choices.Select(v => string.Create(CultureInfo.InvariantCulture, $"{v?.GetType().Name} {v}"))),
        _ => domain.ToString(),
    };

    /// <summary>Configurations of the parameters from one on, counted with those before it that conditions ask for.</summary>
    private long? Configurations(int index, double[] before)
    {
        if (index == Count) return 1;
        double[] values = [.. before, double.NaN];
        if (!IsActive(index, values)) return Configurations(index + 1, values);
        if (Parameters[index].Domain.Count is not { } count) return null;
        // a parameter that nobody's condition looks at multiplies what comes after it
        if (!IsParent(index)) return checked(count * Configurations(index + 1, values));
        long? sum = 0;
        for (long i = 0; i < count; i++) sum = checked(sum + Configurations(index + 1, [.. before, Nth(Parameters[index].Domain, i)]));
        return sum;
    }

    /// <summary>The values of a countable domain, in order.</summary>
    internal static double Nth(Domain domain, long index) => domain is NumericDomain numbers ? numbers.At(index) : index;

    private IEnumerable<SpecViolation> Violations()
    {
        bool wrong = false;
        foreach (var violation in SingleViolations())
        {
            wrong = true;
            yield return violation;
        }
        if (wrong) yield break;
        for (int i = 0; i < Parameters.Length; i++)
        {
            foreach (var (parent, when) in Required(i))
            {
                if (when.IsPossible(Parameters[parent].Domain)) continue;
                yield return new SpecViolation($"space.{Parameters[i].Name}", $"has conditions on '{when.Parameter}', those of the parameters that it "
                    + "hangs on included, that no value of it meets together: the parameter would never have a value");
            }
        }
    }

    private IEnumerable<SpecViolation> SingleViolations()
    {
        for (int i = 0; i < Parameters.Length; i++)
        {
            var parameter = Parameters[i];
            string path = $"space.{parameter.Name}";
            var problems = parameter.Domain.Problems().ToList();
            foreach (string problem in problems) yield return new SpecViolation(path, problem);
            int first = IndexOf(parameter.Name);
            if (first < i) yield return new SpecViolation(path, "is named twice: give it once");
            foreach (var when in parameter.Conditions)
            {
                int parent = IndexOf(when.Parameter);
                if (parent < 0) yield return new SpecViolation(path, $"has a condition on '{when.Parameter}', which is no parameter of the space");
                else if (parent >= i) yield return new SpecViolation(path, $"has a condition on '{when.Parameter}', which must stand before it");
                else if (!Parameters[parent].Domain.Problems().Any() && !when.IsPossible(Parameters[parent].Domain))
                    yield return new SpecViolation(path, $"has a condition on '{when.Parameter}' that no value of it meets: the parameter would never have a value");
            }
        }
    }
}
