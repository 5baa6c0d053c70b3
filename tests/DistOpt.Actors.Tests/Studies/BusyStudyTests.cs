using Akka.Actor;
using DistOpt.Actors.Studies;
using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Training;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Actors.Tests.Studies;

/// <summary>A study of which more happens than its journal stores: whenever a write is done, there is more to be written.</summary>
[Collection(nameof(SwitchJournal))]
public sealed class BusyStudyTests
{
    private readonly JournalSwitch _journal = new();
    private int _noted;

    private static StudySetup Asha(int trials, int parallel) => StudyHarness.Setup(trials, parallel) with
    {
        TrialScheduler = context => new AshaOptions { MinResource = 1, MaxResource = 9, ReductionFactor = 3 }.Create(context),
    };

    [Fact]
    public async Task What_nobody_needs_is_deleted_once_that_is_stored_though_more_is_always_on_its_way()
    {
        await using var harness = new StudyHarness(Asha(trials: 9, parallel: 1), _journal, diskLimit: 0.5);
        var study = harness.Begin();
        var job = (await harness.JobAsync()).Start();
        await Eventually.Until(() => harness.Happened.OfType<StudyEvent.Started>().Any());

        var write = _journal.Hold();
        await NoteAsync(study);
        job.Epoch(1, 0.5).End(RunStatus.Interrupted, StopReason.Paused);
        // the slot is the next one's: that it is paused is on its way
        await harness.JobAsync();
        write = await WriteAsync(write);
        await NoteAsync(study);
        // what was decided before is stored, and it is not stored that it is paused
        Assert.Empty(harness.Trimmed);
        Assert.DoesNotContain("delete 0 at 1", harness.Files);
        write = await WriteAsync(write);
        await NoteAsync(study);
        write = await WriteAsync(write);

        await Eventually.Until(() => harness.Files.Contains("delete 0 at 1"));
        await Eventually.Until(() => harness.Trimmed.Contains(0));
        Assert.Contains(harness.Happened, e => e is StudyEvent.Released);
        Assert.True(harness.Happened.OfType<StudyEvent.AttributeSet>().Count() < _noted);
        write();
    }

    [Fact]
    public async Task Where_it_stands_and_that_it_is_paused_is_told_once_that_is_stored_though_more_is_always_on_its_way()
    {
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 9), _journal);
        var study = harness.Begin();
        (await harness.JobAsync()).Start();
        await Eventually.Until(() => harness.Happened.OfType<StudyEvent.Started>().Any());

        var write = _journal.Hold();
        await NoteAsync(study);
        study.Tell(new StudyCommand(engine => engine.Pause(null)));
        await NoteAsync(study);
        Assert.DoesNotContain(harness.Stood, s => s.IsSuspended);
        write = await WriteAsync(write);
        await NoteAsync(study);
        Assert.DoesNotContain(harness.Stood, s => s.IsSuspended);
        Assert.Empty(harness.Paused);
        write = await WriteAsync(write);
        await NoteAsync(study);
        write = await WriteAsync(write);

        await Eventually.Until(() => harness.Stood.Any(s => s.IsSuspended));
        await Eventually.Until(() => harness.Paused.SequenceEqual([true]));
        Assert.True(harness.Happened.OfType<StudyEvent.AttributeSet>().Count() < _noted);
        write();
    }

    /// <summary>None of them ends, and each leaves a copy of its model at each interval.</summary>
    [Fact]
    public async Task A_state_of_a_trial_that_others_may_copy_goes_when_the_trial_has_left_another_one()
    {
        var setup = StudyHarness.Setup(trials: 2, parallel: 2) with
        {
            TrialScheduler = context => new Pbt(new PbtOptions { Population = 2, PerturbationInterval = 1 }, context),
        };
        await using var harness = new StudyHarness(setup);
        harness.Begin();
        var jobs = new[] { await harness.JobAsync(), await harness.JobAsync() }.OrderBy(j => j.Id).ToList();
        jobs[1].Start().Epoch(1, 0.1).End(RunStatus.Interrupted, StopReason.Paused);
        var other = await harness.JobAsync();
        var best = jobs[0].Start();
        for (int epoch = 1; epoch <= 3; epoch++)
        {
            best.Epoch(epoch, 0.9);
            await best.Stopped;
            best.End(RunStatus.Interrupted, StopReason.Interrupted);
            best = (await harness.JobAsync()).Start(resumed: epoch);
        }

        await Eventually.Until(() => harness.Files.Contains("delete 0 at 2"));
        Assert.Equal(["keep 0 at 1", "keep 0 at 2", "keep 0 at 3"], harness.Files.Where(f => f.StartsWith("keep", StringComparison.Ordinal)));
        Assert.Contains("delete 0 at 1", harness.Files);
        Assert.DoesNotContain("delete 0 at 3", harness.Files);
        Assert.Empty(harness.Happened.OfType<StudyEvent.Ended>());
        Assert.False(other.IsStopped);
    }

    /// <summary>One more that is to be stored.</summary>
    private async Task NoteAsync(IActorRef study)
    {
        string count = FormattableString.Invariant($"{++_noted}");
        study.Tell(new StudyCommand(engine => engine.SetAttributes(null, [new("noted", count)])));
        await StudyHarness.ReachedAsync(study);
    }

    /// <summary>Lets the journal write what it holds, and holds what comes then.</summary>
    /// <returns>Lets it write that.</returns>
    private async Task<Action> WriteAsync(Action write)
    {
        int writes = _journal.Writes.Count;
        var next = _journal.Hold();
        write();
        await Eventually.Until(() => _journal.Writes.Count > writes);
        return next;
    }
}
