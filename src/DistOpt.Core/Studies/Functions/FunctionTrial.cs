using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Studies.Functions;

/// <summary>A trial of a <see cref="FunctionStudy"/>: its parameters, and what its function has to say. Of one caller at a time.</summary>
public sealed class FunctionTrial
{
    private readonly FunctionStudy _study;
    private readonly SearchSpace _space;
    private readonly CancellationTokenSource? _late;
    private bool _isToEnd;

    internal FunctionTrial(FunctionStudy study, SearchSpace space, TrialOrder order)
    {
        (_study, _space, Order) = (study, space, order);
        // it holds nothing until it is cancelled, and need not be disposed of
        if (order.SecondsLeft is not null) _late = new CancellationTokenSource();
    }

    /// <summary>Counts the trials of the study, from 0.</summary>
    public int Number => Order.Id.Trial;

    /// <summary>Which run of its configuration it is, from 0: for the random seed.</summary>
    public int Repeat => Order.Repeat;

    /// <summary>What is to be known of the trial: what <see cref="SetUserAttribute{T}"/> was given.</summary>
    public IReadOnlyDictionary<string, JsonElement> UserAttributes => _study.UserAttributesOf(Number);

    internal TrialOrder Order { get; set; }

    /// <summary>When it began, or last went on, by the study's clock; null = there is none.</summary>
    internal long? BegunAt { get; set; }

    /// <summary>Ends when the trial has computed for as long as it may.</summary>
    internal CancellationToken Late => _late?.Token ?? CancellationToken.None;

    internal ImmutableArray<double> Constraints { get; private set; } = [];

    /// <summary>Whether it was told to return since its study was interrupted: what it returns does not count.</summary>
    internal bool IsAbandoned { get; set; }

    /// <summary>Of its last report; null = there was none.</summary>
    internal double[]? Reported { get; private set; }

    /// <summary>Completed when the trial goes on: false = it is to end.</summary>
    internal TaskCompletionSource<bool>? Waiting { get; set; }

    /// <summary>A number from low to high, both included, of a study whose trials define their parameters while they run.</summary>
    /// <param name="name">The same one in a trial has the same value each time.</param>
    /// <param name="low">The least value.</param>
    /// <param name="high">The greatest value.</param>
    /// <param name="log">Whether orders of magnitude are as likely as each other; low is above 0 then, and there is no step.</param>
    /// <param name="step">Distance from one value to the next, from low on; null = a continuum.</param>
    /// <exception cref="ArgumentException">They do not go together, or with what the parameter is in other trials.</exception>
    /// <exception cref="InvalidOperationException">The trial has ended, or the space was declared.</exception>
    public double SuggestFloat(string name, double low, double high, bool log = false, double? step = null) =>
        _study.Suggest(this, name, new FloatDomain(low, high, step, log));

    /// <summary>A whole number from low to high, both included.</summary>
    /// <inheritdoc cref="SuggestFloat"/>
    public long SuggestInt(string name, long low, long high, bool log = false, long step = 1) =>
        (long)_study.Suggest(this, name, new IntDomain(low, high, step, log));

    /// <summary>One of a few values: null, truth values, numbers, texts or members of an enum; the same ones in each trial.</summary>
    /// <param name="name">The same one in a trial has the same value each time.</param>
    /// <param name="choices">At least one, each once.</param>
    /// <inheritdoc cref="SuggestFloat"/>
    public T SuggestCategorical<T>(string name, params ReadOnlySpan<T> choices)
    {
        var domain = ImmutableArray.CreateBuilder<object?>(choices.Length);
        foreach (var choice in choices) domain.Add(ChoiceValues.Canonical(choice, name));
        return choices[(int)_study.Suggest(this, name, new ChoiceDomain(domain.MoveToImmutable()))];
    }

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
        : ChoiceValues.TryAs<T>(choices.Choices[(int)Value(name)], out var choice) ? choice : throw Wrong(name, $"is no {typeof(T).Name}");

    /// <summary>
    /// The function has got so far. Returns when it may go on: at once, or, where the trial scheduler has paused it, when it is sent on; its state stays
    /// in memory meanwhile.
    /// </summary>
    /// <param name="value">Of the only objective.</param>
    /// <param name="step">Above that of its last report; what resources of the trial scheduler count.</param>
    /// <returns>False = it is to return: what it returns counts if the trial is complete, not if it was pruned.</returns>
    public Task<bool> ReportAsync(double value, long step) => ReportAsync([value], step);

    /// <inheritdoc cref="ReportAsync(double, long)"/>
    /// <param name="values">One for each objective.</param>
    /// <param name="step">Above that of its last report.</param>
    public async Task<bool> ReportAsync(double[] values, long step)
    {
        ArgumentNullException.ThrowIfNull(values);
        Reported = [.. values];
        bool goesOn = await _study.ReportAsync(this, values, step).ConfigureAwait(false);
        _isToEnd = !goesOn;
        return goesOn;
    }

    /// <summary>
    /// The function has got so far, and does not wait: <see cref="ShouldPrune"/> says what becomes of the trial. It is decided, and counts, with the report.
    /// </summary>
    /// <param name="value">Of the only objective.</param>
    /// <param name="step">Above that of its last report; of several at one step the first counts.</param>
    /// <exception cref="NotSupportedException">The trial scheduler pauses trials.</exception>
    public void Report(double value, long step) => Report([value], step);

    /// <inheritdoc cref="Report(double, long)"/>
    /// <param name="values">One for each objective.</param>
    /// <param name="step">Above that of its last report.</param>
    public void Report(double[] values, long step)
    {
        ArgumentNullException.ThrowIfNull(values);
        Reported = [.. values];
        _isToEnd = !_study.Report(this, values, step);
    }

    /// <summary>
    /// Whether the function is to return, or to throw a <see cref="TrialPrunedException"/>: the trial was pruned by its last report, or has had all that the
    /// trial scheduler gives it, or its study ends. Of a trial that has had all, what the function returns counts, or where it throws, its last report.
    /// </summary>
    public bool ShouldPrune() => _isToEnd;

    /// <summary>Something that is to be known of the trial; stored with the trial's end at the latest.</summary>
    /// <param name="name">What it is; one that is there already is replaced.</param>
    /// <param name="value">Becomes JSON.</param>
    public void SetUserAttribute<T>(string name, T value) => _study.SetAttribute(Number, name, value);

    /// <summary>
    /// By how much the trial misses what it is to keep to, one number for each constraint and the same ones in each trial: at most 0 = it does not (Optuna's
    /// <c>constraints_func</c>). Counts with the trial's values: one that misses a constraint is never the best, and samplers keep away from it.
    /// </summary>
    /// <param name="violations">Of one trial, in an order that is the same for all.</param>
    /// <exception cref="ArgumentException">One is NaN.</exception>
    public void SetConstraints(params ReadOnlySpan<double> violations)
    {
        foreach (double violation in violations)
            if (double.IsNaN(violation)) throw new ArgumentException("a constraint is NaN: say by how much it is missed, at most 0 where it is kept", nameof(violations));
        Constraints = [.. violations];
    }

    internal void Cancel() => _ = _late?.CancelAsync();

    private double Value(string name) => Has(name) ? Order.Parameters[IndexOf(name)] : throw Wrong(name, "has no value in this trial: ask Has first");

    private Domain Domain(string name) => _space.Parameters[IndexOf(name)].Domain;

    private int IndexOf(string name) => _space.IndexOf(name) is >= 0 and var index ? index
        : throw Wrong(name, "is no parameter of the space; there are " + string.Join(", ", _space.Parameters.Select(p => p.Name)));

    private static ArgumentException Wrong(string name, string how) => new(string.Create(CultureInfo.InvariantCulture, $"'{name}' {how}"), nameof(name));
}
