using DistOpt.Core.Pruners;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Exchange;
using DistOpt.Core.Studies.Functions;

namespace DistOpt.Core.Tests.Studies.Functions;

/// <summary>Studies whose trials define their parameters while they run.</summary>
public sealed class DefineByRunTests
{
    private enum Shape
    {
        Round,
        Square,
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static FunctionStudyOptions Options(string sampler = "tpe", int trials = 60) =>
        new() { Trials = trials, Seed = 5, Sampler = new(sampler) };

    /// <summary>Each branch has parameters of its own; the least value, 0, is on the right one.</summary>
    private static double Branches(FunctionTrial trial)
    {
        double x = trial.SuggestFloat("x", -3, 3);
        if (trial.SuggestCategorical("branch", "left", "right") == "left") return 2 + x * x + trial.SuggestFloat("left.rate", 1e-4, 1, log: true);
        double y = trial.SuggestFloat("right.y", -3, 3);
        return (x - 1) * (x - 1) + (y + 1) * (y + 1) + 0.1 * trial.SuggestInt("right.n", 0, 8);
    }

    [Theory]
    [InlineData("random", 2.5)]
    [InlineData("tpe", 0.7)]
    [InlineData("auto", 0.7)]
    public async Task A_minimum_on_one_branch_is_found_without_a_declared_space(string sampler, double most)
    {
        var study = new FunctionStudy(Options(sampler, trials: 100));
        var status = await study.RunAsync(Branches, cancellationToken: Token);
        Assert.Equal((100, StudyStopReason.Trials), (status.Counts.Complete, status.End));
        var best = study.BestTrial!;
        Assert.True(best.Value < most, $"{best.Value} with {string.Join(", ", best.Parameters)}");
        Assert.Equal("right", best.Parameters["branch"]);
        string[] left = ["branch", "left.rate", "x"], right = ["branch", "right.n", "right.y", "x"];
        Assert.All(study.Trials, t => Assert.Equal((string?)t.Parameters["branch"] == "left" ? left : right, t.Parameters.Keys.Order()));
        Assert.All(study.Trials.Where(t => t.Parameters.ContainsKey("right.n")), t => Assert.InRange(Assert.IsType<long>(t.Parameters["right.n"]), 0, 8));
    }

    [Fact]
    public async Task What_other_programs_are_given_has_each_trial_with_what_it_had()
    {
        var study = new FunctionStudy(Options(trials: 30) with { Pruner = new("threshold", new ThresholdOptions { Upper = 100 }) });
        study.SetUserAttribute("what", "branches");
        await study.RunAsync(trial =>
        {
            double value = Branches(trial);
            trial.SetUserAttribute("half", value / 2);
            trial.Report(trial.Number % 3 == 1 ? 1000 : value, 1);
            if (trial.ShouldPrune()) throw new TrialPrunedException();
            return trial.Number % 3 == 2 ? throw new InvalidOperationException("no") : value;
        }, cancellationToken: Token);
        var left = study.Ask();

        var exported = study.Export("branches");

        Assert.Equal(("branches", Direction.Minimize), (exported.Name, Assert.Single(exported.Directions)));
        Assert.Equal(new("what", "branches"), Assert.Single(exported.Attributes));
        Assert.Equal(30 + (left is null ? 0 : 1), exported.Trials.Length);
        foreach (var (trial, known) in exported.Trials.Take(30).Zip(study.Trials))
        {
            Assert.Equal(known.Number, trial.Number);
            Assert.Equal((trial.Number % 3) switch { 0 => ExchangedState.Complete, 1 => ExchangedState.Pruned, _ => ExchangedState.Fail }, trial.State);
            Assert.Equal(known.Parameters.OrderBy(p => p.Key), trial.Parameters.OrderBy(p => p.Name).Select(p => KeyValuePair.Create(p.Name, p.Value)));
            Assert.Equal(trial.Number % 3 == 1 ? [1000] : known.Values, trial.Values);
            Assert.Equal(known.UserAttributes["half"].GetDouble(), Assert.Single(trial.Attributes).Value);
        }
    }

    [Theory]
    [InlineData("random")]
    [InlineData("tpe")]
    public async Task The_same_seed_gives_the_same_trials_and_another_one_others(string sampler)
    {
        async Task<string[]> RunAsync(long seed)
        {
            var study = new FunctionStudy(Options(sampler, trials: 40) with { Seed = seed });
            await study.RunAsync(Branches, cancellationToken: Token);
            return [.. study.Trials.Select(t => FormattableString.Invariant($"{string.Join(" ", t.Parameters)} {t.Value:R}"))];
        }
        var first = await RunAsync(5);
        Assert.Equal(first, await RunAsync(5));
        Assert.NotEqual(first, await RunAsync(6));
    }

    /// <summary>A random suggestion is a function of seed, number and name: not of what else a trial has, and since when.</summary>
    [Fact]
    public void A_random_value_does_not_depend_on_other_parameters()
    {
        var (one, other) = (new FunctionStudy(Options("random")).Ask()!, new FunctionStudy(Options("random")).Ask()!);
        double x = one.SuggestFloat("x", 0, 1);
        other.SuggestFloat("y", 0, 1);
        Assert.Equal(x, other.SuggestFloat("x", 0, 1));
        Assert.NotEqual(x, other.SuggestFloat("y", 0, 1));
    }

    [Fact]
    public void A_name_has_one_value_in_a_trial_and_kinds_that_go_together()
    {
        var study = new FunctionStudy(Options("random"));
        var trial = study.Ask()!;
        double x = trial.SuggestFloat("x", 0, 1);
        Assert.Equal(x, trial.SuggestFloat("x", 0, 1));
        Assert.Equal(x, trial.SuggestFloat("x", -1, 1));
        Assert.Contains("already, which is not in float [5, 6]", Assert.Throws<ArgumentException>(() => trial.SuggestFloat("x", 5, 6)).Message);
        Assert.Contains("as another kind, unlike before", Assert.Throws<ArgumentException>(() => trial.SuggestInt("x", 0, 1)).Message);
        Assert.Contains("on a logarithmic scale, unlike before", Assert.Throws<ArgumentException>(() => trial.SuggestFloat("x", 0.1, 1, log: true)).Message);
        trial.SuggestCategorical("kind", "a", "b");
        Assert.Contains("with other choices", Assert.Throws<ArgumentException>(() => trial.SuggestCategorical("kind", "a", "c")).Message);
        Assert.Contains("must not be above the second", Assert.Throws<ArgumentException>(() => trial.SuggestFloat("y", 1, 0)).Message);
        Assert.True(study.Tell(trial, x));
        Assert.Contains("has ended", Assert.Throws<InvalidOperationException>(() => trial.SuggestFloat("z", 0, 1)).Message);
    }

    [Fact]
    public void Choices_are_whatever_code_has()
    {
        var trial = new FunctionStudy(Options("random")).Ask()!;
        Assert.Contains(trial.SuggestCategorical("shape", Shape.Round, Shape.Square), Enum.GetValues<Shape>());
        Assert.Contains(trial.SuggestCategorical("width", 16, 32), new[] { 16, 32 });
        Assert.Contains(trial.SuggestCategorical<string?>("norm", null, "layer"), new[] { null, "layer" });
        Assert.Contains(trial.SuggestCategorical("on", true, false), new[] { true, false });
        Assert.Equal(7, trial.SuggestInt("single", 7, 7));
        Assert.Contains("goes from 0 to 9223372036854775807: both must be between -9007199254740992 and 9007199254740992",
            Assert.Throws<ArgumentException>(() => trial.SuggestInt("whole", 0, long.MaxValue)).Message);
        Assert.Equal(1L << 53, trial.SuggestInt("greatest", 1L << 53, 1L << 53));
        Assert.Contains("of type Object", Assert.Throws<ArgumentException>(() => trial.SuggestCategorical("wrong", new object(), new object())).Message);
        Assert.Contains("2 times", Assert.Throws<ArgumentException>(() => trial.SuggestCategorical("twice", "a", "a")).Message);
    }

    /// <summary>As Optuna allows it: bounds that move; what lies outside of the present ones is no observation.</summary>
    [Theory]
    [InlineData("random")]
    [InlineData("tpe")]
    public async Task Bounds_may_change_from_trial_to_trial(string sampler)
    {
        var study = new FunctionStudy(Options(sampler, trials: 50));
        var status = await study.RunAsync(trial =>
        {
            double top = 1 + trial.Number % 3, x = trial.SuggestFloat("x", 0, top);
            Assert.InRange(x, 0, top);
            Assert.InRange(trial.SuggestInt("n", 0, 10 * (1 + trial.Number % 2), step: 5) % 5, 0, 0);
            return Math.Abs(x - 0.3);
        }, cancellationToken: Token);
        Assert.Equal((50, 0), (status.Counts.Complete, status.Counts.Failed));
    }

    [Fact]
    public async Task Parameters_that_trials_have_together_are_drawn_together()
    {
        var journal = new ListJournal();
        var study = new FunctionStudy(Options(), journal);
        await study.RunAsync(Branches, cancellationToken: Token);
        var drawn = journal.Events.OfType<StudyEvent.DrawnTogether>().Select(d => string.Join(" ", d.Names)).Distinct().Order();
        Assert.Equal(["right.y right.n", "x branch"], drawn);
        // and what was drawn is what is suggested
        foreach (var together in journal.Events.OfType<StudyEvent.DrawnTogether>())
            for (int i = 0; i < together.Names.Length; i++)
            {
                var suggested = new StudyEvent.Suggested(together.Trial, together.Names[i], together.Values[i]);
                Assert.Contains(suggested, journal.Events.OfType<StudyEvent.Suggested>());
            }
    }

    /// <summary>What a trial will have is not known before, as under conditions.</summary>
    [Fact]
    public async Task Auto_is_tpe_for_one_objective_and_for_several_however_many_trials_there_are()
    {
        foreach (int objectives in (int[])[1, 2])
        {
            async Task<IEnumerable<string>> TrialsAsync(string sampler, object? options)
            {
                var study = new FunctionStudy(Options(trials: 40) with
                {
                    Sampler = new(sampler, options),
                    Directions = [.. Enumerable.Repeat(Direction.Minimize, objectives)],
                });
                await study.RunAsync((trial, _) => Task.FromResult<double[]>([.. Enumerable.Repeat(Branches(trial), objectives)]), cancellationToken: Token);
                return study.Trials.Select(t => string.Join(" ", t.Parameters.OrderBy(p => p.Key)));
            }
            Assert.Equal(await TrialsAsync("tpe", null), await TrialsAsync("auto", new AutoOptions { GpTrials = 10, TpeTrials = 10 }));
        }
    }

    [Fact]
    public async Task Each_by_itself_where_the_sampler_is_told_so()
    {
        var journal = new ListJournal();
        var study = new FunctionStudy(Options() with { Sampler = new("tpe", new TpeOptions { Multivariate = false }) }, journal);
        await study.RunAsync(Branches, cancellationToken: Token);
        Assert.Empty(journal.Events.OfType<StudyEvent.DrawnTogether>());
        // on one of the branches
        Assert.InRange(study.BestTrial!.Value, 0, 2.1);
    }

    [Theory]
    [InlineData("random")]
    [InlineData("tpe")]
    public async Task A_study_whose_journal_is_cut_off_at_any_event_ends_as_the_undisturbed_one(string sampler)
    {
        var whole = new ListJournal();
        var options = Options(sampler, trials: 16) with { Sampler = sampler == "tpe" ? new("tpe", new TpeOptions { StartupTrials = 4 }) : new(sampler) };
        var undisturbed = new FunctionStudy(options, whole);
        await undisturbed.RunAsync(Branches, cancellationToken: Token);
        Assert.True(whole.Events.Count > 60, $"{whole.Events.Count} events");
        for (int cut = 0; cut < whole.Events.Count; cut++)
        {
            var journal = new ListJournal();
            journal.Events.AddRange(whole.Events.Take(cut));
            var study = new FunctionStudy(options, journal);
            await study.RunAsync(Branches, cancellationToken: Token);
            Assert.Equal(Enumerable.Range(0, 16), journal.Events.OfType<StudyEvent.Ended>().Select(e => e.Trial));
            Assert.Equal(undisturbed.Trials.Select(Text), study.Trials.Select(Text));
        }
    }

    [Fact]
    public async Task A_point_is_tried_first_and_what_it_leaves_out_is_suggested()
    {
        var study = new FunctionStudy(Options("random", trials: 3));
        study.Enqueue(new Dictionary<string, object?> { ["x"] = 0.5, ["branch"] = "right", ["right.n"] = 3 });
        study.Enqueue(new Dictionary<string, object?> { ["x"] = 7 });
        Assert.Equal(default, study.Enqueue(new Dictionary<string, object?> { ["x"] = 0.25 }));
        Assert.Contains("of 3 trials 0 have begun, and 3 points wait", study.Enqueue(new Dictionary<string, object?> { ["x"] = 0.75 }).Refusal);
        var status = await study.RunAsync(Branches, cancellationToken: Token);
        var first = study.Trials[0].Parameters;
        Assert.Equal((0.5, "right", 3L), (first["x"], first["branch"], first["right.n"]));
        Assert.InRange((double)first["right.y"]!, -3, 3);
        // out of the domain: that trial alone
        Assert.Equal((TrialState.Failed, 2), (study.Trials[1].State, status.Counts.Complete));
        var declared = new FunctionStudy(Options() with { Space = new SearchSpace([new("x", new FloatDomain(0, 1))]) });
        Assert.Contains("declared before", declared.Enqueue(new Dictionary<string, object?> { ["x"] = 1 }).Refusal);
    }

    public static TheoryData<string> OtherSamplers() =>
        [.. SamplerCatalog.Default.Entries.Select(e => e.Name).Except(["random", "tpe", "auto"])];

    [Theory]
    [MemberData(nameof(OtherSamplers))]
    public void A_sampler_that_needs_the_space_before_is_refused_by_name(string sampler)
    {
        var error = Assert.Throws<SpecException>(() => new FunctionStudy(Options(sampler)));
        Assert.Contains($"is {sampler}, which needs the space before the first trial", error.Message);
    }

    [Theory]
    [InlineData("pbt")]
    [InlineData("pb2")]
    public void A_trial_scheduler_that_changes_parameters_needs_them_declared(string scheduler)
    {
        var error = Assert.Throws<SpecException>(() => new FunctionStudy(Options() with { TrialScheduler = new(scheduler), TrialLength = 100 }));
        Assert.Contains(error.Violations, v => v.Path == "study.trial_scheduler" && v.Message.EndsWith("declare the space", StringComparison.Ordinal));
    }

    [Fact]
    public void Settings_that_need_a_declared_space_are_refused_all_at_once()
    {
        var setup = Options().ToSetup();
        setup = setup with { Context = setup.Context with { IsDeterministic = true }, Enqueued = [[1.0]] };
        var error = Assert.Throws<SpecException>(() => new FunctionStudy(setup));
        Assert.Equal(["study.deterministic", "study.enqueue"], error.Violations.Select(v => v.Path));
    }

    [Fact]
    public void Parameters_of_a_declared_space_are_not_suggested()
    {
        var study = new FunctionStudy(Options() with { Space = new SearchSpace([new("x", new FloatDomain(0, 1))]) });
        Assert.Contains("was declared before", Assert.Throws<InvalidOperationException>(() => study.Ask()!.SuggestFloat("x", 0, 1)).Message);
    }

    private static string Text(TrialSnapshot trial) =>
        FormattableString.Invariant($"{trial.Number} {trial.State} {string.Join(" ", trial.Parameters)} {trial.Value:R}");
}
