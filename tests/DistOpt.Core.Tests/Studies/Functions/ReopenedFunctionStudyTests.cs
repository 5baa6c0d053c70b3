using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Functions;

namespace DistOpt.Core.Tests.Studies.Functions;

/// <summary>Studies over functions that are opened again with other numbers.</summary>
public sealed class ReopenedFunctionStudyTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>What was decided by then stays decided with the parallelism that it was decided with.</summary>
    [Theory]
    [InlineData(8, 15)]
    [InlineData(4, 16)]
    [InlineData(2, 18)]
    public async Task A_deterministic_study_that_is_opened_with_another_parallelism_has_it_from_its_next_trial_on(int parallel, int last)
    {
        var journal = new ListJournal();
        var known = new Dictionary<int, int[]>();
        await Open(4).RunAsync(trial => trial.Float("x"), trials: 20, cancellationToken: Token);
        await Open(parallel).RunAsync(trial => trial.Float("x"), trials: 12, cancellationToken: Token);
        Assert.Equal(Enumerable.Range(0, last + 1), known[20]);
        // read again, with what was read again
        await Open(parallel).RunAsync(trial => trial.Float("x"), trials: 2, cancellationToken: Token);
        Assert.Equal(Enumerable.Range(0, 33 - parallel), known[32]);
        // what follows from the events alone, with a setup that says something else
        int[] before = known[32];
        var asked = StudyEngine.Restore(Setup(9), journal.Events.TakeWhile(e => e is not StudyEvent.Started { Trial: 32 }).ToList(), _ => { });
        Assert.Equal(32, asked.Decide().Order!.Id.Trial);
        Assert.Equal(before, known[32]);

        FunctionStudy Open(int parallel) => new(Setup(parallel), journal);

        StudySetup Setup(int parallel)
        {
            var setup = SomeStudy.Setup(trials: 40, parallel);
            return setup with { Context = setup.Context with { IsDeterministic = true }, Sampler = () => new Spy(known) };
        }
    }

    [Fact]
    public async Task A_study_that_has_had_all_its_trials_goes_on_when_it_is_opened_with_more()
    {
        var journal = new ListJournal();
        await RunAsync(5);
        var status = await RunAsync(8);
        Assert.Equal((StudyStopReason.Trials, 8, 8), (status.End, status.Trials, status.Counts.Complete));
        int events = journal.Events.Count;
        // with as many it has ended, and with no number, too
        foreach (int? same in (int?[])[8, null]) Assert.Equal((StudyStopReason.Trials, 8), ((await RunAsync(same)).End, (await RunAsync(same)).Started));
        Assert.Equal(events, journal.Events.Count);
        Assert.Equal(11, (await RunAsync(11)).Counts.Complete);
        Assert.Equal(Enumerable.Range(0, 11), journal.Events.OfType<StudyEvent.Ended>().Select(e => e.Trial));

        Task<StudyStatus> RunAsync(int? trials) => Open(journal, trials).RunAsync(trial => trial.Float("x"), cancellationToken: Token);
    }

    [Fact]
    public async Task A_study_that_goes_on_may_have_another_number_of_trials_but_none_below_those_that_have_begun()
    {
        var journal = new ListJournal();
        await Open(journal, 9).RunAsync(trial => trial.Float("x"), trials: 5, cancellationToken: Token);
        int events = journal.Events.Count;
        var error = Assert.Throws<SpecException>(() => Open(journal, 4));
        Assert.Equal("study.trials: is 4, but 5 trials have begun; give at least 5", Assert.Single(error.Violations).ToString());
        Assert.Equal(events, journal.Events.Count);
        var status = await Open(journal, 5).RunAsync(trial => trial.Float("x"), cancellationToken: Token);
        Assert.Equal((StudyStopReason.Trials, 5), (status.End, status.Started));
        await Open(journal, 20).RunAsync(trial => trial.Float("x"), trials: 2, cancellationToken: Token);
        // more, and fewer than it was last given
        foreach (int trials in (int[])[30, 8]) Assert.Equal(trials, Open(journal, trials).Status().Trials);
        Assert.Equal(8, (await Open(journal, 8).RunAsync(trial => trial.Float("x"), cancellationToken: Token)).Started);
    }

    [Fact]
    public async Task An_opening_that_is_refused_changes_nothing()
    {
        var journal = new ListJournal();
        await Open(journal, 5).RunAsync(trial => trial.Float("x"), cancellationToken: Token);
        int events = journal.Events.Count;
        var setup = SomeStudy.Setup(parallel: 1);
        var narrow = new SearchSpace([.. setup.Context.Space.Parameters.Select(p => p.Name == "x" ? new SearchParameter("x", new FloatDomain(0, 1e-3)) : p)]);

        // with more trials than it had, and a space that is none of its
        Assert.Throws<SpecException>(() => new FunctionStudy(setup with { Context = setup.Context with { Trials = 9, Space = narrow } }, journal));

        Assert.Equal(events, journal.Events.Count);
        Assert.Equal((StudyStopReason.Trials, 5), (Open(journal, 5).Status().End, Open(journal, 5).Status().Started));
    }

    private static FunctionStudy Open(ListJournal journal, int? trials)
    {
        var setup = SomeStudy.Setup(parallel: 1);
        return new(setup with { Context = setup.Context with { Trials = trials } }, journal);
    }

    /// <summary>Notes of which trials something is known.</summary>
    private sealed class Spy(Dictionary<int, int[]> known) : ISampler
    {
        private readonly RandomSampler _random = new();

        public IEnumerable<SpecViolation> Check(SearchSpace space, int objectives) => [];

        public void Suggest(StudyHistory history, long seed, int number, Span<double> values)
        {
            known[number] = [.. history.Trials.Where(t => t.State != TrialState.Running).Select(t => t.Number)];
            _random.Suggest(history, seed, number, values);
        }
    }
}
