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
    public bool IsPossible(Domain parent) => parent switch
    {
        NumericDomain numbers when Among is { } among => among.Any(v => numbers.Contains(v) && Holds(v)),
        NumericDomain numbers => LeastIn(numbers) is var least && least <= numbers.Last && Holds(least),
        _ => Enumerable.Range(0, (int)parent.Count!).Any(i => Holds(i)),
    };

    /// <summary>The first value of the domain that is not below the condition's.</summary>
    private double LeastIn(NumericDomain numbers)
    {
        double from = Math.Max(Least, numbers.Low);
        return numbers.Step is { } step ? numbers.Low + Math.Ceiling((from - numbers.Low) / step - 1e-9) * step : from;
    }
}

/// <summary>A parameter to search: a path into the training spec such as <c>optimizer.learning_rate</c>.</summary>
/// <param name="Name">The path.</param>
/// <param name="Domain">Its values.</param>
/// <param name="When">When it has one; null = always.</param>
public sealed record SearchParameter(string Name, Domain Domain, Condition? When = null);

/// <summary>
/// The parameters of a study, parents before children. A configuration is one float64 for each parameter in their order; NaN where the parameter
/// has no value, since its condition does not hold.
/// </summary>
public sealed class SearchSpace
{
    private readonly int[] _parents;

    /// <exception cref="SpecException">Everything that is wrong with it.</exception>
    public SearchSpace(IEnumerable<SearchParameter> parameters)
    {
        Parameters = [.. parameters];
        if (Violations().ToList() is { Count: > 0 } violations) throw new SpecException(violations);
        _parents = [.. Parameters.Select(p => p.When is { } when ? IndexOf(when.Parameter) : -1)];
    }

    public ImmutableArray<SearchParameter> Parameters { get; }

    /// <summary>Number of parameters.</summary>
    public int Count => Parameters.Length;

    /// <summary>Whether some parameters have a value only sometimes.</summary>
    public bool IsConditional => Array.Exists(_parents, p => p >= 0);

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
    public bool IsActive(int index, ReadOnlySpan<double> values) => _parents[index] < 0 || Parameters[index].When!.Holds(values[_parents[index]]);

    /// <summary>Whether a condition of some parameter asks for the value of this one.</summary>
    internal bool IsParent(int index) => Array.IndexOf(_parents, index) >= 0;

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
                yield return new SpecViolation(Parameters[i].Name, $"has a value, but {Parameters[i].When!.Parameter} is not as its condition wants");
        }
    }

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
        for (int i = 0; i < Parameters.Length; i++)
        {
            var parameter = Parameters[i];
            string path = $"space.{parameter.Name}";
            var problems = parameter.Domain.Problems().ToList();
            foreach (string problem in problems) yield return new SpecViolation(path, problem);
            int first = IndexOf(parameter.Name);
            if (first < i) yield return new SpecViolation(path, "is named twice: give it once");
            if (parameter.When is not { } when) continue;
            int parent = IndexOf(when.Parameter);
            if (parent < 0) yield return new SpecViolation(path, $"has a condition on '{when.Parameter}', which is no parameter of the space");
            else if (parent >= i) yield return new SpecViolation(path, $"has a condition on '{when.Parameter}', which must stand before it");
            else if (!Parameters[parent].Domain.Problems().Any() && !when.IsPossible(Parameters[parent].Domain))
                yield return new SpecViolation(path, $"has a condition on '{when.Parameter}' that no value of it meets: the parameter would never have a value");
        }
    }
}
