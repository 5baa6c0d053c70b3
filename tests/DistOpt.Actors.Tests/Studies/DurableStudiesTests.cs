using System.Collections.Concurrent;
using Akka.Actor;
using DistOpt.Actors.Studies;
using DistOpt.Actors.Tests.Support;
using DistOpt.Actors.Training;
using DistOpt.Actors.Trials;
using DistOpt.Core.Jobs;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Yaml;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tests.Studies;

/// <summary>Studies of a job coordinator with a journal: submitted once, taken up by the next coordinator, ended once.</summary>
[Collection(nameof(SwitchJournal))]
public sealed class DurableStudiesTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_study_runs_its_trials_as_jobs_of_the_cluster_and_its_end_is_stored()
    {
        var sessions = new Sessions();
        await using var harness = new JournalHarness(new JournalSwitch(), studies: sessions);
        var coordinator = await harness.ReadyAsync();

        Assert.Equal(new JobAccepted(new JobId("s"), "study s"), await SubmitAsync(coordinator, "s", key: "k"));
        Assert.Equal(new JobAccepted(new JobId("s"), "study s"), await SubmitAsync(coordinator, "s", key: "k"));
        var ended = await JournalHarness.EndedAsync(coordinator, "s");

        Assert.Equal(("completed", JobKind.Study, 4), (ended.State, ended.Kind, ended.Step));
        Assert.Equal("Trials 4", ended.SummaryJson);
        // trials' jobs are the study's own affair
        Assert.Equal(["s"], (await JournalHarness.JobsAsync(coordinator)).Select(j => j.Job.Value));
        await Eventually.Until(() => sessions.Calls.Count == 3);
        Assert.Equal(["open s", "end s", "dispose s"], sessions.Calls);
        Assert.Equal("the study has ended (completed)", (await CommandAsync(coordinator, "s", e => e.Pause(null))).Answer.Refusal);
    }

    /// <summary>Whoever did not hear the answer repeats it: to a study that is measured, that has ended, and to another coordinator.</summary>
    [Fact]
    public async Task A_command_that_a_study_has_had_is_answered_as_done_after_its_end()
    {
        var sessions = new Sessions();
        var journal = new JournalSwitch();
        await using var harness = new JournalHarness(journal, studies: sessions);
        var first = await harness.ReadyAsync();
        await SubmitAsync(first, "s");
        StudyAnswer answer;
        do answer = await CommandAsync(first, "s", e => e.SetParallel("p", 1), hasKey: true);
        while (answer.Answer.Refusal?.EndsWith("try again", StringComparison.Ordinal) is true);
        Assert.Equal(new StudyAnswer(true, new()), answer);
        await JournalHarness.EndedAsync(first, "s");

        await AnswersAsync(first);
        journal.FailNext(new IOException("the disk is gone"));
        await Assert.ThrowsAsync<CoordinatorGoneException>(() => SetTrialsAsync(first, "s", 9));
        var second = await harness.ReadyAsync();
        await AnswersAsync(second);
        // its files are not opened for it
        Assert.Single(sessions.Calls, "open s");
        sessions.Gone = new SpecException("", "its spec is gone");
        Assert.Equal("the study has ended (completed)", (await CommandAsync(second, "s", e => e.SetParallel("p", 1), hasKey: true)).Answer.Refusal);

        static async Task AnswersAsync(IActorRef coordinator)
        {
            Assert.Equal(new StudyAnswer(true, new(IsRepeat: true)), await CommandAsync(coordinator, "s", e => e.SetParallel("p", 1), hasKey: true));
            Assert.Equal("the study has ended (completed)", (await CommandAsync(coordinator, "s", e => e.SetParallel("q", 1), hasKey: true)).Answer.Refusal);
            Assert.Equal("the study has ended (completed)", (await CommandAsync(coordinator, "s", e => e.Cancel("p"), hasKey: true)).Answer.Refusal);
            Assert.Equal("completed", (await JournalHarness.EndedAsync(coordinator, "s")).State);
        }
    }

    [Fact]
    public async Task A_study_that_has_had_its_trials_goes_on_when_it_is_to_have_more()
    {
        var sessions = new Sessions();
        var journal = new JournalSwitch();
        await using var harness = new JournalHarness(journal, studies: sessions);
        var first = await harness.ReadyAsync();
        await SubmitAsync(first, "s");
        await JournalHarness.EndedAsync(first, "s");

        // what is no number of trials changes nothing
        Assert.Contains("must be at least 4", (await SetTrialsAsync(first, "s", 2)).Answer.Refusal);
        Assert.Equal("Trials 4", (await JournalHarness.EndedAsync(first, "s")).SummaryJson);
        Assert.Equal(new StudyAnswer(true, new()), await SetTrialsAsync(first, "s", 7, "key"));
        Assert.Equal("Trials 7", (await EndedWithAsync(first, 7)).SummaryJson);
        Assert.Equal([0, 1, 2, 3, 4, 5, 6], sessions.Ended().Order());
        // a repeat of the command finds it done
        Assert.Equal(new StudyAnswer(true, new(IsRepeat: true)), await SetTrialsAsync(first, "s", 7, "key"));
        Assert.Equal("Trials 7", (await EndedWithAsync(first, 7)).SummaryJson);

        journal.FailNext(new IOException("the disk is gone"));
        // what is not stored has not happened: asked again, as every client does, it does
        await Assert.ThrowsAsync<CoordinatorGoneException>(() => SetTrialsAsync(first, "s", 9));
        var second = await harness.ReadyAsync();
        Assert.Equal(new StudyAnswer(true, new()), await SetTrialsAsync(second, "s", 9));
        Assert.Equal("Trials 9", (await EndedWithAsync(second, 9)).SummaryJson);
        Assert.Equal(Enumerable.Range(0, 9), sessions.Ended().Order());
        Assert.Equal("the study has ended (completed)", (await CommandAsync(second, "s", e => e.Pause(null))).Answer.Refusal);

        async Task<JobStatus> EndedWithAsync(IActorRef coordinator, int trials)
        {
            while (true)
                if (await JournalHarness.EndedAsync(coordinator, "s") is { } ended && ended.Step == trials) return ended;
        }
    }

    [Fact]
    public async Task A_study_whose_files_are_gone_stays_as_it_ended()
    {
        var sessions = new Sessions();
        await using var harness = new JournalHarness(new JournalSwitch(), studies: sessions);
        var coordinator = await harness.ReadyAsync();
        await SubmitAsync(coordinator, "s");
        await JournalHarness.EndedAsync(coordinator, "s");

        sessions.Gone = new SpecException("", "'s' cannot be read");
        Assert.Contains("cannot be gone on with: 's' cannot be read", (await SetTrialsAsync(coordinator, "s", 7)).Answer.Refusal);
        sessions.Gone = null;
        sessions.Fails = _ => new SpecException("", "another process runs it");
        await Assert.ThrowsAsync<SpecException>(() => SetTrialsAsync(coordinator, "s", 7));
        await JournalHarness.EndedAsync(coordinator, "s");
        sessions.Fails = _ => null;
        sessions.Breaks = new IOException("the disk is full");
        var broken = await Assert.ThrowsAsync<SpecException>(() => SetTrialsAsync(coordinator, "s", 7));
        Assert.Contains("the study cannot be gone on with: the disk is full", broken.Message, StringComparison.Ordinal);
        var ended = await JournalHarness.EndedAsync(coordinator, "s");
        Assert.Equal(("completed", "Trials 4", 4), (ended.State, ended.SummaryJson, ended.Step));
        sessions.Breaks = null;
        Assert.Equal(new StudyAnswer(true, new()), await SetTrialsAsync(coordinator, "s", 5));
    }

    [Fact]
    public async Task A_study_goes_on_with_the_next_coordinator_and_its_trials_end_once()
    {
        var sessions = new Sessions();
        var journal = new JournalSwitch();
        await using var harness = new JournalHarness(journal, studies: sessions);
        var first = await harness.ReadyAsync();
        await SubmitAsync(first, "s");
        await sessions.EndsAsync(1);
        journal.FailNext(new IOException("the disk is gone"));

        var second = await harness.ReadyAsync();
        var ended = await JournalHarness.EndedAsync(second, "s");

        Assert.NotEqual(first, second);
        Assert.Equal("completed", ended.State);
        Assert.Equal([0, 1, 2, 3], sessions.Ended().Order());
        Assert.Equal(1, sessions.Status!.Sessions);
        Assert.Equal(2, sessions.Calls.Count(c => c == "open s"));
    }

    [Fact]
    public async Task A_study_that_cannot_be_opened_fails_with_its_reason_and_others_go_on()
    {
        var sessions = new Sessions { Fails = id => id == "bad" ? new SpecException("study.sampler", "'gone' is not known") : null };
        await using var harness = new JournalHarness(new JournalSwitch(), studies: sessions);
        var coordinator = await harness.ReadyAsync();

        await SubmitAsync(coordinator, "bad");
        await SubmitAsync(coordinator, "good");

        Assert.Equal("failed", (await JournalHarness.EndedAsync(coordinator, "bad")).State);
        var found = await coordinator.Ask<JobFound>(new FindJob(new JobId("bad")), Eventually.Patience, Token);
        Assert.Equal("study.sampler", Assert.Single(found.BadInput).Path);
        Assert.Equal("completed", (await JournalHarness.EndedAsync(coordinator, "good")).State);
    }

    [Fact]
    public async Task A_study_that_has_failed_goes_on_when_it_is_resumed_and_where_it_fails_again_it_says_why()
    {
        var sessions = new Sessions { Trials = 6, BreaksOn = e => e is StudyEvent.Ended { Trial: 2 } ? new IOException("the disk is gone") : null };
        await using var harness = new JournalHarness(new JournalSwitch(), studies: sessions);
        var coordinator = await harness.ReadyAsync();
        await SubmitAsync(coordinator, "s");
        Assert.Contains("the disk is gone", await FailedAsync());

        Assert.Equal("the study has ended (failed); 'resume' goes on with it", (await CommandAsync(coordinator, "s", e => e.Pause(null))).Answer.Refusal);
        sessions.Fails = _ => new SpecException("--resume", "another process runs it");
        Assert.Contains("another process runs it", (await Assert.ThrowsAsync<SpecException>(() => ResumeUnlessEndingAsync(coordinator))).Message);
        Assert.Contains("another process runs it", await FailedAsync());
        sessions.Fails = _ => null;
        sessions.Breaks = new IOException("the disk is full");
        Assert.Contains("the disk is full", (await Assert.ThrowsAsync<SpecException>(() => ResumeUnlessEndingAsync(coordinator))).Message);
        Assert.Contains("the disk is full", await FailedAsync());
        sessions.Breaks = null;
        sessions.BreaksOn = _ => null;
        Assert.Equal(new StudyAnswer(true, new()), await ResumeUnlessEndingAsync(coordinator, "key"));
        while ((await JournalHarness.EndedAsync(coordinator, "s")).State == "failed") { }

        Assert.Equal(("completed", "Trials 6"), ((await JournalHarness.EndedAsync(coordinator, "s")).State, (await JournalHarness.EndedAsync(coordinator, "s")).SummaryJson));
        Assert.Equal(Enumerable.Range(0, 6), sessions.Ended().Order());
        Assert.Equal("the study has ended (completed)", (await ResumeAsync(coordinator)).Answer.Refusal);

        async Task<string> FailedAsync()
        {
            var ended = await JournalHarness.EndedAsync(coordinator, "s");
            Assert.Equal("failed", ended.State);
            return ended.SummaryJson!;
        }
    }

    [Fact]
    public async Task A_study_that_failed_when_it_was_measured_is_measured_again_and_a_command_that_was_given_before_does_nothing()
    {
        var sessions = new Sessions { Unmeasured = new IOException("the disk is full") };
        await using var harness = new JournalHarness(new JournalSwitch(), studies: sessions);
        var coordinator = await harness.ReadyAsync();
        await SubmitAsync(coordinator, "s");
        Assert.Contains("the disk is full", (await JournalHarness.EndedAsync(coordinator, "s")).SummaryJson);

        sessions.Unmeasured = null;
        Assert.Equal(new StudyAnswer(true, new()), await ResumeUnlessEndingAsync(coordinator));
        while ((await JournalHarness.EndedAsync(coordinator, "s")).State == "failed") { }
        Assert.Equal("Trials 4", (await JournalHarness.EndedAsync(coordinator, "s")).SummaryJson);

        // a key that the study knows
        Assert.Equal(new StudyAnswer(true, new()), await SetTrialsAsync(coordinator, "s", 5, "key"));
        while ((await JournalHarness.EndedAsync(coordinator, "s")).Step != 5) { }
        int ends = sessions.Calls.Count(c => c == "end s");
        Assert.Equal(new StudyAnswer(true, new(IsRepeat: true)), await SetTrialsAsync(coordinator, "s", 5, "key"));
        Assert.Equal("Trials 5", (await JournalHarness.EndedAsync(coordinator, "s")).SummaryJson);
        Assert.Equal(ends, sessions.Calls.Count(c => c == "end s"));
    }

    /// <summary>Which is no fault of a trial, and would be found by the next one too.</summary>
    [Fact]
    public async Task A_study_whose_jobs_find_no_room_on_the_disk_fails_by_that_but_no_trial_does_and_it_goes_on_when_it_is_resumed()
    {
        bool isFull = true;
        var sessions = new Sessions
        {
            Sink = () => new RecordingSink
            {
                OnProgress = _ =>
                {
                    if (Volatile.Read(ref isFull)) throw new IOException("No space left on device", 28);
                },
            },
        };
        await using var harness = new JournalHarness(new JournalSwitch(), studies: sessions);
        var coordinator = await harness.ReadyAsync();
        await SubmitAsync(coordinator, "s");
        var failed = await JournalHarness.EndedAsync(coordinator, "s");
        Assert.Equal("failed", failed.State);
        Assert.Contains("the disk is full (No space left on device): the study has left off and nothing of it is lost", failed.SummaryJson);
        Assert.Empty(sessions.Ended());

        Volatile.Write(ref isFull, false);
        Assert.Equal(new StudyAnswer(true, new()), await ResumeUnlessEndingAsync(coordinator));
        while ((await JournalHarness.EndedAsync(coordinator, "s")).State == "failed") { }
        Assert.Equal("Trials 4", (await JournalHarness.EndedAsync(coordinator, "s")).SummaryJson);
        Assert.Equal((4, 0), (sessions.Status!.Counts.Complete, sessions.Status.Counts.Failed));
    }

    [Fact]
    public async Task Attempts_of_a_study_that_breaks_are_stopped_and_it_goes_on_only_when_they_have_ended()
    {
        using var gate = new ManualResetEventSlim();
        var told = new ConcurrentQueue<RunProgress>();
        var sessions = new Sessions
        {
            BreaksOn = e => e is StudyEvent.SuspensionSet { IsSuspended: true } ? new IOException("the disk is gone") : null,
            Sink = () => new RecordingSink
            {
                OnProgress = progress =>
                {
                    told.Enqueue(progress);
                    Assert.True(gate.Wait(Eventually.Patience));
                },
            },
        };
        await using var harness = new JournalHarness(new JournalSwitch(), studies: sessions);
        var coordinator = await harness.ReadyAsync();
        await SubmitAsync(coordinator, "s");
        await Eventually.Until(() => told.Count >= 2);
        // whether it is stored is not known: whoever is asked again says
        await Assert.ThrowsAsync<CoordinatorGoneException>(() => CommandAsync(coordinator, "s", e => e.Pause(null)));
        Assert.Equal("failed", (await JournalHarness.EndedAsync(coordinator, "s")).State);

        Assert.Equal("the study has ended (failed), and attempts at its trials are still ending; try again", (await ResumeAsync(coordinator)).Answer.Refusal);
        gate.Set();
        sessions.BreaksOn = _ => null;
        Assert.Equal(new StudyAnswer(true, new()), await ResumeUnlessEndingAsync(coordinator));
        while ((await JournalHarness.EndedAsync(coordinator, "s")).State == "failed") { }

        Assert.Equal([0, 1, 2, 3], sessions.Ended().Order());
    }

    private static async Task<StudyAnswer> ResumeUnlessEndingAsync(IActorRef coordinator, string? key = null)
    {
        while (true)
            if (await ResumeAsync(coordinator, key) is var answer && answer.Answer.Refusal?.Contains("still ending", StringComparison.Ordinal) != true) return answer;
    }

    [Fact]
    public async Task A_study_that_is_cancelled_at_once_ends_and_a_repeat_of_the_command_is_answered_alike()
    {
        var sessions = new Sessions { Trials = 1_000_000 };
        await using var harness = new JournalHarness(new JournalSwitch(), studies: sessions);
        var coordinator = await harness.ReadyAsync();
        await SubmitAsync(coordinator, "s");

        for (int i = 0; i < 2; i++)
        {
            var answer = await coordinator.Ask<StopAnswer>(new StopJob(new JobId("s"), StopReason.Cancelled) { Key = "c" }, Eventually.Patience, Token);
            Assert.Equal((true, null), (answer.Known, answer.KeyReused));
        }

        Assert.Equal("cancelled", (await JournalHarness.EndedAsync(coordinator, "s")).State);
    }

    [Fact]
    public async Task Commands_reach_a_study_that_is_live_and_no_other()
    {
        var sessions = new Sessions { Trials = 1_000_000 };
        await using var harness = new JournalHarness(new JournalSwitch(), studies: sessions);
        var coordinator = await harness.ReadyAsync();
        await SubmitAsync(coordinator, "s");
        await sessions.EndsAsync(1);
        LiveTrialStatus[] running = [];
        while (running.Length == 0) running = [.. (await FindAsync()).Live.Where(t => t.State == TrialState.Running)];
        Assert.All(running, t => Assert.Equal($"node of {t.Number}", t.Node));
        // it waits for its workers, and what is submitted after it waits with it
        await harness.SubmitAsync(coordinator, "job", workers: 100);

        Assert.Equal(new StudyAnswer(true, new()), await CommandAsync(coordinator, "s", e => e.Pause("p")));
        Assert.Equal(new StudyAnswer(true, new(IsRepeat: true)), await CommandAsync(coordinator, "s", e => e.Pause("p")));
        Assert.True((await FindAsync()).IsSuspended);
        while ((await JournalHarness.JobsAsync(coordinator)).Single(j => j.Job.Value == "s").State != "paused") { }
        Assert.Equal(new StudyAnswer(true, new()), await CommandAsync(coordinator, "s", e => e.Resume(null)));
        while ((await JournalHarness.JobsAsync(coordinator)).Single(j => j.Job.Value == "s").State != "running") { }
        Assert.False((await CommandAsync(coordinator, "job", e => e.Pause(null))).Known);
        Assert.False((await CommandAsync(coordinator, "nobody", e => e.Pause(null))).Known);
        Assert.Null((await coordinator.Ask<StudyFound>(new FindStudy(new JobId("job")), Eventually.Patience, Token)).Spec);

        async Task<StudyStatus> FindAsync() => (await coordinator.Ask<StudyFound>(new FindStudy(new JobId("s")), Eventually.Patience, Token)).Status!;
    }

    private static Task<object> SubmitAsync(IActorRef coordinator, string study, string? key = null) =>
        coordinator.Ask<object>(new SubmitDurableStudy(new JobId(study), $"study {study}", $"spec of {study}", study, key), Eventually.Patience, Token);

    private static Task<StudyAnswer> CommandAsync(IActorRef coordinator, string study, Func<StudyEngine, CommandAnswer> carry, bool hasKey = false) =>
        coordinator.Ask<StudyAnswer>(new CommandStudy(new JobId(study), carry) { HasKey = hasKey }, Eventually.Patience, Token);

    private static Task<StudyAnswer> SetTrialsAsync(IActorRef coordinator, string study, int trials, string? key = null) => coordinator.Ask<StudyAnswer>(
        new CommandStudy(new JobId(study), e => e.SetTrials(key, trials)) { Reopens = RunStatus.Completed }, Eventually.Patience, Token);

    private static Task<StudyAnswer> ResumeAsync(IActorRef coordinator, string? key = null) => coordinator.Ask<StudyAnswer>(
        new CommandStudy(new JobId("s"), e => e.Resume(key)) { Reopens = RunStatus.Failed }, Eventually.Patience, Token);

    /// <summary>Studies whose trials have no files.</summary>
    private sealed class Sessions : IStudySessions
    {
        private readonly ConcurrentQueue<string> _calls = new();
        private readonly ConcurrentQueue<int> _ended = new();

        public Func<string, Exception?> Fails { get; set; } = _ => null;

        public SpecException? Gone { get; set; }

        /// <summary>Thrown by whoever is told of an event.</summary>
        public Func<StudyEvent, Exception?> BreaksOn { get; set; } = _ => null;

        /// <summary>Of an attempt.</summary>
        public Func<IRunSink> Sink { get; init; } = () => new RecordingSink();

        /// <summary>Thrown at the end.</summary>
        public Exception? Unmeasured { get; set; }

        public Exception? Breaks { get; set; }

        public StudySetup SetupOf(string specYaml)
        {
            Assert.StartsWith("spec of ", specYaml);
            return SetupOf(Trials);
        }

        public string SpecOf(string directory) => Gone is null ? $"spec of {directory}" : throw Gone;

        public int Trials { get; init; } = 4;

        public IReadOnlyList<string> Calls => [.. _calls];

        /// <summary>The latest study's last.</summary>
        public StudyStatus? Status { get; private set; }

        public IReadOnlyList<int> Ended() => [.. _ended];

        public Task EndsAsync(int count) => Eventually.Until(() => _ended.Count >= count);

        public IStudySession Open(string study, string specYaml, string directory)
        {
            Assert.Equal($"spec of {study}", specYaml);
            _calls.Enqueue($"open {study}");
            return Fails(study) is { } failure ? throw failure : new Session(this, study);
        }

        private static StudySetup SetupOf(int trials) => StudyHarness.Setup(trials, parallel: 2) with
        {
            Context = new StudyContext
            {
                Space = new SearchSpace([new("x", new FloatDomain(0, 1))]),
                Directions = [Direction.Minimize],
                Seed = 3,
                Trials = trials,
                TrialLength = 2,
            },
        };

        private sealed class Session(Sessions sessions, string study) : IStudySession, IStudySink, ITrialRuns
        {
            private static readonly StudySection Section =
                new() { Objectives = [new ObjectiveSection { Metric = "validation.loss", Direction = Direction.Minimize }], Isolation = TrialIsolation.None };

            public StudySpec Spec { get; } = new()
            {
                Fields = MappingNode.Empty,
                Training = JobHarness.SpecOf(),
                Study = Section,
                SpaceFields = MappingNode.Empty,
                Space = null!,
                Constraints = [],
                Enqueued = [],
            };

            public StudyRun Run => new()
            {
                Id = study,
                Study = Section,
                Setup = SetupOf(sessions.Trials),
                Trials = this,
                Sink = this,
            };

            public string? NodeOf(int trial) => $"node of {trial}";

            public IReadOnlyList<string>? OpenTrials() => [$"open of {study}"];

            public string End(StudyStatus status, CancellationToken stop)
            {
                sessions.Status = status;
                sessions._calls.Enqueue($"end {study}");
                if (sessions.Unmeasured is { } error) throw error;
                return $"{status.End} {status.Started}";
            }

            public void Began(IReadOnlyList<StudyEvent> before)
            {
                if (sessions.Breaks is { } error) throw error;
            }

            public void Happened(StudyEvent e)
            {
                if (e is StudyEvent.Ended ended) sessions._ended.Enqueue(ended.Trial);
                if (sessions.BreaksOn(e) is { } error) throw error;
            }

            public void Stands(Func<StudyStatus> status) { }

            public TrialRun Open(TrialOrder order) => new(FormattableString.Invariant($"{study}-{order.Id.Trial}-{order.Id.Attempt}-{order.Id.Session}"),
                JobHarness.SpecOf(workers: 1, epochs: 2), _ => sessions.Sink(), null!, false, false, []);

            public void Began(TrialOrder order, IReadOnlyList<string> nodes) { }

            public void Keep(TrialOrder order, TrialCheckpoint checkpoint) { }

            public void Delete(TrialCheckpoint checkpoint) { }

            public long Size(TrialCheckpoint checkpoint) => 0;

            public void Trim(int trial, int repeat) { }

            public long Left(int trial, int repeat) => 0;

            public void Sweep(IReadOnlyCollection<TrialCheckpoint> known, Func<int, int, bool> isDoneWith) { }

            public void Dispose() => sessions._calls.Enqueue($"dispose {study}");
        }
    }
}
