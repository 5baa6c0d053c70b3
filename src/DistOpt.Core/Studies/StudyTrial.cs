using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace DistOpt.Core.Studies;

/// <summary>What has become of a trial.</summary>
public enum TrialState
{
    /// <summary>Has its parameters, and waits for a place.</summary>
    Waiting,

    Running,

    /// <summary>Stopped at a rung, to be gone on with where it is promoted.</summary>
    Paused,

    /// <summary>Ended with a value.</summary>
    Complete,

    /// <summary>Ended early, since others were better.</summary>
    Pruned,

    /// <summary>Ended without a value: it threw, diverged, or its attempts were used up.</summary>
    Failed,

    /// <summary>Ended by a command, or since the study has ended: nothing can be learned from it.</summary>
    Cancelled,
}

/// <summary>A value that a trial has reported on its way.</summary>
/// <param name="Step">Step, epoch or whatever the study counts.</param>
/// <param name="Value">The first objective's value; may be NaN.</param>
public readonly record struct Report(long Step, double Value);

/// <summary>What samplers and pruners know of a trial.</summary>
public sealed record StudyTrial
{
    /// <summary>Counts the trials of a history, from 0: those of the study after those that it has imported.</summary>
    public required int Number { get; init; }

    public required TrialState State { get; init; }

    /// <summary>
    /// One value for each parameter of the space; NaN where it has none. Of a trial that has gone on from others' states: those with which it came to its
    /// values, or where it has none to its last report.
    /// </summary>
    public required ImmutableArray<double> Parameters { get; init; }

    /// <summary>What it began with: other than <see cref="Parameters"/> where it has gone on from another one's state.</summary>
    public ImmutableArray<double> Drawn
    {
        get => field.IsDefault ? Parameters : field;
        init;
    }

    /// <summary>The trial scheduler's bracket that it is in, from 0; of those that were imported it means nothing.</summary>
    public int Bracket { get; init; }

    /// <summary>Of the space that it was drawn from: 0 until the space is widened for the first time.</summary>
    public int SpaceVersion { get; init; }

    /// <summary>One value for each objective where the trial is complete, else empty.</summary>
    public ImmutableArray<double> Values { get; init; } = [];

    /// <summary>Reports in the order of their steps.</summary>
    public ImmutableArray<Report> Reports { get; init; } = [];

    /// <summary>
    /// What the trial was worth at the rungs that it has come to, by the rungs' resources, ascending: the first objective's values. NaN at the one that it
    /// failed on its way to. Empty where the trial scheduler pauses none at rungs.
    /// </summary>
    public ImmutableArray<Report> Rungs { get; init; } = [];

    /// <summary>Constraints of the study: at most 0 where the trial is feasible; empty where there are none.</summary>
    public ImmutableArray<double> Constraints { get; init; } = [];

    /// <summary>Whether it failed since its numbers were no longer finite: worse than any that has a value.</summary>
    public bool HasDiverged { get; init; }

    /// <summary>Whether it is one of another study, which has ended there.</summary>
    public bool IsImported { get; init; }

    /// <summary>Whether nothing more will become of it.</summary>
    public bool HasEnded => State is TrialState.Complete or TrialState.Pruned or TrialState.Failed or TrialState.Cancelled;

    /// <summary>Whether it ended in a way that samplers learn from.</summary>
    public bool IsInformative => State is TrialState.Complete or TrialState.Pruned;

    /// <summary>Whether it can be compared with others: informative, or paused at a rung whose value is known.</summary>
    public bool IsRanked => IsInformative || (State == TrialState.Paused && !Reports.IsEmpty);

    /// <summary>Parameters with a value of one more; NaN where there is none before it.</summary>
    internal static ImmutableArray<double> With(ImmutableArray<double> parameters, int place, double value)
    {
        double[] grown = new double[Math.Max(parameters.Length, place + 1)];
        parameters.CopyTo(grown);
        grown.AsSpan(parameters.Length).Fill(double.NaN);
        grown[place] = value;
        return ImmutableCollectionsMarshal.AsImmutableArray(grown);
    }

    /// <summary>By how much the constraints are missed, in all; 0 = feasible.</summary>
    public double Violation => ViolationOf(Constraints.AsSpan());

    /// <summary>By how much constraints are missed, in all; 0 = by none. NaN is infinitely far.</summary>
    /// <param name="constraints">At most 0 where one is kept.</param>
    public static double ViolationOf(ReadOnlySpan<double> constraints)
    {
        double sum = 0;
        foreach (double constraint in constraints) sum += double.IsNaN(constraint) ? double.PositiveInfinity : Math.Max(0, constraint);
        return sum;
    }
}
