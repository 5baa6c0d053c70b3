using System.Collections.Immutable;
using DistOpt.Core.Importance;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using static DistOpt.Core.Tests.Studies.StudyFixture;

namespace DistOpt.Core.Tests.Importance;

public sealed class StudyExplanationTests
{
    private static readonly StudySpec s_spec = Parse("""
        name: three
        study: { metric: validation.accuracy }
        space:
          optimizer.learning_rate: { float: [1e-4, 1e-1], log: true }
          model.dropout: { float: [0, 0.5] }
          batch.size: { choices: [16, 32, 64] }
          training.epochs: 3
        """);

    [Fact]
    public void The_parameter_that_matters_comes_first_with_where_the_best_trials_have_it()
    {
        // better with a high rate, and a little with small batches
        var trials = Trials(200, p => 0.5 + 0.1 * Math.Log10(p.Rate) - 0.02 * p.Batch);
        var explanation = Assert.Single(StudyExplanation.Of(s_spec.Outline, trials));

        string[] names = [.. explanation.Parameters.Select(p => s_spec.Space.Space.Parameters[p.Parameter].Name)];
        Assert.Equal(["optimizer.learning_rate", "batch.size", "model.dropout"], names);
        var rate = explanation.Parameters[0];
        Assert.InRange(rate.Variance.Mean, 0.9, 1);
        Assert.Equal(1, explanation.Parameters.Sum(p => p.Ped.Mean), 1e-12);
        Assert.True(rate.Ped.Mean > 0.5);
        Assert.Equal(20, explanation.Best);
        Assert.Equal((20, 200, RangeEnd.High), (rate.Region.Best, rate.Region.All, rate.Region.End));
        Assert.InRange(rate.Region.Low, 0.03, 0.1);
        Assert.InRange(rate.Region.Share, 0.01, 0.2);
        // a rate in the highest of fifty places instead of any
        Assert.InRange(explanation.Estimated.Value, 0.08, 0.1);
        Assert.InRange(explanation.Estimated.Gain.Mean, 0.12, 0.16);
        Assert.Equal(rate.Parameter, explanation.Estimated.Parameter);
        Assert.InRange(explanation.Fit!.Value, 0.95, 1);
        Assert.All(explanation.Interactions, i => Assert.False(i.Matters));
        var batch = explanation.Parameters[1].Region;
        Assert.Equal((200, 20), (batch.Choices.Sum(c => c.All), batch.Choices.Sum(c => c.Best)));
        Assert.True(double.IsNaN(batch.Low));
    }

    /// <summary>A tenth of four hundred trials says more than that of fifty; the same trials and seed say the same.</summary>
    [Fact]
    public void How_sure_it_is_what_tells_the_best_trials_from_all_grows_with_the_trials()
    {
        ImmutableArray<ParameterExplanation> Of(int count) =>
            StudyExplanation.Of(s_spec.Outline, Trials(count, p => 0.5 + 0.1 * Math.Log10(p.Rate) - 0.05 * p.Batch))[0].Parameters;

        var (few, many) = (Of(50), Of(800));
        foreach (var parameter in many)
            Assert.InRange(parameter.Ped.Deviation, 1e-6, 0.7 * few.Single(p => p.Parameter == parameter.Parameter).Ped.Deviation);
        Assert.Equal(few.Select(p => p.Ped), Of(50).Select(p => p.Ped));
    }

    [Fact]
    public void A_pair_that_works_only_together_is_found()
    {
        var explanation = StudyExplanation.Of(s_spec.Outline, Trials(300, p => p.Batch == 0 ? p.Dropout : 0.5 - p.Dropout))[0];
        var pair = explanation.Interactions[0];
        Assert.Equal(["batch.size", "model.dropout"], ((int[])[pair.First, pair.Second]).Select(p => s_spec.Space.Space.Parameters[p].Name).Order());
        Assert.True(pair.Matters);
        Assert.InRange(pair.Variance.Mean, 0.5, 1);
        Assert.Single(explanation.Interactions, i => i.Matters);
    }

    [Fact]
    public void The_largest_gain_between_two_trials_that_differ_in_one_setting_is_told()
    {
        TrialRecord[] trials =
        [
            Trial(0, 1e-3, 0.1, 0, 0.5), Trial(1, 1e-3, 0.1, 2, 0.7), Trial(2, 1e-2, 0.1, 2, 0.6), Trial(3, 1e-2, 0.2, 0, 0.95), Trial(4, 1e-3, 0.1, 1, 0.55),
        ];
        var observed = StudyExplanation.Of(s_spec.Outline, trials)[0].Observed!;
        Assert.Equal((Index("batch.size"), 0, 1, 0.2), (observed.Parameter, observed.Worse.Number, observed.Better.Number, Math.Round(observed.Gain, 12)));
        Assert.Null(StudyExplanation.Of(s_spec.Outline, [trials[0], trials[3]])[0].Observed);
    }

    [Fact]
    public void What_exists_only_beside_another_value_belongs_to_the_change_of_that_value()
    {
        var space = new SearchSpace(
        [
            new("kind", new ChoiceDomain(["a", "b", "c"])), new("m", new FloatDomain(0, 1), new Condition("kind", Among: [0, 2])), new("x", new FloatDomain(0, 1)),
        ]);
        ObservedChange? Largest(params ComparedTrial[] trials) =>
            ObservedChange.Largest(new ComparedTrials(space, "loss", Direction.Minimize, null, [.. trials])
            {
                Complete = trials.Length,
                Enough = 0,
                Failed = 0,
                Diverged = 0,
            });

        var found = Largest(new(0, [0, 0.5, 0.25], 3, true), new(1, [1, double.NaN, 0.25], 1, true), new(2, [2, 0.75, 0.25], 0, true))!;
        // from a to c the momentum would change too; from b it only appears
        Assert.Equal((0, 0, 1, 2.0), (found.Parameter, found.Worse.Number, found.Better.Number, found.Gain));
        Assert.Null(Largest(new(0, [0, 0.5, 0.25], 3, true), new(2, [2, 0.75, 0.25], 0, true)));
        Assert.Null(Largest(new(0, [0, 0.5, 0.25], 3, true), new(1, [1, double.NaN, 0.25], 1, false)));
    }

    [Fact]
    public void Where_most_trials_end_early_all_are_compared_at_the_last_step_that_enough_reached()
    {
        var trials = Trials(30, p => p.Dropout);
        for (int i = 0; i < 30; i++)
        {
            int steps = i < 4 ? 9 : i < 14 ? 3 : 1;
            trials[i] = trials[i] with
            {
                State = steps == 9 ? TrialState.Complete : TrialState.Pruned,
                Values = steps == 9 ? trials[i].Values : [],
                Reports = [.. Enumerable.Range(1, steps).Select(s => new Report(s, s + trials[i].Values[0]))],
            };
        }
        // three searched parameters: twelve trials
        var compared = ComparedTrials.Of(s_spec.Outline, trials);
        Assert.Equal((3L, 14, 4, 12), (compared.Step, compared.Trials.Length, compared.Complete, compared.Enough));
        Assert.Equal(3 + trials[5].Reports[0].Value - 1, compared.Trials[5].Value);
        Assert.Equal(1L, ComparedTrials.Of(s_spec.Outline, trials[10..]).Step);
        Assert.Equal(4, ComparedTrials.AtEnd(s_spec.Outline, trials).Trials.Length);
        // without any that ended early the complete ones are all there is
        Assert.Null(ComparedTrials.Of(s_spec.Outline, trials[..4]).Step);
    }

    [Fact]
    public void What_a_trial_reported_before_it_copied_another_one_is_compared_with_what_it_had_then()
    {
        var begun = Trial(0, 1e-3, 0.1, 0, 0.5);
        var copied = Trial(0, 1e-2, 0.4, 0, 0.5).Parameters;
        TrialRecord[] trials =
        [
            begun with
            {
                State = TrialState.Running,
                Parameters = copied,
                Reports = [new(2, 0.25), new(4, 0.75)],
                Exploits = [new TrialExploit(2, 1, begun.Parameters, copied)],
            },
            Trial(1, 1e-3, 0.2, 1, 0.9) with { Reports = [new(2, 0.5), new(4, 0.9)] },
        ];
        Assert.Equal(begun.Parameters, ComparedTrials.At(s_spec.Outline, trials, 2).Trials[0].Parameters);
        Assert.Equal(copied, ComparedTrials.At(s_spec.Outline, trials, 4).Trials[0].Parameters);
    }

    /// <summary>As Optuna's filter of the best: those up to the value of the last one of the share.</summary>
    [Fact]
    public void Trials_that_tie_with_the_last_one_of_the_best_are_among_the_best()
    {
        // all with the smallest batch are as good as can be, the first of them with low rates
        TrialRecord[] trials = [.. Enumerable.Range(0, 90).Select(i => Trial(i, Math.Pow(10, -4 + i / 30.0), 0.1, i % 3, i % 3 == 0 ? 1 : 0.5 + i * 1e-3))];
        var explanation = Assert.Single(StudyExplanation.Of(s_spec.Outline, trials));
        Assert.Equal(30, explanation.Best);
        string[] names = [.. explanation.Parameters.OrderByDescending(p => p.Ped.Mean).Select(p => s_spec.Space.Space.Parameters[p.Parameter].Name)];
        Assert.Equal("batch.size", names[0]);
        Assert.InRange(explanation.Parameters.Max(p => p.Ped.Mean), 0.85, 1);
    }

    [Fact]
    public void Infeasible_trials_are_behind_all_others()
    {
        TrialRecord[] trials = [Trial(0, 1e-3, 0.1, 0, 0.5), Trial(1, 1e-3, 0.2, 1, 0.9) with { Constraints = [0.5] }, Trial(2, 1e-3, 0.3, 1, 0.6)];
        Assert.Equal([2, 0, 1], ComparedTrials.AtEnd(s_spec.Outline, trials).Ranked.Select(t => t.Number));
    }

    [Fact]
    public void All_that_is_wrong_is_named_at_once()
    {
        string[] Errors(TrialRecord[] trials, ExplanationOptions options) =>
            [.. Assert.Throws<SpecException>(() => StudyExplanation.Of(s_spec.Outline, trials, options)).Violations.Select(v => v.ToString())];

        var trials = Trials(20, p => p.Dropout);
        Assert.Equal(
        [
            "--params: 'model.dropuot' is no parameter of the space; did you mean 'model.dropout'?",
            "--params: 'training.epochs' has only one value; leave it away",
            "--quantile: is 1, but must be above 0 and below 1",
            "--at: is 7, where 0 trials have reported, but at least 2 are needed; no step has them",
        ], Errors(trials, new() { Parameters = ["model.dropuot", "training.epochs"], Quantile = 1, Step = 7 }));
        Assert.Equal(["study: has 1 complete trials with a finite validation.accuracy of 1 that have ended, but at least 2 are needed; wait for more, or sweep again"],
            Errors(trials[..1], new()));
        Assert.Equal(["study: has 20 trials that all have validation.accuracy 0.5: there is nothing to explain"], Errors(Trials(20, _ => 0.5), new()));
    }

    [Fact]
    public void Of_several_objectives_each_is_explained_and_only_the_parameters_that_are_asked_for()
    {
        var spec = Parse("""
            study: { objectives: [{ metric: validation.loss }, { metric: validation.accuracy }] }
            space: { model.dropout: { float: [0, 0.5] }, batch.size: { choices: [16, 32, 64] } }
            """);
        int dropout = spec.Space.Space.IndexOf("model.dropout");
        TrialRecord[] trials = [.. Enumerable.Range(0, 60).Select(i =>
        {
            double[] point = new double[2];
            (point[dropout], point[1 - dropout]) = (0.5 * Unit(i, 2), i % 3);
            return Record(i, [.. point]) with { Values = [point[dropout], point[1 - dropout]] };
        })];
        var explanations = StudyExplanation.Of(spec.Outline, trials);
        Assert.Equal(["validation.loss", "validation.accuracy"], explanations.Select(e => e.Trials.Metric));
        Assert.Equal([dropout, 1 - dropout], explanations.Select(e => e.Parameters[0].Parameter));
        Assert.Equal([dropout], StudyExplanation.Of(spec.Outline, trials, new() { Parameters = ["model.dropout"] })[1].Parameters.Select(p => p.Parameter));
    }

    private static int Index(string name) => s_spec.Space.Space.IndexOf(name);

    private static double Unit(int i, int prime) => i * Math.Sqrt(prime) % 1;

    private static TrialRecord[] Trials(int count, Func<(double Rate, double Dropout, int Batch), double> value) => [.. Enumerable.Range(0, count).Select(i =>
    {
        var (rate, dropout, batch) = (1e-4 * Math.Pow(1e3, Unit(i, 2)), 0.5 * Unit(i, 3), (int)(3 * Unit(i, 5)));
        return Trial(i, rate, dropout, batch, value((rate, dropout, batch)));
    })];

    private static TrialRecord Trial(int number, double rate, double dropout, int batch, double value)
    {
        double[] point = new double[s_spec.Space.Space.Count];
        (point[Index("optimizer.learning_rate")], point[Index("model.dropout")], point[Index("batch.size")], point[Index("training.epochs")]) = (rate, dropout, batch, 3);
        return Record(number, [.. point]) with { Values = [value] };
    }

    private static TrialRecord Record(int number, ImmutableArray<double> point) =>
        new(number, TrialState.Complete, TrialEndCause.Done, point, [], [], [], 1, [], 1, null);
}
