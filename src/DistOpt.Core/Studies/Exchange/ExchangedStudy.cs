using System.Collections.Immutable;
using System.Globalization;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Studies.Exchange;

/// <summary>What has become of a trial, with the names and numbers that Optuna has for it.</summary>
public enum ExchangedState
{
    /// <summary>Not ended; paused ones too, for which Optuna has no word.</summary>
    Running,

    /// <summary>Ended with a value.</summary>
    Complete,

    /// <summary>Ended early.</summary>
    Pruned,

    /// <summary>Ended without a value: failed, or cancelled.</summary>
    Fail,

    /// <summary>Has a number and has not begun.</summary>
    Waiting,
}

/// <summary>A parameter of a trial.</summary>
/// <param name="Name">Its name: here a path into the training spec.</param>
/// <param name="Value">Null, bool, long, double or text.</param>
/// <param name="Domain">Which values it might have had; null where a format does not say.</param>
public sealed record ExchangedParameter(string Name, object? Value, Domain? Domain = null)
{
    /// <summary>The value as a float64, a choice by its index: Optuna's internal representation.</summary>
    public double Internal => Domain is ChoiceDomain choices ? choices.Choices.IndexOf(Value) : Convert.ToDouble(Value, CultureInfo.InvariantCulture);

    /// <summary>The parameter by its internal representation.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is an index that no choice has.</exception>
    public static ExchangedParameter Of(string name, Domain domain, double value) => new(name, domain switch
    {
        ChoiceDomain choices => value >= 0 && value < choices.Choices.Length ? choices.Choices[(int)value]
            : throw new ArgumentOutOfRangeException(nameof(value), value, $"'{name}' has {choices.Choices.Length} choices"),
        IntDomain => (long)value,
        _ => value,
    }, domain);
}

/// <summary>A trial as other programs know it.</summary>
public sealed record ExchangedTrial
{
    /// <summary>From 0, without gaps.</summary>
    public required int Number { get; init; }

    public required ExchangedState State { get; init; }

    /// <summary>UTC; null = not known.</summary>
    public DateTime? Started { get; init; }

    /// <summary>UTC; null = it has not, or that is not known.</summary>
    public DateTime? Ended { get; init; }

    /// <summary>Only those that have a value.</summary>
    public ImmutableArray<ExchangedParameter> Parameters { get; init; } = [];

    /// <summary>One for each objective; of a trial that was pruned the last one reported, or none.</summary>
    public ImmutableArray<double> Values { get; init; } = [];

    /// <summary>Reports on the way, in the order of their steps.</summary>
    public ImmutableArray<Report> Intermediate { get; init; } = [];

    /// <summary>At most 0 where it is feasible; empty where there are none.</summary>
    public ImmutableArray<double> Constraints { get; init; } = [];

    /// <summary>That it has computed; null = not known.</summary>
    public double? Seconds { get; init; }

    /// <summary>What else is known of it: values that JSON has.</summary>
    public ImmutableArray<KeyValuePair<string, object?>> Attributes { get; init; } = [];
}

/// <summary>A study as other programs know it: what all formats of <c>export</c> and <c>--import</c> are written from and read to.</summary>
public sealed record ExchangedStudy
{
    public required string Name { get; init; }

    /// <summary>One for each objective; null where a format does not say.</summary>
    public required ImmutableArray<Direction?> Directions { get; init; }

    /// <summary>What the objectives are called; empty where a format does not say.</summary>
    public ImmutableArray<string> Metrics { get; init; } = [];

    /// <summary>What the constraints of its trials are called, in their order; empty where a format does not say.</summary>
    public ImmutableArray<string> Constraints { get; init; } = [];

    /// <summary>What else is known of it: values that JSON has.</summary>
    public ImmutableArray<KeyValuePair<string, object?>> Attributes { get; init; } = [];

    /// <summary>By number.</summary>
    public required ImmutableArray<ExchangedTrial> Trials { get; init; }
}
