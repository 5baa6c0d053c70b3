using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Functions;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Tests.Studies.Functions;

/// <summary>What the short form of a study over a function can say.</summary>
public sealed class FunctionStudyOptionsTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("random")]
    [InlineData("tpe")]
    [InlineData("gp")]
    [InlineData("nsga2")]
    public async Task A_trial_that_misses_a_constraint_is_never_the_best(string sampler)
    {
        var study = new FunctionStudy(new FunctionStudyOptions
        {
            Space = new([new("x", new FloatDomain(-2, 2)), new("y", new FloatDomain(-2, 2))]),
            Seed = 3,
            Trials = 60,
            Sampler = new(sampler),
        });
        var status = await study.RunAsync(trial =>
        {
            trial.SetConstraints(1 - trial.Float("x"), trial.Float("y") - 1);
            return trial.Float("x") - trial.Float("y");
        }, cancellationToken: Token);
        var best = study.BestTrial!;
        Assert.True((double)best.Parameters["x"]! >= 1 && (double)best.Parameters["y"]! <= 1, $"{string.Join(", ", best.Parameters)}");
        Assert.Equal(1 - (double)best.Parameters["x"]!, best.Constraints[0]);
        double least = study.Trials.Where(t => t.Constraints.All(c => c <= 0)).Min(t => t.Value);
        Assert.Equal(least, best.Value);
        Assert.Contains(study.Trials, t => t.Value < least && t.Constraints.Any(c => c > 0));
        Assert.Throws<ArgumentException>(() => new FunctionStudy(SomeStudy.Setup()).Ask()!.SetConstraints(double.NaN));
    }

    [Fact]
    public async Task A_pruner_ends_trials_that_are_bad_by_every_objective_and_reports_of_one_value_are_refused()
    {
        var study = new FunctionStudy(new FunctionStudyOptions
        {
            Space = new([new("x", new FloatDomain(0, 1))]),
            Directions = [Direction.Minimize, Direction.Maximize],
            Trials = 30,
            Sampler = new("random"),
            Pruner = new("median"),
        });
        var status = await study.RunAsync((trial, _) =>
        {
            // by both, or by one of the two
            double[] values = trial.Number < 10 ? [1, 1] : trial.Number % 2 == 0 ? [2, 0] : [2, 2];
            Assert.Throws<ArgumentException>(() => trial.Report(1, 1));
            trial.Report(values, 1);
            if (trial.ShouldPrune()) throw new TrialPrunedException();
            return Task.FromResult(values);
        }, cancellationToken: Token);
        Assert.Equal((20, 10), (status.Counts.Complete, status.Counts.Pruned));
        Assert.All(study.Trials.Where(t => t.State == TrialState.Pruned), t => Assert.True(t.Number >= 10 && t.Number % 2 == 0));
    }

    [Fact]
    public async Task A_configuration_that_breaks_a_constraint_on_its_parameters_is_not_tried()
    {
        var options = new FunctionStudyOptions
        {
            Space = new([new("x", new FloatDomain(0, 1)), new("y", new FloatDomain(0, 1))]),
            Trials = 40,
            Constraints = [new() { Parameters = "x - y", AtLeast = 0.2 }],
        };
        var study = new FunctionStudy(options);
        await study.RunAsync(trial => trial.Float("x") + trial.Float("y"), cancellationToken: Token);
        Assert.All(study.Trials, t => Assert.True((double)t.Parameters["x"]! - (double)t.Parameters["y"]! >= 0.2));
        Assert.Equal(40, study.Trials.Count);
        Assert.NotNull(study.Enqueue(0.5, 0.4).Refusal);
    }

    /// <summary>It leaves open what nothing keeps to the constraints: it is left out, and the study ends as one without it.</summary>
    [Fact]
    public async Task A_late_point_that_cannot_be_filled_in_ends_no_grid_study()
    {
        var options = new FunctionStudyOptions
        {
            Space = new([new("x", new IntDomain(0, 5)), new("y", new IntDomain(0, 1))]),
            Sampler = new("grid"),
            Parallel = 1,
            Constraints = [new() { Parameters = "x + y", AtMost = 4 }],
        };
        var study = new FunctionStudy(options);
        var status = await study.RunAsync(trial =>
        {
            if (trial.Number == 8) Assert.Null(study.Enqueue(5, double.NaN).Refusal);
            return trial.Int("x") + trial.Int("y");
        }, cancellationToken: Token);
        // 0 to 3 with both, and 4 with 0 alone
        Assert.Equal(9, status.Counts.Complete);
        Assert.Equal((0, 1), (status.Enqueued, status.Refused));
        Assert.Equal(StudyStopReason.Exhausted, status.End);
    }

    /// <summary>A trial that breaks a constraint is not what others are measured by, however good its values are.</summary>
    [Fact]
    public async Task No_trial_is_ended_for_being_worse_than_one_that_breaks_a_constraint()
    {
        var options = new FunctionStudyOptions { Space = new([new("x", new FloatDomain(0, 1))]), Trials = 3, Parallel = 1, Pruner = new("wilcoxon") };
        var study = new FunctionStudy(options);
        await study.RunAsync(trial =>
        {
            double value = trial.Number == 0 ? 0.1 : trial.Number == 1 ? 0.5 : 0.4;
            for (int fold = 0; fold < 6; fold++)
            {
                trial.Report(value + 0.001 * fold, fold);
                if (trial.ShouldPrune()) throw new TrialPrunedException();
            }
            trial.SetConstraints(trial.Number == 0 ? 5 : -1);
            return value;
        }, cancellationToken: Token);
        Assert.All(study.Trials, t => Assert.Equal(TrialState.Complete, t.State));
        Assert.Equal(2, study.BestTrial!.Number);
    }

    [Fact]
    public async Task Runs_of_a_configuration_are_one_trial_with_their_mean_and_must_have_the_same_constraints()
    {
        var options = new FunctionStudyOptions { Space = new([new("x", new FloatDomain(0, 1))]), Trials = 4, Repeats = 3 };
        var study = new FunctionStudy(options);
        await study.RunAsync(trial =>
        {
            if (trial.Number == 2) trial.SetConstraints(new double[trial.Repeat + 1]);
            else trial.SetConstraints(trial.Repeat - 1.5);
            return trial.Number + trial.Repeat;
        }, cancellationToken: Token);
        Assert.Equal([TrialState.Complete, TrialState.Complete, TrialState.Failed, TrialState.Complete], study.Trials.Select(t => t.State));
        Assert.Equal([1, 2, 4], study.Trials.Where(t => t.State == TrialState.Complete).Select(t => t.Value));
        Assert.Equal([-0.5], study.Trials[0].Constraints);
    }

    /// <summary>After four runs of which each is worse the probability of that between equals is 1/16.</summary>
    [Fact]
    public async Task Wilcoxon_compares_runs_of_configurations_where_there_are_several_and_not_what_they_report_on_their_way()
    {
        var options = new FunctionStudyOptions
        {
            Space = new([new("x", new FloatDomain(0, 1))]),
            Trials = 3,
            Repeats = 6,
            Sampler = new("random"),
            Pruner = new("wilcoxon"),
        };
        var journal = new ListJournal();
        var study = new FunctionStudy(options, journal);
        int[] runs = new int[3];
        await study.RunAsync(trial =>
        {
            runs[trial.Number]++;
            // on its way the second trial looks best
            for (int step = 1; step <= 8; step++) trial.Report(trial.Number == 1 ? 0 : 50, step);
            return trial.Repeat + (trial.Number == 1 ? 1 : trial.Number == 2 ? -1 : 0);
        }, cancellationToken: Token);
        Assert.Equal([6, 4, 6], runs);
        Assert.Equal([TrialState.Complete, TrialState.Pruned, TrialState.Complete], study.Trials.Select(t => t.State));
        Assert.Equal(2, study.BestTrial!.Number);

        for (int cut = 0; cut <= journal.Events.Count; cut++)
        {
            var beginning = new ListJournal();
            beginning.Events.AddRange(journal.Events.Take(cut));
            var again = new FunctionStudy(options, beginning);
            await again.RunAsync(trial => trial.Repeat + (trial.Number == 1 ? 1 : trial.Number == 2 ? -1 : 0), cancellationToken: Token);
            Assert.Equal([TrialState.Complete, TrialState.Pruned, TrialState.Complete], again.Trials.Select(t => t.State));
        }
    }

    [Fact]
    public void Options_that_cannot_be_are_told_all_at_once()
    {
        var options = new FunctionStudyOptions
        {
            Space = new([new("x", new FloatDomain(0, 1))]),
            Parallel = 0,
            Repeats = 0,
            TrialTimeout = 0,
            Constraints = [new() { Metric = "validation.loss", AtMost = 1 }, new() { Parameters = "z", AtLeast = 0 }, new() { Parameters = "x" }],
        };
        var error = Assert.Throws<SpecException>(() => new FunctionStudy(options));
        Assert.Equal(["study.parallel", "study.repeats", "study.trial_timeout", "study.constraints[0]", "study.constraints[1].parameters", "study.constraints[2]"],
            error.Violations.Select(v => v.Path));
    }

    /// <summary>What asks how good a trial is.</summary>
    [Fact]
    public void Several_objectives_do_not_say_when_a_study_is_to_stop()
    {
        var options = new FunctionStudyOptions
        {
            Space = new([new("x", new FloatDomain(0, 1))]),
            Directions = [Direction.Minimize, Direction.Maximize],
            Trials = 9,
            Stop = new() { Target = 1, Patience = new() { Trials = 3 } },
        };
        var error = Assert.Throws<SpecException>(() => new FunctionStudy(options));
        Assert.Equal(["study.stop.target", "study.stop.patience"], error.Violations.Select(v => v.Path));
        Assert.All(error.Violations, v => Assert.Contains("is for one objective, but the study has 2", v.Message));
    }

    [Fact]
    public async Task Any_timing_gives_the_same_deterministic_study()
    {
        async Task<List<string>> Run(int seed)
        {
            var order = new Random(seed);
            var study = new FunctionStudy(new FunctionStudyOptions { Space = SomeStudy.Space, Seed = 5, Trials = 60, Parallel = 4, Deterministic = true });
            var running = new List<FunctionTrial>();
            while (true)
            {
                while (study.Ask() is { } next) running.Add(next);
                if (running.Count == 0) break;
                var done = running[order.Next(running.Count)];
                running.Remove(done);
                study.Tell(done, Math.Pow(done.Float("x") - 1, 2) + done.Int("n"));
            }
            return [.. study.Trials.Select(t => $"{t.Number} {string.Join(", ", t.Parameters)} {t.Value}")];
        }
        var first = await Run(1);
        Assert.Equal(60, first.Count);
        Assert.Equal(first, await Run(2));
    }
}
