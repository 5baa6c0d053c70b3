using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Functions;

namespace DistOpt.Core.Tests.Studies.Functions;

/// <summary>Studies over functions whose declared space is widened, while they go on or where they are opened again.</summary>
public sealed class WiderFunctionSpaceTests
{
    private static readonly SearchSpace s_narrow = new([new("x", new FloatDomain(0, 1)), new("kind", new ChoiceDomain([Kind.Plain, Kind.Fast]))]);

    /// <summary>Wider in each of the ways; the new choice is before the others.</summary>
    private static readonly SearchSpace s_wide = new(
        [new("n", new IntDomain(1, 9)), new("x", new FloatDomain(0, 4)), new("kind", new ChoiceDomain([Kind.Slow, Kind.Plain, Kind.Fast]))]);

    private static readonly Dictionary<string, object?> s_defaults = new() { ["n"] = 2 };

    private enum Kind
    {
        Plain,
        Fast,
        Slow,
    }

    private static FunctionStudyOptions Options(SearchSpace? space = null) => new() { Space = space ?? s_narrow, Trials = 60, Seed = 2, Sampler = new("tpe") };

    [Fact]
    public void The_next_trial_is_drawn_from_the_wider_space_and_those_that_run_keep_what_they_have()
    {
        var study = new FunctionStudy(Options() with { Parallel = 2 });
        for (int i = 0; i < 12; i++) Tell(study, study.Ask()!);
        var running = study.Ask()!;
        double x = running.Float("x");
        Assert.Equal(new CommandAnswer(), study.Widen(s_wide, s_defaults));
        Assert.Equal(1, study.Status().SpaceVersion);
        Assert.Equal(x, running.Float("x"));
        Assert.Contains(running.Choice<Kind>("kind"), new[] { Kind.Plain, Kind.Fast });
        Assert.Throws<ArgumentException>(() => running.Int("n"));
        Tell(study, running);
        while (study.Ask() is { } trial)
        {
            Assert.InRange(trial.Int("n"), 1, 9);
            Tell(study, trial);
        }
        var trials = study.Trials;
        Assert.Equal(60, trials.Count);
        // of before they are told with what they are taken to have had
        Assert.All(trials.Take(13), t => Assert.Equal(2L, t.Parameters["n"]));
        Assert.Equal(x, trials[12].Parameters["x"]);
        Assert.All(trials, t => Assert.IsType<Kind>(t.Parameters["kind"]));
        // what is best is where nothing could be before
        Assert.True((double)study.BestTrial!.Parameters["x"]! > 2);
        Assert.Equal(Kind.Slow, study.BestTrial.Parameters["kind"]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void It_goes_on_over_the_wider_space_whether_it_is_opened_with_that_or_with_the_one_that_it_was_begun_with(bool withWide)
    {
        (var journal, var whole) = (new ListJournal(), new ListJournal());
        FunctionStudy study = new(Options(), journal), undisturbed = new(Options(), whole);
        foreach (var each in (FunctionStudy[])[study, undisturbed])
        {
            for (int i = 0; i < 15; i++) Tell(each, each.Ask()!);
            each.Widen(s_wide, s_defaults);
            for (int i = 0; i < 5; i++) Tell(each, each.Ask()!);
        }
        // a journal keeps choices as it can
        var stored = Assert.Single(journal.Events.OfType<StudyEvent.SpaceWidened>()).Space;
        Assert.Equal(["Slow", "Plain", "Fast"], ((ChoiceDomain)stored.Parameters[2].Domain).Choices);
        study = new FunctionStudy(withWide ? Options(s_wide) with { Defaults = s_defaults } : Options(), journal);
        Assert.Single(journal.Events.OfType<StudyEvent.SpaceWidened>());
        while (study.Ask() is { } trial)
        {
            Assert.True(Enum.IsDefined(trial.Choice<Kind>("kind")));
            Tell(study, trial);
        }
        while (undisturbed.Ask() is { } trial) Tell(undisturbed, trial);
        Assert.Equal(undisturbed.Trials.Select(t => t.Value), study.Trials.Select(t => t.Value));
        Assert.Equal(60, study.Trials.Count);
        var exported = study.Export("wide");
        Assert.All(exported.Trials.Take(15), t => Assert.Equal(2L, t.Parameters.Single(p => p.Name == "n").Value));
    }

    [Fact]
    public void Opened_with_a_wider_space_it_is_widened_to_that()
    {
        var journal = new ListJournal();
        var study = new FunctionStudy(Options(), journal);
        for (int i = 0; i < 15; i++) Tell(study, study.Ask()!);
        double lost = study.Ask()!.Float("x");

        study = new FunctionStudy(Options(s_wide) with { Defaults = s_defaults }, journal);
        Assert.Equal((1, 16), (study.Status().SpaceVersion, study.Status().SpaceFrom));
        // that ran when its process ended, and begins anew with what it had
        var again = study.Ask()!;
        Assert.Equal((15, lost), (again.Number, again.Float("x")));
        Tell(study, again);
        Assert.InRange(study.Ask()!.Int("n"), 1, 9);

        // wider once more: the default of what was added before is no longer needed, and does no harm
        var widest = new SearchSpace([.. s_wide.Parameters, new("deep", new ChoiceDomain([false, true]))]);
        study = new FunctionStudy(Options(widest) with { Defaults = new Dictionary<string, object?>(s_defaults) { ["deep"] = true } }, journal);
        Assert.Equal(2, study.Status().SpaceVersion);
        Assert.All(study.Trials.Take(15), t => Assert.Equal((2L, true), ((long)t.Parameters["n"]!, (bool)t.Parameters["deep"]!)));
        Assert.Equal(StudyReadingTests.Read(journal).Outline.Space.Parameters.Select(p => p.Name), widest.Parameters.Select(p => p.Name));
    }

    [Fact]
    public void What_is_no_wider_space_or_has_a_sampler_that_needs_it_to_stay_is_refused_with_all_that_is_wrong()
    {
        var journal = new ListJournal();
        var study = new FunctionStudy(Options(), journal);
        Tell(study, study.Ask()!);
        var other = new SearchSpace([new("x", new FloatDomain(0.5, 2)), new("kind", new ChoiceDomain([Kind.Plain])), new("n", new IntDomain(1, 2))]);
        string[] expected =
        [
            "space.x: goes from 0.5 to 2, which does not contain all from 0 to 1; ranges can only be made wider, and steps must still meet the values of "
                + "before",
            "space.kind: no longer has choice 'Fast'; choices can only be added",
            "space.n: is added, but has no default: say what earlier trials are taken to have had",
        ];
        Assert.Equal(expected, Wrong(() => study.Widen(other)));
        Assert.Equal(expected, Wrong(() => _ = new FunctionStudy(Options(other), journal)));
        Assert.Equal(["space.kind: has default 3, which is none of its choices; give one of them", "space.m: has a default, but is no parameter of the space; "
            + "leave the default away", "space.n: has default two, which is no number; give one of its range"],
            Wrong(() => study.Widen(s_wide, new Dictionary<string, object?> { ["n"] = "two", ["m"] = 1, ["kind"] = 3 })));
        Assert.Contains("study.sampler: follows a course that is laid out in the space", Assert.Single(
            Wrong(() => _ = new FunctionStudy(Options(s_wide) with { Defaults = s_defaults, Sampler = new("sobol") }, journal))));
        Assert.Empty(journal.Events.OfType<StudyEvent.SpaceWidened>());
        // it goes on as it was
        Assert.Equal(0, new FunctionStudy(Options(), journal).Status().SpaceVersion);

        var defined = new FunctionStudy(Options() with { Space = null });
        Assert.Contains("let them define more", defined.Widen(s_wide).Refusal);
        study = new FunctionStudy(Options(), journal);
        study.Stop();
        Assert.Contains("space: is none that the study has had, and it cannot be widened: the study has ended",
            Assert.Single(Wrong(() => _ = new FunctionStudy(Options(s_wide) with { Defaults = s_defaults }, journal))));
    }

    [Fact]
    public void Constraints_on_parameters_are_kept_to_in_each_space_that_has_them()
    {
        var journal = new ListJournal();
        var begun = Options() with { Constraints = [new() { Parameters = "x", AtMost = 0.5 }] };
        var study = new FunctionStudy(begun, journal);
        for (int i = 0; i < 12; i++) Tell(study, study.Ask()!);
        // the program that goes on has one on a parameter that is new
        study = new FunctionStudy(begun with
        {
            Space = s_wide,
            Defaults = s_defaults,
            Trials = 40,
            Constraints = [new() { Parameters = "x", AtMost = 2 }, new() { Parameters = "x - n", AtLeast = 0 }],
        }, journal);
        while (study.Ask() is { } trial)
        {
            Assert.InRange(trial.Float("x"), trial.Int("n"), 2);
            Tell(study, trial);
        }
        Assert.All(study.Trials.Take(12), t => Assert.InRange((double)t.Parameters["x"]!, 0, 0.5));
    }

    /// <summary>The least value is at 4, of the slow kind.</summary>
    private static void Tell(FunctionStudy study, FunctionTrial trial) =>
        study.Tell(trial, Math.Pow(trial.Float("x") - 4, 2) + (trial.Choice<Kind>("kind") == Kind.Slow ? 0 : 1));

    private static string[] Wrong(Action action) => [.. Assert.Throws<SpecException>(action).Violations.Select(v => v.ToString())];
}
