using System.Collections.Immutable;
using System.Text.Json;
using DistOpt.Core.SearchSpaces;

namespace DistOpt.Core.Studies.Functions;

/// <summary>What a <see cref="FunctionStudy"/> knows of a trial at a moment (Optuna: a frozen trial).</summary>
/// <param name="Number">Counts the trials of the study, from 0.</param>
/// <param name="State">What has become of it; one that is waiting or paused is running here.</param>
/// <param name="Parameters">Those that it has: a double, a long or a choice.</param>
/// <param name="Values">One for each objective where it is complete, else empty.</param>
/// <param name="Last">Its last report, where it was pruned; of others it is not kept.</param>
/// <param name="UserAttributes">What its function wants to be known of it.</param>
public sealed record TrialSnapshot(int Number, TrialState State, IReadOnlyDictionary<string, object?> Parameters, ImmutableArray<double> Values, Report? Last,
    IReadOnlyDictionary<string, JsonElement> UserAttributes)
{
    /// <summary>By how much it misses each constraint, at most 0 = it does not, where it is complete; empty = it has none.</summary>
    public ImmutableArray<double> Constraints { get; init; } = [];

    /// <summary>The value of the only objective.</summary>
    /// <exception cref="InvalidOperationException">It has none, or there are several.</exception>
    public double Value => Values is [var value] ? value
        : throw new InvalidOperationException($"trial {Number} is {State} with {Values.Length} values: ask {nameof(Values)}");

    internal static TrialSnapshot Of(int number, StudyTrial trial, SearchSpace space, IReadOnlyDictionary<string, JsonElement> attributes)
    {
        var parameters = new Dictionary<string, object?>(StringComparer.Ordinal);
        for (int i = 0; i < trial.Parameters.Length; i++)
        {
            double value = trial.Parameters[i];
            if (double.IsNaN(value)) continue;
            parameters.Add(space.Parameters[i].Name, space.Parameters[i].Domain switch
            {
                ChoiceDomain choices => choices.Choices[(int)value],
                IntDomain => (long)value,
                _ => value,
            });
        }
        return new TrialSnapshot(number, trial.State, parameters, trial.Values, trial.Reports is [.., var last] ? last : null, attributes)
        {
            Constraints = trial.Constraints,
        };
    }
}

/// <summary>Thrown by a trial's function that does not go on (Optuna's <c>TrialPruned</c>): the trial is pruned, by its own wish if not before.</summary>
public sealed class TrialPrunedException() : Exception("the trial is pruned");
