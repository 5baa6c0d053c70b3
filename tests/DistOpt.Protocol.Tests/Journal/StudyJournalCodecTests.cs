using System.Collections.Immutable;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Functions;
using DistOpt.Core.TrialSchedulers;
using DistOpt.Protocol.Journal;
using MessagePack;

namespace DistOpt.Protocol.Tests.Journal;

public sealed class StudyJournalCodecTests
{
    private static readonly StudyEvent.Ended Complete = new(3, TrialState.Complete, TrialEndCause.Done, [0.25, double.NaN], [-1, 0], null, 12.5);

    private static readonly StudyEvent[] Examples =
    [
        new StudyEvent.Started(3, [1e-4, double.NaN, 2], 9, 1, IsEnqueued: true),
        new StudyEvent.AttemptBegun(3, 2),
        new StudyEvent.Reported(3, 9, [0.5, double.PositiveInfinity], ReportAction.Checkpoint, 1.5),
        new StudyEvent.CheckpointWritten(new TrialCheckpoint(3, 9, 1)),
        new StudyEvent.CheckpointDeleted(new TrialCheckpoint(3, 1L << 40)),
        new StudyEvent.Released(3, 9, 2.5),
        new StudyEvent.Taken(3),
        new StudyEvent.Promoted(3, 27, null),
        new StudyEvent.Promoted(3, long.MaxValue, new Exploit(1, 27, [0.1, double.NaN])),
        new StudyEvent.AttemptLost(3, "its node is gone", true, 4, 1),
        new StudyEvent.AttemptLost(3, "the coordinator was gone", false, 0, 1) { Left = 120 },
        new StudyEvent.RunCompleted(3, [0.5], [], 7),
        new StudyEvent.Finished(Complete),
        Complete,
        new StudyEvent.Ended(4, TrialState.Failed, TrialEndCause.TimedOut, [], [], "late", 60),
        new StudyEvent.Enqueued("key", [1, double.NaN]),
        new StudyEvent.Enqueued("key", [1, double.NaN]) { FromTrial = 40, Asked = "trial 3 with 0.5" },
        new StudyEvent.ParallelSet(null, 8, 40),
        new StudyEvent.ParallelSet("key", 8, 40) { Asked = 30 },
        new StudyEvent.TrialsSet("key", 200),
        new StudyEvent.SpaceWidened("key", 2, 40, new SearchSpace(
        [
            new("rate", new FloatDomain(1e-5, 1, log: true)), new("share", new FloatDomain(0, 1, step: 0.05)), new("size", new IntDomain(2, 8, 2)),
            new("kind", new ChoiceDomain([null, true, 3L, 0.5, "a: b"], IsOrdered: true)),
            new("momentum", new FloatDomain(0, 1), new Condition("kind", Among: [1, 4])) { AndWhen = [new Condition("size", Least: 4)] },
        ]), ImmutableSortedDictionary<string, double>.Empty.Add("momentum", 0.9).Add("share", 0.1), "space: ..."),
        new StudyEvent.SpaceWidened(null, 3, 41, new SearchSpace([new("x", new FloatDomain(0, 1))]), ImmutableSortedDictionary<string, double>.Empty),
        new StudyEvent.SuspensionSet("key", 3, true),
        new StudyEvent.SuspensionSet(null, null, false),
        new StudyEvent.CancelRequested("key", null),
        new StudyEvent.CodeAccepted("key", "Verses 0123456789abcdef"),
        new StudyEvent.Imported(new ImportedTrial(TrialState.Complete, [1, double.NaN], [double.PositiveInfinity, 2], [-1], null, "old.db, study s, trial 3")),
        new StudyEvent.Imported(new ImportedTrial(TrialState.Pruned, [1, 2], [], [], new Report(9, double.NaN), "")),
        new StudyEvent.Defined("x", new FloatDomain(1e-5, 1, log: true)),
        new StudyEvent.Defined("y", new FloatDomain(0, 1, step: 0.25)),
        new StudyEvent.Defined("n", new IntDomain(-4, 1L << 40, step: 4)),
        new StudyEvent.Defined("kind", new ChoiceDomain([null, true, false, 5L, 5.0, double.NaN, "5", "", "text"], IsOrdered: true)),
        new StudyEvent.Suggested(3, "x", 0.125),
        new StudyEvent.DrawnTogether(3, ["x", "kind"], [0.125, 2]),
        new StudyEvent.PointEnqueued("key", [new("x", 0.5), new("kind", "a"), new("n", 3L), new("none", null)]),
        new StudyEvent.TimePassed(2.5, new DateTime(2026, 3, 1, 12, 0, 0, DateTimeKind.Utc)),
        new StudyEvent.AttributeSet(3, "seed", "{\"a\":[1,null]}"),
        new StudyEvent.AttributeSet(null, "owner", "\"me\""),
        new StudyEvent.PointRefused("it breaks a constraint"),
        new StudyEvent.ImprovementForeseen(30, 0.125),
        new StudyEvent.TimePassed(61.5),
        new StudyEvent.Reopened(2),
        new StudyEvent.StudyEnded(StudyStopReason.Patience),
    ];

    public static TheoryData<int> Indices() => [.. Enumerable.Range(0, Examples.Length)];

    [Theory]
    [MemberData(nameof(Indices))]
    public void Every_event_survives_the_journal(int index)
    {
        var stored = StudyJournalCodec.Write(Examples[index]);
        var read = StudyJournalCodec.Read(stored.Manifest, stored.Body);

        Assert.Equal(Examples[index].GetType(), read.GetType());
        // arrays are compared by what is in them
        Assert.Equal(Text(Examples[index]), Text(read));
    }

    [Fact]
    public void What_a_study_over_a_function_searches_survives_the_journal()
    {
        var space = Examples.OfType<StudyEvent.SpaceWidened>().First().Space;
        var study = new StudyDeclaration(space, false, [Direction.Maximize, Direction.Minimize], 1L << 40, 3) { Lines = ["seed is 1", "and so on"], Brackets = [[1, 3], [3]] };
        var stored = StudyJournalCodec.Write(study);
        var read = StudyJournalCodec.ReadDeclaration(stored.Manifest, stored.Body);
        Assert.Equal((false, 1L << 40, 3), (read.IsDefinedByRun, read.Seed, read.Repeats));
        Assert.Equal(study.Directions, read.Directions);
        Assert.Equal(study.Lines, read.Lines);
        Assert.Equal(["1 3", "3"], read.Brackets.Select(b => string.Join(' ', b)));
        Assert.Equal(space.Parameters.Select(Text), read.Space.Parameters.Select(Text));

        // earlier versions did not tell of rungs
        var earlier = new JournalDeclaration([], true, ["minimize"], 1, 1, ["seed is 1"], null);
        var without = StudyJournalCodec.ReadDeclaration(stored.Manifest, MessagePackSerializer.Serialize(earlier, MessagePackSerializerOptions.Standard,
            TestContext.Current.CancellationToken));
        Assert.Empty(without.Brackets);
        Assert.Equal(["seed is 1"], without.Lines);
        // and later ones not of brackets
        var flat = StudyJournalCodec.ReadDeclaration(stored.Manifest, MessagePackSerializer.Serialize(earlier with { Rungs = [1, 3] },
            MessagePackSerializerOptions.Standard, TestContext.Current.CancellationToken));
        Assert.Equal([1, 3], Assert.Single(flat.Brackets));

        Assert.Contains("newer version", Assert.Throws<JournalException>(() => StudyJournalCodec.ReadDeclaration("function-study.2", stored.Body)).Message);
        var cut = stored.Body.AsMemory(0, 2);
        Assert.Contains("damaged", Assert.Throws<JournalException>(() => StudyJournalCodec.ReadDeclaration(stored.Manifest, cut)).Message);
    }

    [Fact]
    public void Every_kind_of_event_has_a_manifest_with_a_version_that_no_job_has()
    {
        var kinds = typeof(StudyEvent).GetNestedTypes().Where(t => t.IsAssignableTo(typeof(StudyEvent)) && !t.IsAbstract);

        Assert.Equal(kinds.Select(t => t.Name).Order(), Examples.Select(e => e.GetType().Name).Distinct().Order());
        Assert.Equal(StudyJournalCodec.Manifests.Order(), Examples.Select(e => StudyJournalCodec.Write(e).Manifest).Distinct().Order());
        Assert.All(StudyJournalCodec.Manifests, name => Assert.Matches("^[a-z]+(-[a-z]+)*\\.[0-9]+$", name));
        Assert.Empty(StudyJournalCodec.Manifests.Intersect(JournalCodec.Manifests));
    }

    /// <summary>Arrays of so many fields as there were.</summary>
    [Fact]
    public void What_earlier_versions_wrote_with_fewer_fields_stays_readable()
    {
        Assert.Equal(new StudyEvent.ParallelSet("key", 8, 40), StudyJournalCodec.Read("study-parallel.1", Array("key", 8, 40)));
        Assert.Equal(new StudyEvent.AttemptLost(3, "gone", false, 0.5, 1), StudyJournalCodec.Read("attempt-lost.1", Array(3, "gone", false, 0.5, 1.0)));

        static byte[] Array(params object[] fields) =>
            MessagePackSerializer.Serialize(fields, MessagePack.Resolvers.ContractlessStandardResolver.Options, TestContext.Current.CancellationToken);
    }

    [Fact]
    public void What_is_not_known_or_damaged_is_refused_and_never_skipped()
    {
        var stored = StudyJournalCodec.Write(Examples[0]);

        Assert.Contains("newer version", Assert.Throws<JournalException>(() => StudyJournalCodec.Read("trial-started.2", stored.Body)).Message);
        Assert.Contains("damaged", Assert.Throws<JournalException>(() => StudyJournalCodec.Read(stored.Manifest, stored.Body.AsMemory(0, 2))).Message);
        Assert.Throws<JournalException>(() => StudyJournalCodec.Read(stored.Manifest, StudyJournalCodec.Write(Examples[^1]).Body));
    }

    private static string Text(SearchParameter p) => Text(new StudyEvent.Defined(p.Name, p.Domain))
        + string.Concat(p.Conditions.Select(c => $" when {c.Parameter} {c.Least} {c.Most} {(c.Among is { } among ? string.Join(",", among) : "")}"));

    private static string Text(StudyEvent e)
    {
        var parts = e.GetType().GetProperties().Where(p => p.Name != "EqualityContract").Select(p => $"{p.Name}={Value(p.GetValue(e))}");
        return $"{e.GetType().Name} {string.Join(" ", parts)}";

        static string Value(object? value) => value switch
        {
            System.Collections.Immutable.ImmutableArray<double> values => $"[{string.Join(" ", values.Select(v => BitConverter.DoubleToInt64Bits(v)))}]",
            ImmutableSortedDictionary<string, double> named => string.Join(" ", named.Select(n => $"{n.Key}={n.Value:R}")),
            System.Collections.Immutable.ImmutableArray<string> names => $"[{string.Join(" ", names)}]",
            System.Collections.Immutable.ImmutableArray<KeyValuePair<string, object?>> point =>
                $"[{string.Join(" ", point.Select(p => $"{p.Key} {p.Value?.GetType().Name} {p.Value}"))}]",
            ChoiceDomain domain => $"{domain.IsOrdered} [{string.Join(" ", domain.Choices.Select(c => $"{c?.GetType().Name} {c}"))}]",
            StudyEvent inner => Text(inner),
            Exploit exploit => $"{exploit.Donor} {exploit.Resource} {Value(exploit.Parameters)}",
            _ => $"{value}",
        };
    }
}
