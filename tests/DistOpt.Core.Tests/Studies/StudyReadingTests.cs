using DistOpt.Core.Importance;
using DistOpt.Core.Pruners;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Exchange;
using DistOpt.Core.Studies.Functions;
using DistOpt.Core.Tests.Studies.Functions;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Tests.Studies;

/// <summary>Studies over functions as they are explained and drawn.</summary>
public sealed class StudyReadingTests
{
    private static readonly DateTime s_noon = new(2030, 1, 1, 12, 0, 0, DateTimeKind.Utc);

    [Fact]
    public void Parameters_that_trials_define_are_told_between_the_least_and_the_greatest_bounds_that_any_had()
    {
        var (study, journal) = Study(new() { Trials = 6, Sampler = new("random") });
        for (int i = 0; i < 6; i++)
        {
            var trial = study.Ask()!;
            double x = trial.SuggestFloat("x", -i, 1);
            long n = trial.SuggestInt("n", 2, 10 + 2 * i, step: 2);
            double grid = trial.SuggestFloat("grid", 0, i % 2 == 0 ? 1 : 0.9, step: i % 2 == 0 ? 0.25 : 0.1);
            if (i % 2 == 1) trial.SuggestCategorical("kind", "a", "b");
            if (i < 5) study.Tell(trial, x + n + grid);
        }
        var read = Read(journal);
        Assert.Equal([new FloatDomain(-5, 1), new IntDomain(2, 20, 2), new FloatDomain(0, 1), new ChoiceDomain(["a", "b"])],
            read.Outline.Space.Parameters.Select(p => p.Domain));
        Assert.Equal((5, 1, 6), (read.Ended.Length, read.NotEnded!.Value.Length, read.All.Length));
        foreach (var trial in read.All)
        {
            var known = study.Trials[trial.Number];
            Assert.Equal(4, trial.Parameters.Length);
            Assert.Equal(known.Parameters, Enumerable.Range(0, 4).Where(i => !double.IsNaN(trial.Parameters[i]))
                .ToDictionary(i => read.Outline.Space.Parameters[i].Name, i => read.Outline.Value(i, trial.Parameters[i])));
        }
        Assert.Equal("b", read.Outline.Show(3, 1));
        Assert.Equal("0.1", read.Outline.Show(2, 0.1));
    }

    [Theory]
    [InlineData(1, 9, 2, 3, 13, 2, 2L)]
    [InlineData(1, 9, 2, 2, 12, 2, 1L)]
    [InlineData(1, 9, 1, 2, 12, 2, 1L)]
    public void Steps_stay_where_the_values_of_both_domains_are_steps_of_the_wider_one(
        long low, long high, long step, long low2, long high2, long step2, long expected)
    {
        IntDomain one = new(low, high, step), other = new(low2, high2, step2);
        var hull = (IntDomain)DefinedSpace.Hull(one, other);
        Assert.Equal((Math.Min(low, low2), Math.Max(high, high2), (double)expected), (hull.Low, hull.High, hull.Step));
        foreach (var domain in (IntDomain[])[one, other])
            for (double unit = 0; unit <= 1; unit += 0.125) Assert.True(hull.Contains(domain.FromUnit(unit)));
    }

    /// <summary>One and the same trials over a training spec's space and over a function's.</summary>
    [Fact]
    public void A_study_over_a_function_is_explained_in_the_same_numbers_as_one_over_training_specs()
    {
        var spec = StudyFixture.Parse("""
            name: three
            seed: 7
            study: { metric: validation.loss }
            space:
              optimizer.learning_rate: { float: [1e-4, 1e-1], log: true }
              model.dropout: { float: [0, 0.5] }
              optimizer.kind: { choices: [sgd, adam] }
            """);
        var space = spec.Space.Space;
        var (study, journal) = Study(new() { Space = space, Trials = 60, Seed = 7, Sampler = new("random") });
        while (study.Ask() is { } trial)
            study.Tell(trial, Math.Log10(trial.Float("optimizer.learning_rate")) + (trial.Choice<string>("optimizer.kind") == "adam" ? 0.3 : 0));
        var read = Read(journal);
        Assert.Equal("value", Assert.Single(read.Outline.Objectives).Metric);
        var (ours, theirs) = (Assert.Single(StudyExplanation.Of(read.Outline, read.All)), Assert.Single(StudyExplanation.Of(spec.Outline, read.All)));
        Assert.Equal("optimizer.learning_rate", space.Parameters[ours.Parameters[0].Parameter].Name);
        Assert.Equal(theirs.Parameters.Select(p => (p.Parameter, p.Variance, p.Ped)), ours.Parameters.Select(p => (p.Parameter, p.Variance, p.Ped)));
        Assert.Equal(theirs.Interactions, ours.Interactions);
        Assert.Equal(Enumerable.Range(0, 2).Select(i => spec.Outline.Show(i, read.All[0].Parameters[i])),
            Enumerable.Range(0, 2).Select(i => read.Outline.Show(i, read.All[0].Parameters[i])));
    }

    [Fact]
    public void Trials_of_a_space_that_was_widened_are_told_in_the_widest_one()
    {
        var declared = new StudyDeclaration(new SearchSpace([new("x", new FloatDomain(0, 1))]), false, [Direction.Minimize], 1, 1) { Lines = [] };
        var wide = new SearchSpace([new("kind", new ChoiceDomain(["a", "b"])), new("x", new FloatDomain(0, 4))]);
        StudyEvent[] events =
        [
            new StudyEvent.Started(0, [0.5], 1, 0, false),
            new StudyEvent.SpaceWidened(null, 1, 1, wide, System.Collections.Immutable.ImmutableSortedDictionary<string, double>.Empty.Add("kind", 1)),
            new StudyEvent.Ended(0, TrialState.Complete, TrialEndCause.Done, [0.5], [], null, 1), new StudyEvent.Started(1, [0, 3.5], 1, 0, false),
        ];
        var read = StudyReading.Of("w", declared, [.. events.Select(e => new TimedEvent(e, null))]);
        Assert.Same(wide, read.Outline.Space);
        Assert.Equal([1, 0.5], Assert.Single(read.Ended).Parameters);
        Assert.Equal([0, 3.5], Assert.Single(read.NotEnded!.Value).Parameters);
    }

    [Fact]
    public void Where_no_clock_counts_trials_ran_between_the_times_at_which_their_events_were_stored()
    {
        var options = new FunctionStudyOptions { Trials = 9, Parallel = 2, Sampler = new("random") };
        var (study, journal) = Study(options);
        study.Tell(study.Ask()!, 1);
        Assert.NotNull(study.Ask());
        // its process is gone for an hour
        var again = new FunctionStudy(options, journal);
        again.Tell(again.Ask()!, 2);
        int reopened = journal.Events.FindIndex(e => e is StudyEvent.Reopened);
        Assert.True(reopened > 0);
        var events = journal.Events.Select((e, i) => new TimedEvent(e, s_noon.AddSeconds(10 * i).AddHours(i < reopened ? 0 : 1))).ToList();

        var read = StudyReading.Of("t", journal.Study!, events);
        Assert.All(read.All, t => Assert.NotEmpty(t.Spans));
        var (begun, ended) = (journal.Events.FindIndex(e => e is StudyEvent.Started), journal.Events.FindIndex(e => e is StudyEvent.Ended));
        Assert.Equal(new TrialSpan(10 * begun, 10 * ended), Assert.Single(read.All[0].Spans));
        // two attempts, one after the other, and the hour is between them
        var spans = read.All[1].Spans;
        Assert.Equal(2, spans.Length);
        Assert.True(spans[0].To <= spans[1].From);
        Assert.InRange(spans[1].To, spans[0].From + 10, 10 * journal.Events.Count);
    }

    [Fact]
    public void Seconds_that_the_study_has_counted_itself_go_before()
    {
        StudyEvent[] events =
        [
            new StudyEvent.Started(0, [0.5], 1, 0, false), new StudyEvent.TimePassed(3),
            new StudyEvent.Ended(0, TrialState.Complete, TrialEndCause.Done, [0.5], [], null, 3),
        ];
        var declared = new StudyDeclaration(new SearchSpace([new("x", new FloatDomain(0, 1))]), false, [Direction.Minimize], 1, 1) { Lines = [] };
        var read = StudyReading.Of("c", declared, [.. events.Select((e, i) => new TimedEvent(e, s_noon.AddHours(i)))]);
        Assert.Equal(new TrialSpan(0, 3), Assert.Single(read.Ended[0].Spans));
    }

    [Fact]
    public void Rungs_are_those_of_the_trial_scheduler_with_which_it_was_begun()
    {
        var (_, plain) = Study(new() { Pruner = new("threshold", new ThresholdOptions { Upper = 1 }) });
        Assert.Empty(plain.Study!.Brackets);
        foreach (bool stops in (bool[])[false, true])
        {
            var options = new AshaOptions { MaxResource = 9, ReductionFactor = 3, Variant = stops ? AshaVariant.Stopping : AshaVariant.Promotion };
            var (_, journal) = Study(new() { TrialScheduler = new("asha", options) });
            Assert.Equal([1, 3], Assert.Single(journal.Study!.Brackets).Where(r => r < 9));
        }
    }

    private static (FunctionStudy Study, ListJournal Journal) Study(FunctionStudyOptions options)
    {
        var journal = new ListJournal();
        return (new FunctionStudy(options, journal), journal);
    }

    internal static StudyReading Read(ListJournal journal) =>
        StudyReading.Of("read", journal.Declared!, [.. journal.Events.Select(e => new TimedEvent(e, null))]);
}
