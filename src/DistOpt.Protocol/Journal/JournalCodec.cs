using System.Runtime.InteropServices;
using DistOpt.Core.Jobs;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using MessagePack;
using MessagePack.Resolvers;

namespace DistOpt.Protocol.Journal;

/// <summary>A stored event that this build cannot read.</summary>
public sealed class JournalException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A ledger as one stored value.</summary>
/// <param name="Events">See <see cref="JobLedger.Compact"/>.</param>
public sealed record JobLedgerSnapshot(IReadOnlyList<JobEvent> Events);

/// <summary>
/// Events of a job coordinator's journal to bytes and back, by a closed table of manifests. A manifest ends with the version of its shape;
/// a shape that was ever written stays readable, and one that is not known is refused, never skipped.
/// </summary>
public static class JournalCodec
{
    /// <summary>Version of the whole journal: tables, manifests and their meaning. A higher one is refused.</summary>
    public const int FormatVersion = 1;

    public const string SnapshotManifest = "job-ledger.1";

    internal static readonly MessagePackSerializerOptions Options = MessagePackSerializerOptions.Standard
        .WithResolver(StandardResolver.Instance)
        .WithSecurity(MessagePackSecurity.UntrustedData.WithMaximumObjectGraphDepth(WireCodec.MaximumDepth));

    private static readonly Dictionary<string, Func<ReadOnlyMemory<byte>, JobEvent>> Readers = new(StringComparer.Ordinal)
    {
        ["job-submitted.1"] = bytes => As<JournalSubmitted>(bytes, r => Of(r, JobKind.Job)),
        // apart, so that a build that knows no studies does not take one for a job
        ["study-submitted.1"] = bytes => As<JournalSubmitted>(bytes, r => Of(r, JobKind.Study)),
        ["job-placed.1"] = bytes => As<JournalPlaced>(bytes, r => new JobEvent.Placed(r.Job, r.Epoch, [.. r.Placement])),
        ["job-checkpoint.1"] = bytes => As<JournalCheckpoint>(bytes, r => new JobEvent.CheckpointWritten(r.Job, r.Step, r.Path)),
        ["command-applied.1"] = bytes => As<JournalCommand>(bytes, r => new JobEvent.CommandApplied(r.Job, r.IdempotencyKey, r.Command)),
        ["job-stop.1"] = bytes => As<JournalStopRequested>(bytes, r => new JobEvent.StopRequested(r.Job, Named<StopReason>(r.Reason))),
        ["job-restarted.1"] = bytes => As<JournalRestarted>(bytes, r => new JobEvent.Restarted(r.Job)),
        ["study-continued.1"] = bytes => As<JournalStudyReopened>(bytes, r => new JobEvent.Reopened(r.Job, r.SpecYaml)),
        ["job-ended.1"] = bytes => As<JournalEnded>(bytes, r => new JobEvent.Ended(r.Job, Named<RunStatus>(r.Status), r.Steps, r.SummaryJson,
            [.. r.BadInput.Select(v => new SpecViolation(v.Path, v.Message, v.Line))], Time(r.UnixMilliseconds))),
    };

    /// <summary>Every manifest of an event that is read; the newest version of each is the one that is written.</summary>
    public static IReadOnlyCollection<string> Manifests => Readers.Keys;

    public static JournalEntry Write(JobEvent e) => e switch
    {
        JobEvent.Submitted s => Entry(s.Kind == JobKind.Study ? "study-submitted.1" : "job-submitted.1",
            new JournalSubmitted(s.Job, s.Key, s.Name, s.SpecYaml, s.SpecHash, s.Directory, s.At.ToUnixTimeMilliseconds())),
        JobEvent.Placed p => Entry("job-placed.1", new JournalPlaced(p.Job, p.Epoch, ImmutableCollectionsMarshal.AsArray(p.Placement) ?? [])),
        JobEvent.CheckpointWritten c => Entry("job-checkpoint.1", new JournalCheckpoint(c.Job, c.Step, c.Path)),
        JobEvent.CommandApplied c => Entry("command-applied.1", new JournalCommand(c.Job, c.Key, c.Command)),
        JobEvent.StopRequested s => Entry("job-stop.1", new JournalStopRequested(s.Job, RunJson.Name(s.Reason))),
        JobEvent.Restarted r => Entry("job-restarted.1", new JournalRestarted(r.Job)),
        JobEvent.Reopened r => Entry("study-continued.1", new JournalStudyReopened(r.Job, r.SpecYaml)),
        JobEvent.Ended d => Entry("job-ended.1", new JournalEnded(d.Job, RunJson.Name(d.Status), d.Steps, d.SummaryJson,
            [.. d.BadInput.Select(v => new JournalViolation(v.Path, v.Message, v.Line))], d.At.ToUnixTimeMilliseconds())),
        _ => throw new JournalException($"{e.GetType()} has no manifest: add it to {nameof(JournalCodec)}"),
    };

    /// <exception cref="JournalException">The manifest is not known, or the bytes are not that event.</exception>
    public static JobEvent Read(string manifest, ReadOnlyMemory<byte> bytes) => Guarded(manifest, bytes,
        () => Readers.TryGetValue(manifest, out var read) ? read(bytes) : throw Unknown(manifest));

    public static byte[] WriteSnapshot(JobLedgerSnapshot snapshot) =>
        MessagePackSerializer.Serialize(new JournalSnapshot([.. snapshot.Events.Select(Write)]), Options);

    /// <exception cref="JournalException">The manifest is not known, or the bytes are not a snapshot.</exception>
    public static JobLedgerSnapshot ReadSnapshot(string manifest, ReadOnlyMemory<byte> bytes) => Guarded(manifest, bytes, () =>
        manifest == SnapshotManifest
            ? As<JournalSnapshot, JobLedgerSnapshot>(bytes, s => new JobLedgerSnapshot([.. s.Events.Select(e => Read(e.Manifest, e.Body))]))
            : throw Unknown(manifest));

    internal static JournalEntry Entry<T>(string manifest, T record) => new(manifest, MessagePackSerializer.Serialize(record, Options));

    private static JobEvent As<T>(ReadOnlyMemory<byte> bytes, Func<T, JobEvent> convert) => As<T, JobEvent>(bytes, convert);

    internal static TResult As<T, TResult>(ReadOnlyMemory<byte> bytes, Func<T, TResult> convert) =>
        convert(MessagePackSerializer.Deserialize<T>(bytes, Options) ?? throw new MessagePackSerializationException("nil"));

    internal static T Guarded<T>(string manifest, ReadOnlyMemory<byte> bytes, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is MessagePackSerializationException or NullReferenceException or ArgumentException)
        {
            // damaged bytes may leave fields null or out of range
            throw new JournalException($"{bytes.Length} bytes are not a valid '{manifest}': the journal is damaged", e);
        }
    }

    internal static JournalException Unknown(string manifest) => new(
        $"the journal holds '{(manifest.Length <= 40 ? manifest : manifest[..40] + "...")}', which this build does not know: "
        + "it was written by a newer version; run that version or a later one");

    private static JobEvent.Submitted Of(JournalSubmitted r, JobKind kind) =>
        new(r.Job, r.IdempotencyKey, r.Name, r.SpecYaml, r.SpecHash, r.Directory, Time(r.UnixMilliseconds)) { Kind = kind };

    private static DateTimeOffset Time(long unixMilliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(unixMilliseconds);

    internal static T Named<T>(string name) where T : struct, Enum
    {
        foreach (var value in Enum.GetValues<T>())
            if (RunJson.Name(value) == name) return value;
        throw new JournalException($"the journal holds '{name}' as a {typeof(T).Name}, which this build does not know: run the version that wrote it or a later one");
    }
}
