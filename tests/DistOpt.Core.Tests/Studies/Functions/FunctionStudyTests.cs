using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Functions;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Tests.Studies.Functions;

/// <summary>Studies over functions in one process.</summary>
public sealed class FunctionStudyTests
{
    private static readonly SearchSpace s_space = new(
    [
        new("x", new FloatDomain(-2, 2)), new("n", new IntDomain(1, 9)), new("kind", new ChoiceDomain(["a", "b"])),
        new("m", new FloatDomain(0, 1), new Condition("kind", Among: [1])),
    ]);

    private static StudySetup Setup(int trials = 40, int parallel = 3) => new()
    {
        Context = new StudyContext { Space = s_space, Directions = [Direction.Minimize], Seed = 1, Trials = trials, TrialLength = 16 },
        Sampler = () => new TpeSampler(new TpeOptions()),
        Parallel = parallel,
    };

    [Fact]
    public async Task It_finds_a_minimum_with_functions_side_by_side()
    {
        int running = 0, most = 0;
        var study = new FunctionStudy(Setup(trials: 60));
        var status = await study.RunAsync(async (trial, _) =>
        {
            InterlockedMax(ref most, Interlocked.Increment(ref running));
            await Task.Yield();
            Interlocked.Decrement(ref running);
            return [Math.Pow(trial.Float("x") - 1, 2) + trial.Int("n") + (trial.Has("m") ? trial.Float("m") : 0)];
        }, TestContext.Current.CancellationToken);
        Assert.Equal((StudyStopReason.Trials, 60), (status.End, status.Counts.Complete));
        Assert.True(status.Best!.Values[0] < 2.5, $"{status.Best}");
        Assert.InRange(most, 1, 3);
    }

    [Fact]
    public void Trials_can_be_asked_for_and_told_of()
    {
        var study = new FunctionStudy(Setup(trials: 3, parallel: 2));
        study.Enqueue(0.5, 3, 1, 0.25);
        var (first, second) = (study.Ask()!, study.Ask()!);
        Assert.Equal((0.5, 3L, "b", 0.25), (first.Float("x"), first.Int("n"), first.Choice<string>("kind"), first.Float("m")));
        Assert.Null(study.Ask());
        Assert.True(study.Tell(first, 1));
        Assert.False(study.Tell(first, -1));
        Assert.True(study.Fail(second, "no"));
        study.Tell(study.Ask()!, 2);
        Assert.Null(study.Ask());
        Assert.Equal((StudyStopReason.Trials, 0, 1), (study.Status().End, study.Status().Best!.Number, study.Status().Counts.Failed));
    }

    /// <summary>Asha pauses functions where they stand and sends the best on; nobody has written a checkpoint.</summary>
    [Fact]
    public async Task A_function_that_is_paused_goes_on_where_it_stood_or_is_told_to_return()
    {
        int computed = 0;
        var ended = new List<(StudyEvent.Ended End, FunctionTrial? Trial)>();
        var setup = Setup(trials: 32) with { TrialScheduler = c => new AshaOptions().Create(c) };
        var study = new FunctionStudy(setup) { TrialEnded = (end, trial) => ended.Add((end, trial)) };
        var status = await study.RunAsync(async (trial, _) =>
        {
            for (int step = 1; ; step++)
            {
                Interlocked.Increment(ref computed);
                trial.Attributes["last"] = step;
                double loss = Math.Abs(trial.Float("x")) + 1.0 / step;
                if (!await trial.ReportAsync(step, loss)) return [loss];
            }
        }, TestContext.Current.CancellationToken);
        Assert.Equal(StudyStopReason.Trials, status.End);
        Assert.True(status.Counts.Complete > 0 && status.Counts.Pruned > 16, $"{status.Counts}");
        Assert.Equal(32, ended.Count);
        Assert.All(ended.Where(e => e.End.State == TrialState.Complete), e => Assert.Equal(16, e.Trial!.Attributes["last"]));
        // each step once
        Assert.Equal(ended.Sum(e => (int)e.Trial!.Attributes["last"]!), computed);
    }

    [Fact]
    public async Task An_exception_is_the_end_of_its_trial_alone()
    {
        var study = new FunctionStudy(Setup(trials: 6));
        var status = await study.RunAsync((trial, _) =>
            trial.Number % 2 == 0 ? throw new InvalidOperationException("odd") : Task.FromResult(new[] { 1.0 }), TestContext.Current.CancellationToken);
        Assert.Equal((3, 3), (status.Counts.Failed, status.Counts.Complete));
    }

    [Fact]
    public async Task A_study_that_was_interrupted_goes_on_from_its_events()
    {
        var events = new List<StudyEvent>();
        using var interruption = new CancellationTokenSource();
        var study = new FunctionStudy(Setup(trials: 20), record: events.Add);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => study.RunAsync(async (trial, token) =>
        {
            if (trial.Number == 7) await interruption.CancelAsync();
            token.ThrowIfCancellationRequested();
            return [trial.Float("x")];
        }, interruption.Token));
        var again = new FunctionStudy(Setup(trials: 20), [.. events], events.Add);
        var status = await again.RunAsync((trial, _) => Task.FromResult(new[] { trial.Float("x") }), TestContext.Current.CancellationToken);
        Assert.Equal(20, status.Counts.Complete);
        Assert.Equal(Enumerable.Range(0, 20), events.OfType<StudyEvent.Ended>().Select(e => e.Trial).Order());
    }

    /// <summary>A function that is paused, or reports after the interruption, returns; what it returns is no result.</summary>
    [Fact]
    public async Task Functions_that_are_told_to_return_by_an_interruption_have_no_result()
    {
        var events = new List<StudyEvent>();
        using var interruption = new CancellationTokenSource();
        var study = new FunctionStudy(Setup(trials: 20) with { TrialScheduler = c => new AshaOptions().Create(c) }, record: events.Add);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => study.RunAsync(async (trial, _) =>
        {
            for (int step = 1; ; step++)
            {
                if (trial.Number == 9) await interruption.CancelAsync();
                if (!await trial.ReportAsync(step, trial.Number)) return [-99];
            }
        }, interruption.Token));
        Assert.Empty(events.OfType<StudyEvent.Ended>());
        Assert.Null(study.Status().End);
    }

    [Fact]
    public void Wrong_names_and_kinds_are_told()
    {
        var trial = new FunctionStudy(Setup()).Ask()!;
        Assert.Contains("'y' is no parameter of the space; there are x, n, kind, m", Assert.Throws<ArgumentException>(() => trial.Float("y")).Message);
        Assert.Contains("'kind' has choices, not numbers", Assert.Throws<ArgumentException>(() => trial.Float("kind")).Message);
        Assert.Contains("'x' has no whole numbers", Assert.Throws<ArgumentException>(() => trial.Int("x")).Message);
        Assert.Contains("'x' has numbers, not choices", Assert.Throws<ArgumentException>(() => trial.Choice<string>("x")).Message);
        Assert.Contains("'kind' is no Int32", Assert.Throws<ArgumentException>(() => trial.Choice<int>("kind")).Message);
    }

    [Fact]
    public async Task A_trial_scheduler_that_copies_trials_is_refused_when_it_does()
    {
        var options = new PbtOptions { Population = 4, PerturbationInterval = 4, Synchronous = true };
        var setup = Setup(trials: 8, parallel: 4) with { TrialScheduler = c => new Pbt(options, c) };
        var error = await Assert.ThrowsAsync<NotSupportedException>(() => new FunctionStudy(setup).RunAsync(async (trial, _) =>
        {
            for (int step = 1; ; step++)
                if (!await trial.ReportAsync(step, trial.Number)) return [trial.Number];
        }, TestContext.Current.CancellationToken));
        Assert.Contains("which a function does not have; use asha", error.Message);
    }

    private static void InterlockedMax(ref int most, int value)
    {
        for (int seen = most; value > seen; seen = most) Interlocked.CompareExchange(ref most, value, seen);
    }
}
