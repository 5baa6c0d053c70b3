using DistOpt.Core.Jobs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol.Journal;
using MessagePack;

namespace DistOpt.Protocol.Tests.Journal;

public sealed class JournalCodecTests
{
    private static readonly DateTimeOffset At = new(2026, 1, 24, 15, 30, 12, 345, TimeSpan.Zero);

    private static readonly JobEvent[] Examples =
    [
        new JobEvent.Submitted("j", "key", "name", "name: x", "abc", "runs/x", At),
        new JobEvent.Submitted("j", null, "name", "", "abc", null, At),
        new JobEvent.Submitted("s", "key", "name", "name: x", "abc", "studies/x", At) { Kind = JobKind.Study },
        new JobEvent.Placed("j", 3, [1, 2, 255]),
        new JobEvent.CheckpointWritten("j", 1L << 40, "checkpoints/17"),
        new JobEvent.CommandApplied("j", "key 2", KeyUse.Cancel),
        new JobEvent.StopRequested("j", StopReason.MaxSteps),
        new JobEvent.Restarted("j"),
        new JobEvent.Reopened("s", "name: x"),
        new JobEvent.Ended("j", RunStatus.Interrupted, 17, "{}", [new SpecViolation("a.b", "is wrong", 7), new SpecViolation("", "too")], At),
    ];

    public static TheoryData<int> Indices() => [.. Enumerable.Range(0, Examples.Length)];

    [Theory]
    [MemberData(nameof(Indices))]
    public void Every_event_survives_the_journal(int index)
    {
        var stored = JournalCodec.Write(Examples[index]);
        var read = JournalCodec.Read(stored.Manifest, stored.Body);

        Assert.Equivalent(Examples[index], read, strict: true);
        Assert.Equal(Examples[index].GetType(), read.GetType());
    }

    [Fact]
    public void Every_kind_of_event_has_a_manifest_with_a_version()
    {
        var kinds = typeof(JobEvent).GetNestedTypes().Where(t => t.IsAssignableTo(typeof(JobEvent))).Order(ByName);

        Assert.Equal(kinds, Examples.Select(e => e.GetType()).Distinct().Order(ByName));
        Assert.Equal(JournalCodec.Manifests.Order(), Examples.Select(e => JournalCodec.Write(e).Manifest).Distinct().Order());
        Assert.All(JournalCodec.Manifests, name => Assert.Matches("^[a-z]+(-[a-z]+)*\\.[0-9]+$", name));
    }

    [Fact]
    public void A_snapshot_survives_the_journal()
    {
        byte[] bytes = JournalCodec.WriteSnapshot(new JobLedgerSnapshot(Examples));

        Assert.Equivalent(Examples, JournalCodec.ReadSnapshot(JournalCodec.SnapshotManifest, bytes).Events, strict: true);
    }

    [Theory]
    [InlineData("job-submitted.2")]
    [InlineData("System.Diagnostics.Process, System.Diagnostics.Process")]
    public void An_event_of_a_newer_version_is_refused_by_name_with_what_to_do(string manifest)
    {
        var error = Assert.Throws<JournalException>(() => JournalCodec.Read(manifest, new byte[3]));

        Assert.Contains(manifest[..15], error.Message);
        Assert.Contains("newer version", error.Message);
        Assert.Throws<JournalException>(() => JournalCodec.ReadSnapshot("job-ledger.2", new byte[3]));
    }

    /// <summary>Bytes that were written once, by hand: a change of the shape without a new manifest would show here.</summary>
    [Fact]
    public void Version_1_stays_readable()
    {
        byte[] placed = [0x93, 0xa1, (byte)'j', 0x02, 0xc4, 0x01, 0x09];
        byte[] submitted = [0x97, 0xa1, (byte)'j', 0xc0, 0xa1, (byte)'n', 0xa1, (byte)'s', 0xa1, (byte)'h', 0xa1, (byte)'d', 0x01];

        Assert.Equivalent(new JobEvent.Placed("j", 2, [9]), JournalCodec.Read("job-placed.1", placed), strict: true);
        Assert.Equal(new JobEvent.Submitted("j", null, "n", "s", "h", "d", DateTimeOffset.UnixEpoch.AddMilliseconds(1)), JournalCodec.Read("job-submitted.1", submitted));
    }

    [Fact]
    public void A_placement_keeps_what_the_job_has_lost_and_is_read_without_it_too()
    {
        var placement = new JobPlacement(2, [], [], new WirePeer(new NodeId("n"), "h", 1));
        var failure = new NodeFailure("n", "worker 0", 7, At, "it was lost", ["a", "b"], "at X");
        var record = new PlacementRecord(placement, 5, 1, 2, 3, 4, 6)
        {
            Failures = [JournalFailure.From(failure)],
            NodesOut = ["n2"],
            RedoneBy = [new ReplicaRedone(1, 6)],
        };
        byte[] body = MessagePackSerializer.Serialize(placement, JournalCodec.Options, TestContext.Current.CancellationToken);
        // seven fields, as the first builds wrote them
        byte[] first = [0x97, .. body, 5, 1, 2, 3, 4, 6];

        var read = PlacementRecord.Read(record.Write());

        Assert.Equivalent(record, read, strict: true);
        Assert.Equivalent(failure, Assert.Single(read.Failures!).ToFailure(), strict: true);
        var older = PlacementRecord.Read([.. first]);
        Assert.Equal((5L, 1, 6L), (older.UnixMilliseconds, older.WorkerFailures, older.ShardsRedone));
        Assert.Null(older.Failures);
        Assert.Null(older.NodesOut);
        Assert.Null(older.RedoneBy);
    }

    /// <summary>Random, cut and changed bytes: an event, or a <see cref="JournalException"/>, never anything else.</summary>
    [Theory]
    [MemberData(nameof(Indices))]
    public void Damaged_bytes_are_refused_and_nothing_worse(int index)
    {
        var random = new Random(7); // the test's own input, the same in every run
        var stored = JournalCodec.Write(Examples[index]);
        for (int i = 0; i < 300; i++)
        {
            byte[] bytes = i % 2 == 0 ? stored.Body[..random.Next(stored.Body.Length)] : [.. stored.Body];
            if (bytes.Length > 0) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            try
            {
                Assert.NotNull(JournalCodec.Read(stored.Manifest, bytes));
            }
            catch (JournalException)
            {
                // the one way to say no
            }
        }
    }

    private static IComparer<Type> ByName => Comparer<Type>.Create((a, b) => string.CompareOrdinal(a.FullName, b.FullName));
}
