using System.Collections.Immutable;
using System.Runtime.InteropServices;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Functions;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Protocol.Journal;

/// <summary>
/// Events of a study's journal to bytes and back, by a closed table of manifests as in <see cref="JournalCodec"/>: a shape that was ever written stays
/// readable, and one that is not known is refused, never skipped.
/// </summary>
public static class StudyJournalCodec
{
    /// <summary>Of what is searched.</summary>
    private const string DeclarationManifest = "function-study.1";

    private static readonly Dictionary<string, Func<ReadOnlyMemory<byte>, StudyEvent>> Readers = new(StringComparer.Ordinal)
    {
        ["trial-started.1"] = bytes => As<JournalTrialStarted>(bytes, r => new StudyEvent.Started(r.Trial, Of(r.Parameters), r.Until, r.Bracket, r.IsEnqueued)),
        ["attempt-begun.1"] = bytes => As<JournalAttemptBegun>(bytes, r => new StudyEvent.AttemptBegun(r.Trial, r.Attempt)),
        ["trial-reported.1"] = bytes => As<JournalTrialReported>(bytes, r =>
            new StudyEvent.Reported(r.Trial, r.Step, Of(r.Values), JournalCodec.Named<ReportAction>(r.Action), r.Seconds)),
        ["trial-checkpoint.1"] = bytes => As<JournalTrialCheckpoint>(bytes, r => new StudyEvent.CheckpointWritten(Of(r))),
        ["trial-checkpoint-deleted.1"] = bytes => As<JournalTrialCheckpoint>(bytes, r => new StudyEvent.CheckpointDeleted(Of(r))),
        ["trial-released.1"] = bytes => As<JournalTrialReleased>(bytes, r => new StudyEvent.Released(r.Trial, r.Resource, r.Seconds)),
        ["trial-taken.1"] = bytes => As<JournalTrialTaken>(bytes, r => new StudyEvent.Taken(r.Trial)),
        ["trial-promoted.1"] = bytes => As<JournalTrialPromoted>(bytes, r => new StudyEvent.Promoted(r.Trial, r.Until,
            r.Donor is { } donor ? new Exploit(donor, r.DonorResource, Of(r.Parameters!)) : null)),
        ["attempt-lost.1"] = bytes => As<JournalAttemptLost>(bytes, r =>
            new StudyEvent.AttemptLost(r.Trial, r.Reason, r.IsCounted, r.DelaySeconds, r.Seconds) { Left = r.Left }),
        ["trial-run-completed.1"] = bytes => As<JournalRunCompleted>(bytes, r => new StudyEvent.RunCompleted(r.Trial, Of(r.Values), Of(r.Constraints), r.Seconds)),
        ["trial-ended.1"] = bytes => As<JournalTrialEnded>(bytes, r =>
        {
            var ended = new StudyEvent.Ended(r.Trial, JournalCodec.Named<TrialState>(r.State), JournalCodec.Named<TrialEndCause>(r.Cause), Of(r.Values),
                Of(r.Constraints), r.Error, r.Seconds);
            return r.IsTaken ? ended : new StudyEvent.Finished(ended);
        }),
        ["study-enqueued.1"] = bytes => As<JournalEnqueued>(bytes, r =>
            new StudyEvent.Enqueued(r.IdempotencyKey, Of(r.Point)) { FromTrial = r.FromTrial, Asked = r.Asked }),
        ["study-parallel.1"] = bytes => As<JournalParallelSet>(bytes, r => new StudyEvent.ParallelSet(r.IdempotencyKey, r.Parallel, r.FromTrial) { Asked = r.Asked }),
        ["study-trials.1"] = bytes => As<JournalTrialsSet>(bytes, r => new StudyEvent.TrialsSet(r.IdempotencyKey, r.Trials)),
        ["study-space.1"] = bytes => As<JournalSpaceWidened>(bytes, JournalSpaces.Of),
        ["study-suspension.1"] = bytes => As<JournalSuspensionSet>(bytes, r => new StudyEvent.SuspensionSet(r.IdempotencyKey, r.Trial, r.IsSuspended)),
        ["study-cancel.1"] = bytes => As<JournalCancelRequested>(bytes, r => new StudyEvent.CancelRequested(r.IdempotencyKey, r.Trial)),
        ["study-code.1"] = bytes => As<JournalCodeAccepted>(bytes, r => new StudyEvent.CodeAccepted(r.IdempotencyKey, r.Code)),
        ["trial-imported.1"] = bytes => As<JournalTrialImported>(bytes, r => new StudyEvent.Imported(new ImportedTrial(JournalCodec.Named<TrialState>(r.State),
            Of(r.Parameters), Of(r.Values), Of(r.Constraints), r.Step is { } step ? new Report(step, r.Reported) : null, r.Source))),
        ["parameter-defined.1"] = bytes => As<JournalParameterDefined>(bytes, r => new StudyEvent.Defined(r.Name, DomainRecords.Read(r.Domain))),
        ["parameter-suggested.1"] = bytes => As<JournalSuggested>(bytes, r => new StudyEvent.Suggested(r.Trial, Required(r.Name), r.Value)),
        ["parameters-drawn.1"] = bytes => As<JournalDrawnTogether>(bytes, r => new StudyEvent.DrawnTogether(r.Trial, [.. r.Names], Of(r.Values))),
        ["study-point.1"] = bytes => As<JournalPointEnqueued>(bytes, r => new StudyEvent.PointEnqueued(r.IdempotencyKey,
            [.. r.Names.Zip(r.Values, (name, value) => new KeyValuePair<string, object?>(name, DomainRecords.Value(value)))])),
        ["study-attribute.1"] = bytes => As<JournalAttributeSet>(bytes, r => new StudyEvent.AttributeSet(r.Trial, r.Name, r.Json)),
        ["study-point-refused.1"] = bytes => As<JournalPointRefused>(bytes, r => new StudyEvent.PointRefused(r.Error)),
        ["study-improvement.1"] = bytes => As<JournalImprovementForeseen>(bytes, r => new StudyEvent.ImprovementForeseen(r.Complete, r.Improvement)),
        ["study-time.1"] = bytes => As<JournalTimePassed>(bytes, r => new StudyEvent.TimePassed(r.Seconds, r.AtTicks is { } at ? new DateTime(at, DateTimeKind.Utc) : null)),
        ["study-reopened.1"] = bytes => As<JournalReopened>(bytes, r => new StudyEvent.Reopened(r.Session)),
        ["study-ended.1"] = bytes => As<JournalStudyEnded>(bytes, r => new StudyEvent.StudyEnded(JournalCodec.Named<StudyStopReason>(r.Reason))),
    };

    /// <summary>Every manifest of an event that is read; the newest version of each is the one that is written.</summary>
    public static IReadOnlyCollection<string> Manifests => Readers.Keys;

    public static JournalEntry Write(StudyEvent e) => e switch
    {
        StudyEvent.Started s => Entry("trial-started.1", new JournalTrialStarted(s.Trial, Of(s.Parameters), s.Until, s.Bracket, s.IsEnqueued)),
        StudyEvent.AttemptBegun b => Entry("attempt-begun.1", new JournalAttemptBegun(b.Trial, b.Attempt)),
        StudyEvent.Reported r => Entry("trial-reported.1", new JournalTrialReported(r.Trial, r.Step, Of(r.Values), RunJson.Name(r.Action), r.Seconds)),
        StudyEvent.CheckpointWritten c => Entry("trial-checkpoint.1", Of(c.Checkpoint)),
        StudyEvent.CheckpointDeleted c => Entry("trial-checkpoint-deleted.1", Of(c.Checkpoint)),
        StudyEvent.Released r => Entry("trial-released.1", new JournalTrialReleased(r.Trial, r.Resource, r.Seconds)),
        StudyEvent.Taken t => Entry("trial-taken.1", new JournalTrialTaken(t.Trial)),
        StudyEvent.Promoted p => Entry("trial-promoted.1", new JournalTrialPromoted(p.Trial, p.Until, p.Exploit?.Donor, p.Exploit?.Resource ?? 0,
            p.Exploit is { } exploit ? Of(exploit.Parameters) : null)),
        StudyEvent.AttemptLost l => Entry("attempt-lost.1", new JournalAttemptLost(l.Trial, l.Reason, l.IsCounted, l.DelaySeconds, l.Seconds, l.Left)),
        StudyEvent.RunCompleted r => Entry("trial-run-completed.1", new JournalRunCompleted(r.Trial, Of(r.Values), Of(r.Constraints), r.Seconds)),
        StudyEvent.Finished f => Entry("trial-ended.1", Of(f.Outcome, isTaken: false)),
        StudyEvent.Ended d => Entry("trial-ended.1", Of(d, isTaken: true)),
        StudyEvent.Enqueued q => Entry("study-enqueued.1", new JournalEnqueued(q.Key, Of(q.Point), q.FromTrial, q.Asked)),
        StudyEvent.ParallelSet p => Entry("study-parallel.1", new JournalParallelSet(p.Key, p.Parallel, p.FromTrial, p.Asked)),
        StudyEvent.TrialsSet t => Entry("study-trials.1", new JournalTrialsSet(t.Key, t.Trials)),
        StudyEvent.SpaceWidened w => Entry("study-space.1", JournalSpaces.Of(w)),
        StudyEvent.SuspensionSet s => Entry("study-suspension.1", new JournalSuspensionSet(s.Key, s.Trial, s.IsSuspended)),
        StudyEvent.CancelRequested c => Entry("study-cancel.1", new JournalCancelRequested(c.Key, c.Trial)),
        StudyEvent.CodeAccepted c => Entry("study-code.1", new JournalCodeAccepted(c.Key, c.Code)),
        StudyEvent.Imported { Trial: var t } => Entry("trial-imported.1", new JournalTrialImported(RunJson.Name(t.State), Of(t.Parameters), Of(t.Values),
            Of(t.Constraints), t.Last?.Step, t.Last?.Value ?? double.NaN, t.Source)),
        StudyEvent.Defined d => Entry("parameter-defined.1", new JournalParameterDefined(d.Name, DomainRecords.Write(d.Domain))),
        StudyEvent.Suggested s => Entry("parameter-suggested.1", new JournalSuggested(s.Trial, s.Name, s.Value)),
        StudyEvent.DrawnTogether t => Entry("parameters-drawn.1", new JournalDrawnTogether(t.Trial, [.. t.Names], Of(t.Values))),
        StudyEvent.PointEnqueued q => Entry("study-point.1", new JournalPointEnqueued(q.Key, [.. q.Point.Select(p => p.Key)],
            [.. q.Point.Select(p => DomainRecords.Text(p.Value))])),
        StudyEvent.AttributeSet a => Entry("study-attribute.1", new JournalAttributeSet(a.Trial, a.Name, a.Json)),
        StudyEvent.PointRefused r => Entry("study-point-refused.1", new JournalPointRefused(r.Error)),
        StudyEvent.ImprovementForeseen f => Entry("study-improvement.1", new JournalImprovementForeseen(f.Complete, f.Improvement)),
        StudyEvent.TimePassed t => Entry("study-time.1", new JournalTimePassed(t.Seconds) { AtTicks = t.At?.Ticks }),
        StudyEvent.Reopened r => Entry("study-reopened.1", new JournalReopened(r.Session)),
        StudyEvent.StudyEnded d => Entry("study-ended.1", new JournalStudyEnded(RunJson.Name(d.Reason))),
        _ => throw new JournalException($"{e.GetType()} has no manifest: add it to {nameof(StudyJournalCodec)}"),
    };

    /// <exception cref="JournalException">The manifest is not known, or the bytes are not that event.</exception>
    public static StudyEvent Read(string manifest, ReadOnlyMemory<byte> bytes) => JournalCodec.Guarded(manifest, bytes,
        () => Readers.TryGetValue(manifest, out var read) ? read(bytes) : throw JournalCodec.Unknown(manifest));

    /// <summary>What a study over a function searches, which is kept once beside its events.</summary>
    public static JournalEntry Write(StudyDeclaration study)
    {
        ArgumentNullException.ThrowIfNull(study);
        return Entry(DeclarationManifest, new JournalDeclaration(JournalSpaces.Of(study.Space), study.IsDefinedByRun,
            [.. study.Directions.Select(RunJson.Name)], study.Seed, study.Repeats, [.. study.Lines],
            [.. study.Brackets.SelectMany(b => b).Distinct().Order()])
        {
            Brackets = [.. study.Brackets.Select(b => b.ToArray())],
        });
    }

    /// <exception cref="JournalException">The manifest is not known, or the bytes are no declaration.</exception>
    public static StudyDeclaration ReadDeclaration(string manifest, ReadOnlyMemory<byte> bytes) => JournalCodec.Guarded(manifest, bytes,
        () => manifest != DeclarationManifest ? throw JournalCodec.Unknown(manifest) : JournalCodec.As<JournalDeclaration, StudyDeclaration>(bytes, r =>
            new(JournalSpaces.Of(r.Space), r.IsDefinedByRun, [.. r.Directions.Select(JournalCodec.Named<Direction>)], r.Seed, r.Repeats)
            {
                Lines = [.. r.Lines],
                // those of all brackets as one: of an earlier version it is not known which trial is in which
                Brackets = r.Brackets is { } brackets ? [.. brackets.Select(b => b.ToImmutableArray())] : r.Rungs is { Length: > 0 } rungs ? [[.. rungs]] : [],
            }));

    private static JournalTrialEnded Of(StudyEvent.Ended d, bool isTaken) => new(d.Trial, RunJson.Name(d.State), RunJson.Name(d.Cause), Of(d.Values),
        Of(d.Constraints), d.Error, d.Seconds, isTaken);

    private static JournalTrialCheckpoint Of(TrialCheckpoint c) => new(c.Trial, c.Resource, c.Repeat);

    private static TrialCheckpoint Of(JournalTrialCheckpoint c) => new(c.Trial, c.Resource, c.Repeat);

    private static double[] Of(ImmutableArray<double> values) => ImmutableCollectionsMarshal.AsArray(values) ?? [];

    private static ImmutableArray<double> Of(double[] values) => [.. values];

    private static string Required(string? text) => text ?? throw new ArgumentNullException(nameof(text));

    private static JournalEntry Entry<T>(string manifest, T record) => JournalCodec.Entry(manifest, record);

    private static StudyEvent As<T>(ReadOnlyMemory<byte> bytes, Func<T, StudyEvent> convert) => JournalCodec.As(bytes, convert);
}
