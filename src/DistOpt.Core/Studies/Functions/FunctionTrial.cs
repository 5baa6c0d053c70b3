using System.Globalization;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Studies.Functions;

/// <summary>A trial of a <see cref="FunctionStudy"/>: its parameters, and what its function has to say. Of one caller at a time.</summary>
public sealed class FunctionTrial
{
    private readonly FunctionStudy _study;
    private readonly SearchSpace _space;

    internal FunctionTrial(FunctionStudy study, SearchSpace space, TrialOrder order) => (_study, _space, Order) = (study, space, order);

    /// <summary>Counts the trials of the study, from 0.</summary>
    public int Number => Order.Id.Trial;

    /// <summary>Which run of its configuration it is, from 0: for the random seed.</summary>
    public int Repeat => Order.Repeat;

    /// <summary>What the function wants to be known of the trial; the study takes no notice of it.</summary>
    public Dictionary<string, object?> Attributes { get; } = new(StringComparer.Ordinal);

    internal TrialOrder Order { get; set; }

    /// <summary>Whether it was told to return since its study was interrupted: what it returns does not count.</summary>
    internal bool IsAbandoned { get; set; }

    /// <summary>Completed when the trial goes on: false = it is to end.</summary>
    internal TaskCompletionSource<bool>? Waiting { get; set; }

    /// <summary>Whether a parameter has a value: one under a condition may have none.</summary>
    /// <exception cref="ArgumentException">No parameter has the name.</exception>
    public bool Has(string name) => !double.IsNaN(Order.Parameters[IndexOf(name)]);

    /// <summary>The value of a number.</summary>
    /// <exception cref="ArgumentException">No parameter has the name, it has no value, or its values are no numbers.</exception>
    public double Float(string name) => Domain(name) is NumericDomain ? Value(name) : throw Wrong(name, "has choices, not numbers");

    /// <summary>The value of a whole number.</summary>
    /// <exception cref="ArgumentException">No parameter has the name, it has no value, or its values are no whole numbers.</exception>
    public long Int(string name) => Domain(name) is IntDomain ? (long)Value(name) : throw Wrong(name, "has no whole numbers");

    /// <summary>The choice that it has.</summary>
    /// <exception cref="ArgumentException">No parameter has the name, it has no value, or no choices of this type.</exception>
    public T Choice<T>(string name) => Domain(name) is not ChoiceDomain choices ? throw Wrong(name, "has numbers, not choices")
        : choices.Choices[(int)Value(name)] is T choice ? choice : throw Wrong(name, $"is no {typeof(T).Name}");

    /// <summary>
    /// The function has got so far. Returns when it may go on: at once, or, where the trial scheduler has paused it, when it is sent on; its state stays
    /// in memory meanwhile.
    /// </summary>
    /// <param name="step">Above that of its last report; what resources of the trial scheduler count.</param>
    /// <param name="values">One for each objective.</param>
    /// <returns>False = it is to return: what it returns counts if the trial is complete, not if it was pruned.</returns>
    public Task<bool> ReportAsync(long step, params double[] values) => _study.ReportAsync(this, step, values);

    private double Value(string name) => Has(name) ? Order.Parameters[IndexOf(name)] : throw Wrong(name, "has no value in this trial: ask Has first");

    private Domain Domain(string name) => _space.Parameters[IndexOf(name)].Domain;

    private int IndexOf(string name) => _space.IndexOf(name) is >= 0 and var index ? index
        : throw Wrong(name, "is no parameter of the space; there are " + string.Join(", ", _space.Parameters.Select(p => p.Name)));

    private static ArgumentException Wrong(string name, string how) => new(string.Create(CultureInfo.InvariantCulture, $"'{name}' {how}"), nameof(name));
}
