using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Studies;

/// <summary>The JSON of where a study stands while it goes on: what <c>show</c> and <c>watch</c> are told.</summary>
public static class StudyStatusJson
{
    /// <summary>
    /// Where it stands in a word: <c>running</c>, <c>paused</c> by a user or since the user code has changed, or <c>ending</c> while what it has chosen is
    /// measured.
    /// </summary>
    public static string State(StudyStatus status)
    {
        ArgumentNullException.ThrowIfNull(status);
        return status.End is not null ? "ending" : status.IsSuspended || status.CodeChange is not null ? "paused" : "running";
    }

    /// <summary>Fields of an object that is open.</summary>
    /// <param name="json">Takes them.</param>
    /// <param name="study">The study over the space in force.</param>
    /// <param name="status">Where it stands.</param>
    public static void WriteFields(Utf8JsonWriter json, StudyOutline study, StudyStatus status)
    {
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(study);
        ArgumentNullException.ThrowIfNull(status);
        if (status.Trials is { } most) json.WriteNumber("trials_max", most);
        json.WriteNumber("started", status.Started);
        json.WriteString("resource", study.Unit + "s");
        if (status.TrialLength is { } length) json.WriteNumber("trial_length", length);
        if (status.Parallel > 0) json.WriteNumber("parallel", status.Parallel);
        WriteSpace(json, status);
        if (status.Enqueued > 0) json.WriteNumber("enqueued", status.Enqueued);
        if (status.Refused > 0) json.WriteString("refused", $"{status.Refused} of the points to try first, the last one since {status.RefusedLast}");
        json.WriteNumber("seconds", Math.Round(status.Seconds, 3));
        json.WriteNumber("interruptions", status.Sessions);
        if (Waiting(status) is { } waiting) json.WriteString("waiting_for", waiting);
        StudyJson.WriteObjectives(json, study);
        StudyJson.WriteCounts(json, status.Counts);
        if (status.Imported > 0) json.WriteNumber("imported", status.Imported);
        if (status.Best is { } best)
        {
            json.WritePropertyName("best");
            WriteResult(json, study, best);
        }
        if (NoBest.Of(status, status.Spec) is { } none) json.WriteString("no_best", none);
        if (status.Improvement is { } improvement) json.WriteNumber("expected_improvement", improvement);
        if (study.Objectives.Length > 1)
        {
            json.WriteStartArray("front");
            foreach (var result in status.Front) WriteResult(json, study, result);
            json.WriteEndArray();
            WriteVolume(json, study, status);
        }
        json.WriteStartArray("live");
        foreach (var trial in status.Live) WriteLive(json, study, trial);
        json.WriteEndArray();
        json.WriteStartArray("rungs");
        foreach (var rung in status.Rungs) WriteRung(json, rung);
        json.WriteEndArray();
    }

    /// <summary>Which space is in force, where it was replaced, and from where on the next one is to be.</summary>
    internal static void WriteSpace(Utf8JsonWriter json, StudyStatus status)
    {
        if (status.SpaceVersion > 0)
        {
            json.WriteNumber("space_version", status.SpaceVersion);
            json.WriteNumber("space_from_trial", status.SpaceFrom);
        }
        if (status.NextSpaceFrom is { } next) json.WriteNumber("next_space_from_trial", next);
    }

    /// <summary>Why a free slot has nothing to do; null where that is no news.</summary>
    private static string? Waiting(StudyStatus status) => status.Wait switch
    {
        _ when status.CodeChange is { } change => $"a user, to accept with resume --accept-new-code that the code is {change.Now} and no longer {change.Before}",
        _ when status.IsSuspended => "a user, who has paused the study",
        // where none of them computes, that is what the study waits for
        _ when status.Live.Where(t => t.State == TrialState.Running).ToList() is { Count: > 0 } running && running.All(t => t.WaitsFor is not null) =>
            FormattableString.Invariant($"trial {running[0].Number}, which waits for {running[0].WaitsFor}"),
        StudyWait.Trials => "trials that run: what comes next depends on them",
        StudyWait.Turn when status.WaitsFor is { } trial => FormattableString.Invariant($"trial {trial}, whose turn it is in a deterministic study"),
        StudyWait.Turn => "the trial whose turn it is in a deterministic study",
        StudyWait.Alone => FormattableString.Invariant($"trial {status.WaitsFor}, which runs alone: it was under way when the process died, time and again"),
        StudyWait.Checkpoint => "a checkpoint to go on from",
        StudyWait.Suspended => "a user, who has paused all trials that are left",
        StudyWait.Starts => "whoever runs it, to begin more trials",
        _ => null,
    };

    /// <summary>What the front dominates, and from where that is measured.</summary>
    internal static void WriteVolume(Utf8JsonWriter json, StudyOutline study, StudyStatus status)
    {
        if (FrontVolume.Of(study, status) is not { } dominated) return;
        json.WritePropertyName("hypervolume");
        StudyJson.Number(json, dominated.Volume);
        json.WriteStartArray("reference");
        foreach (double value in dominated.Reference) StudyJson.Number(json, value);
        json.WriteEndArray();
    }

    private static void WriteResult(Utf8JsonWriter json, StudyOutline study, TrialResult result)
    {
        json.WriteStartObject();
        json.WriteNumber("number", result.Number);
        StudyJson.WriteValues(json, study, result.Values);
        StudyJson.WriteParameters(json, study, result.Parameters);
        json.WriteEndObject();
    }

    private static void WriteLive(Utf8JsonWriter json, StudyOutline study, LiveTrialStatus trial)
    {
        json.WriteStartObject();
        json.WriteNumber("number", trial.Number);
        json.WriteString("state", trial.IsSuspended ? "suspended" : RunJson.Name(trial.State));
        json.WriteNumber("attempt", trial.Attempt);
        if (trial.Node is { } node) json.WriteString("node", node);
        if (trial.WaitsFor is { } whom) json.WriteString("waiting_for", whom);
        if (trial.Losses > 0) json.WriteNumber("lost", trial.Losses);
        if (study.Repeats > 1) json.WriteNumber("repeat", trial.Repeat);
        json.WriteNumber("bracket", trial.Bracket);
        if (trial.Last is { } last)
        {
            json.WriteNumber("at", last.Step);
            json.WritePropertyName("value");
            StudyJson.Number(json, last.Value);
        }
        if (trial.Until < long.MaxValue) json.WriteNumber("until", trial.Until);
        json.WriteNumber("seconds", Math.Round(trial.Seconds, 3));
        StudyJson.WriteParameters(json, study, trial.Parameters);
        json.WriteEndObject();
    }

    private static void WriteRung(Utf8JsonWriter json, TrialSchedulers.RungStatus rung)
    {
        json.WriteStartObject();
        json.WriteNumber("bracket", rung.Bracket);
        json.WriteNumber("rung", rung.Index);
        json.WriteNumber("resource", rung.Resource);
        json.WriteNumber("entered", rung.Entered);
        json.WriteNumber("promoted", rung.Promoted);
        json.WriteEndObject();
    }
}
