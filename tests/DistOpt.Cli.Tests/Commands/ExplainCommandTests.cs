using DistOpt.Cli.Tests.Support;
using DistOpt.Core.Studies;

namespace DistOpt.Cli.Tests.Commands;

public sealed class ExplainCommandTests : IDisposable
{
    private readonly CliRun _cli = new();

    public void Dispose() => _cli.Dispose();

    [Fact]
    public async Task A_person_reads_what_was_compared_a_row_for_each_parameter_and_what_follows_from_it()
    {
        var spec = ExampleStudy.Parse(ExampleStudy.Spec);
        string study = ExampleStudy.Write(_cli.In("made"), spec, ExampleStudy.Trials(spec, 90));
        Assert.True(await _cli.RunAsync("explain", study) == 0, _cli.Error);

        string[] lines = _cli.Out.Split('\n');
        // ten are complete, of the twelve that three parameters want: thirty got to epoch 3
        Assert.Equal("made: 30 trials compared by validation.accuracy (maximize) at epoch 3; 10 are complete, fewer than the 12 that would be compared by their values", lines[0]);
        Assert.Matches("^the forest behind these figures explains 9\\d % of how trials vary that it has not seen$", lines[1]);
        Assert.Matches("^parameter +fANOVA +PED-ANOVA +in the best 5 trials +searched$", lines[3]);
        Assert.Matches("^optimizer.learning_rate +9\\d % ± \\S+ % +\\d+ % ± \\S+ % +0\\.\\d+ \\.\\. 0\\.\\d+ \\(\\S+ % of the range\\) +0.0001 \\.\\. 0.1, log$", lines[4]);
        Assert.Contains(lines, l => l.StartsWith("- optimizer.learning_rate matters most: 9", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.StartsWith("- The best trials have optimizer.learning_rate at the upper end of its range", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.StartsWith("- No two trials differ in one setting alone. The one change that gains most, as the forest estimates it: optimizer.learning_rate at 0.0",
            StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(24, 24, "; 24 failed (all of them diverged) and are not compared")]
    [InlineData(24, 20, "; 24 failed (20 of them diverged) and are not compared")]
    [InlineData(2, 0, "; 2 failed (none of them diverged) and are not compared")]
    [InlineData(1, 1, "; 1 failed (it diverged) and is not compared")]
    [InlineData(0, 0, "")]
    public async Task It_is_said_how_many_trials_failed_and_are_not_compared(int failed, int diverged, string said)
    {
        var spec = ExampleStudy.Parse(ExampleStudy.TwoObjectives);
        var complete = ExampleStudy.Complete(spec, [.. Enumerable.Range(0, 12).Select(i => (1 - 0.01 * i, 0.5 + 0.02 * (i % 5)))]);
        string study = ExampleStudy.Write(_cli.In("two"), spec, complete.Concat(ExampleStudy.Failed(complete.First(), 12, failed, diverged)));
        Assert.True(await _cli.RunAsync("explain", study) == 0, _cli.Error);
        string[] lines = _cli.Out.Split('\n');
        Assert.Equal($"two: 12 trials compared by validation.loss (minimize){said}", lines[0]);
        Assert.Contains($"two: 12 trials compared by validation.accuracy (maximize){said}", lines);
        Assert.True(await _cli.RunAsync("explain", study, "--format", "json") == 0, _cli.Error);
        var objective = _cli.Json().GetProperty("objectives")[0];
        Assert.Equal((failed, diverged), (objective.GetProperty("failed").GetInt32(), objective.GetProperty("diverged").GetInt32()));
    }

    [Fact]
    public async Task Where_too_few_trials_can_be_compared_it_is_said_how_many_failed()
    {
        var spec = ExampleStudy.Parse(ExampleStudy.TwoObjectives);
        var complete = ExampleStudy.Complete(spec, (1, 0.5));
        string study = ExampleStudy.Write(_cli.In("two"), spec, complete.Concat(ExampleStudy.Failed(complete.First(), 1, 3, 2)));
        Assert.Equal(2, await _cli.RunAsync("explain", study));
        Assert.Contains(_cli.ErrorLines(), l => l.Contains("of 4 that have ended (3 failed, 2 of them diverged), but at least 2 are needed", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_change_that_two_trials_measured_is_told_as_such()
    {
        var spec = ExampleStudy.Parse(ExampleStudy.TwoObjectives);
        string study = ExampleStudy.Write(_cli.In("two"), spec, ExampleStudy.Complete(spec, (1, 0.5), (0.9, 0.6), (0.8, 0.5), (0.7, 0.9), (0.6, 0.3), (0.2, 0.8)));
        Assert.True(await _cli.RunAsync("explain", study) == 0, _cli.Error);
        // adam with batch sizes 32, 16 and 64
        Assert.Contains("- The one change that gained most, as measured: batch.size from 32 to 64, validation.loss 0.9000 to 0.2000 (trials 1 and 5, alike in all else", _cli.Out);
        // the momentum, which only sgd has, goes with it
        Assert.Contains("optimizer.kind from sgd to adam, validation.accuracy 0.5000 to 0.9000 (trials 0 and 3", _cli.Out);
    }

    [Fact]
    public async Task The_same_in_numbers()
    {
        var spec = ExampleStudy.Parse(ExampleStudy.Spec);
        string study = ExampleStudy.Write(_cli.In("studies/made"), spec, ExampleStudy.Trials(spec, 90));
        Assert.True(await _cli.RunAsync("explain", "made", "--format", "json", "--at", "1", "--params", "model.dropout,optimizer.learning_rate") == 0, _cli.Error);

        var json = _cli.Json();
        Assert.Equal(study, json.GetProperty("study").GetString());
        var objective = Assert.Single(json.GetProperty("objectives").EnumerateArray());
        Assert.Equal(("validation.accuracy", "maximize", 90, 10, 1, 9), (objective.GetProperty("metric").GetString(), objective.GetProperty("direction").GetString(),
            objective.GetProperty("trials").GetInt32(), objective.GetProperty("complete").GetInt32(), objective.GetProperty("step").GetInt32(),
            objective.GetProperty("best_trials").GetInt32()));
        var parameters = objective.GetProperty("parameters").EnumerateArray().ToList();
        Assert.Equal(["optimizer.learning_rate", "model.dropout"], parameters.Select(p => p.GetProperty("name").GetString()));
        Assert.InRange(parameters[0].GetProperty("fanova").GetProperty("mean").GetDouble(), 0.9, 1);
        Assert.InRange(parameters[0].GetProperty("ped_anova").GetProperty("mean").GetDouble(), 0.5, 1);
        Assert.InRange(parameters[0].GetProperty("ped_anova").GetProperty("deviation").GetDouble(), 1e-6, 0.5);
        Assert.Equal("high", parameters[0].GetProperty("best").GetProperty("at_end").GetString());
        Assert.False(Assert.Single(objective.GetProperty("interactions").EnumerateArray()).GetProperty("matters").GetBoolean());
        Assert.Equal("optimizer.learning_rate", objective.GetProperty("change").GetProperty("estimated").GetProperty("parameter").GetString());
        string first = _cli.Out;
        Assert.Equal(0, await _cli.RunAsync("explain", "made", "--format", "json", "--at", "1", "--params", "model.dropout,optimizer.learning_rate"));
        Assert.Equal(first, _cli.Out);
    }

    /// <summary>Of 54 trials six are complete and the others paused: what is told is what the study would say if it ended now.</summary>
    [Fact]
    public async Task Of_a_study_that_is_not_over_paused_trials_count_with_what_they_reported()
    {
        var spec = ExampleStudy.Parse(ExampleStudy.Spec);
        Assert.True(await _cli.RunAsync("explain", ExampleStudy.Write(_cli.In("over"), spec, ExampleStudy.Trials(spec, 54)), "--format", "json") == 0, _cli.Error);
        Assert.Equal("null", _cli.Json().GetProperty("not_ended").GetRawText());
        string over = _cli.Json().GetProperty("objectives").GetRawText();
        string study = ExampleStudy.Write(_cli.In("made"), spec, ExampleStudy.Trials(spec, 54).Where(t => t.State == TrialState.Complete));
        ExampleStudy.WriteJournal(study, ExampleStudy.Halfway(spec, 54));

        Assert.True(await _cli.RunAsync("explain", study, "--format", "json") == 0, _cli.Error);
        Assert.Equal(over, _cli.Json().GetProperty("objectives").GetRawText());
        Assert.Equal((48, 1), (_cli.Json().GetProperty("not_ended").GetProperty("paused").GetInt32(), _cli.Json().GetProperty("not_ended").GetProperty("under_way").GetInt32()));
        Assert.True(await _cli.RunAsync("explain", study) == 0, _cli.Error);
        Assert.StartsWith("made: 18 trials compared by validation.accuracy (maximize) at epoch 3; 6 are complete", _cli.Out);
        Assert.Equal("note: 49 trials have not ended (48 paused, 1 under way): where trials are compared at a step, what such a one reported there counts",
            Assert.Single(_cli.ErrorLines()));
    }

    [Fact]
    public async Task Of_a_copy_that_has_no_journal_it_is_said_that_nothing_is_told_of_paused_trials_unless_it_is_over()
    {
        var spec = ExampleStudy.Parse(ExampleStudy.Spec);
        string study = ExampleStudy.Write(_cli.In("made"), spec, ExampleStudy.Trials(spec, 54));
        Assert.True(await _cli.RunAsync("explain", study) == 0, _cli.Error);
        Assert.Equal("note: trials that are paused or running are not told: the study's folder has no journal, only those that have ended", Assert.Single(_cli.ErrorLines()));
        _cli.Write("made/summary.json", "{}");
        Assert.True(await _cli.RunAsync("explain", study) == 0, _cli.Error);
        Assert.Empty(_cli.Error);
    }

    [Fact]
    public async Task At_a_step_of_a_study_with_several_objectives_it_is_said_that_only_the_first_is_told_of()
    {
        var spec = ExampleStudy.Parse(ExampleStudy.TwoObjectives);
        var trials = ExampleStudy.Complete(spec, (1, 0.5), (0.9, 0.6), (0.8, 0.5), (0.7, 0.9), (0.6, 0.3), (0.2, 0.8));
        string study = ExampleStudy.Write(_cli.In("two"), spec, trials.Select(t => t with { Reports = [new(1, 2 * t.Values[0])] }));
        _cli.Write("two/summary.json", "{}");
        Assert.True(await _cli.RunAsync("explain", study, "--at", "1", "--format", "json") == 0, _cli.Error);
        Assert.Equal("validation.loss", Assert.Single(_cli.Json().GetProperty("objectives").EnumerateArray()).GetProperty("metric").GetString());
        Assert.Equal("note: --at: on their way trials report only validation.loss, so that alone is told of; without --at all 2 objectives are", Assert.Single(_cli.ErrorLines()));
        Assert.True(await _cli.RunAsync("explain", study) == 0, _cli.Error);
        Assert.Empty(_cli.Error);
    }

    [Fact]
    public async Task All_that_is_wrong_is_named_at_once()
    {
        Assert.Equal(2, await _cli.RunAsync("explain", "nowhere"));
        Assert.StartsWith("error: study: 'nowhere' is no study", Assert.Single(_cli.ErrorLines()));
        var spec = ExampleStudy.Parse(ExampleStudy.Spec);
        string study = ExampleStudy.Write(_cli.In("made"), spec, ExampleStudy.Trials(spec, 20));
        Assert.Equal(2, await _cli.RunAsync("explain", study, "--params", "model.dropuot,batch.size", "--quantile", "0", "--at", "5"));
        Assert.Equal(
        [
            "error: --params: 'model.dropuot' is no parameter of the space; did you mean 'model.dropout'?",
            "error: --params: 'batch.size' is no parameter of the space; known are optimizer.learning_rate, model.dropout, model.activation",
            "error: --quantile: is 0, but must be above 0 and below 1",
        ], _cli.ErrorLines());
        Assert.Equal(2, await _cli.RunAsync("explain", ExampleStudy.Write(_cli.In("new"), spec)));
        Assert.StartsWith("error: study: has 0 complete trials with a finite validation.accuracy of 0 that have ended", Assert.Single(_cli.ErrorLines()));
    }
}
