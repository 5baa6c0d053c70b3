using DistOpt.Core.Jobs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Jobs;

public class JobLedgerTests
{
    private static readonly DateTimeOffset s_at = new(2026, 1, 24, 15, 30, 12, TimeSpan.Zero);

    [Fact]
    public void Live_jobs_come_in_order_of_submission_and_ended_ones_are_still_found()
    {
        var ledger = JobLedger.From([Submit("b"), Submit("a"), Submit("c"), Ended("a")]);

        Assert.Equal(["b", "c"], ledger.Live.Select(j => j.Job));
        Assert.Equal(["b", "a", "c"], ledger.Jobs.Select(j => j.Job));
        Assert.Equal(2, ledger.LiveCount);
        Assert.Equal("{}", ledger.Find("a")!.End!.SummaryJson);
        Assert.Equal("", ledger.Find("a")!.Submission.SpecYaml);
        Assert.Equal("name: b", ledger.Find("b")!.Submission.SpecYaml);
        Assert.Null(ledger.Find("d"));
    }

    [Fact]
    public void A_trial_is_forgotten_as_soon_as_it_has_ended_and_takes_no_ended_jobs_place()
    {
        var trial = new JobEvent.Submitted("t", null, "t", "", "", null, s_at) { Kind = JobKind.Trial };
        var ledger = JobLedger.From([Submit("a"), Ended("a"), trial, Submit("b")], new JobLedgerLimits(EndedJobsKept: 1));

        Assert.Equal(["t", "b"], ledger.Live.Select(j => j.Job));
        ledger.Apply(Ended("t"));

        Assert.Null(ledger.Find("t"));
        Assert.NotNull(ledger.Find("a"));
        Assert.Equal(["b"], ledger.Live.Select(j => j.Job));
        Assert.Equal(1, ledger.LiveCount);
    }

    [Fact]
    public void An_idempotency_key_finds_what_it_was_used_for_first()
    {
        var ledger = JobLedger.From([Submit("a", "k1"), new JobEvent.CommandApplied("a", "k2", KeyUse.Cancel), new JobEvent.CommandApplied("b", "k2", "drain")]);

        Assert.Equal(new KeyUse("a", KeyUse.Submit), ledger.FindKey("k1"));
        Assert.Equal(new KeyUse("a", KeyUse.Cancel), ledger.FindKey("k2"));
        Assert.Null(ledger.FindKey("k3"));
    }

    [Fact]
    public void Epochs_and_checkpoints_only_go_up()
    {
        var ledger = JobLedger.From([
            Submit("a"), new JobEvent.Placed("a", 2, [9]), new JobEvent.Placed("a", 5, [1, 2]), new JobEvent.Placed("a", 3, [9]),
            new JobEvent.CheckpointWritten("a", 200, "c200"), new JobEvent.CheckpointWritten("a", 100, "c100")]);

        Assert.Equal(5, ledger.LatestEpoch("a"));
        Assert.Equal(0, ledger.LatestEpoch("nobody"));
        Assert.Equal([1, 2], ledger.Find("a")!.Placement!.Placement);
        Assert.Equal("c200", ledger.Find("a")!.Checkpoint!.Path);
    }

    [Fact]
    public void The_first_end_of_a_job_is_its_end()
    {
        var ledger = JobLedger.From([Submit("a"), Ended("a", "first"), Ended("a", "second"), new JobEvent.StopRequested("a", StopReason.Cancelled), Submit("a")]);

        Assert.Equal("first", ledger.Find("a")!.End!.SummaryJson);
        Assert.Null(ledger.Find("a")!.Stop);
    }

    [Fact]
    public void Jobs_that_ended_first_are_forgotten_first_with_their_keys()
    {
        var ledger = JobLedger.From(
            [Submit("a", "ka"), Submit("b", "kb"), Submit("c", "kc"), Ended("b"), Ended("c"), Ended("a")], new JobLedgerLimits(EndedJobsKept: 2));

        Assert.Equal(["a", "c"], ledger.Jobs.Select(j => j.Job));
        Assert.Null(ledger.FindKey("kb"));
        Assert.NotNull(ledger.FindKey("ka"));
    }

    [Fact]
    public void Only_the_latest_command_keys_are_kept()
    {
        var ledger = JobLedger.From(Enumerable.Range(0, 5).Select(i => new JobEvent.CommandApplied("a", $"k{i}", "pause")), new JobLedgerLimits(CommandKeysKept: 3));

        Assert.Equal([false, false, true, true, true], Enumerable.Range(0, 5).Select(i => ledger.FindKey($"k{i}") is not null));
    }

    /// <summary>Made-up histories: the compact form gives the same answers, however the history goes on.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void The_compact_form_gives_the_same_ledger(int seed)
    {
        var random = new Random(seed); // the test's own input, the same in every run
        var limits = new JobLedgerLimits(EndedJobsKept: 4, CommandKeysKept: 6);
        var events = Enumerable.Range(0, 300).Select(_ => Any(random)).ToList();
        var whole = JobLedger.From(events.Take(200), limits);
        var compact = JobLedger.From(whole.Compact(), limits);
        Assert.Equal(Text(whole), Text(compact));
        Assert.True(whole.Compact().Count < 100, $"{whole.Compact().Count} events for {whole.Jobs.Count()} jobs");
        foreach (var e in events.Skip(200))
        {
            whole.Apply(e);
            compact.Apply(e);
        }
        Assert.Equal(Text(whole), Text(compact));
    }

    [Fact]
    public void Jobs_whose_results_only_their_submitter_receives_are_not_in_the_compact_form()
    {
        var ledger = JobLedger.From([Submit("here", "k") with { Directory = null }, new JobEvent.CommandApplied("here", "k2", KeyUse.Cancel), Submit("a"), Ended("here")]);

        Assert.Equal([Submit("a")], ledger.Compact());
        Assert.Equal(["here", "a"], ledger.Jobs.Select(j => j.Job));
    }

    [Fact]
    public void A_study_that_had_ended_is_live_once_more_with_its_spec_and_no_other_job_is()
    {
        var submitted = Submit("s") with { Kind = JobKind.Study };
        var ledger = JobLedger.From([submitted, Submit("j"), Ended("s"), Ended("j"), new JobEvent.Reopened("s", "name: s"), new JobEvent.Reopened("j", "name: j")]);

        Assert.Equal("s", Assert.Single(ledger.Live).Job);
        Assert.Equal((1, null, "name: s"), (ledger.LiveCount, ledger.Find("s")!.Stop, ledger.Find("s")!.Submission.SpecYaml));
        Assert.NotNull(ledger.Find("j")!.End);
        // whoever takes it up must know how it had ended, where it cannot be gone on with
        Assert.Equal("{}", JobLedger.From(ledger.Compact()).Find("s")!.Former!.SummaryJson);
        Assert.Equal(Text(ledger), Text(JobLedger.From(ledger.Compact())));
        // it ends again, and is forgotten no sooner than it would be
        ledger.Apply(Ended("s", "second"));
        Assert.Equal((0, "second", null), (ledger.LiveCount, ledger.Find("s")!.End!.SummaryJson, ledger.Find("s")!.Former));
    }

    [Fact]
    public void A_study_that_was_gone_on_with_is_not_forgotten_for_its_first_end()
    {
        var ledger = new JobLedger(new JobLedgerLimits(EndedJobsKept: 2));
        JobEvent[] events = [Submit("s") with { Kind = JobKind.Study }, Submit("a"), Submit("b"), Ended("s"), Ended("a"), new JobEvent.Reopened("s", "x"), Ended("b")];
        foreach (var e in events) ledger.Apply(e);
        Assert.Equal(["s", "a", "b"], ledger.Jobs.Select(j => j.Job));
        ledger.Apply(Ended("s"));
        Assert.Equal(["s", "b"], ledger.Jobs.Select(j => j.Job));
    }

    private static JobEvent.Submitted Submit(string job, string? key = null) => new(job, key, $"name-{job}", $"name: {job}", $"hash-{job}", $"runs/{job}", s_at);

    private static JobEvent.Ended Ended(string job, string summary = "{}") => new(job, RunStatus.Completed, 22, summary, [new SpecViolation("p", "m", 3)], s_at);

    private static JobEvent Any(Random random)
    {
        string job = $"job-{random.Next(25)}";
        return random.Next(9) switch
        {
            0 or 1 => Submit(job, random.Next(2) == 0 ? null : $"key-{job}") with { Kind = job.EndsWith('3') ? JobKind.Study : JobKind.Job },
            2 => new JobEvent.Placed(job, random.Next(5), [1]),
            3 => new JobEvent.CheckpointWritten(job, random.Next(500), "path"),
            4 => new JobEvent.CommandApplied(job, $"command-{random.Next(30)}", KeyUse.Cancel),
            5 => new JobEvent.StopRequested(job, StopReason.Cancelled),
            6 => new JobEvent.Restarted(job),
            7 => new JobEvent.Reopened(job, "name: again"),
            _ => Ended(job),
        };
    }

    private static string Text(JobLedger ledger) => string.Join('\n',
        ledger.Jobs.Select(j => $"{j with { Placement = null, End = null }} {j.Placement?.Epoch} {j.End?.SummaryJson} {string.Join(",", j.BadInput)}")
            .Concat(Enumerable.Range(0, 30).Select(i => $"{ledger.FindKey($"command-{i}")} {ledger.FindKey($"key-job-{i}")}")).Append($"{ledger.LiveCount}"));
}
