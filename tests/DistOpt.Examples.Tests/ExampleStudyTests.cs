namespace DistOpt.Examples.Tests;

/// <summary>Studies, from spec files and from code.</summary>
public sealed class ExampleStudyTests : ExampleRuns
{
    [Fact]
    public async Task A_sweep_over_an_option_of_the_users_own_model_finds_one_that_learns_the_spirals()
    {
        var result = await RunAsync(["sweep", Spec("spirals-sweep.yaml"), "--out", Path.Combine(Folder, "study"), "--format", "json"]);

        Assert.True(result.Code == 0, result.Error);
        var json = System.Text.Json.JsonDocument.Parse(result.Out).RootElement;
        Assert.InRange(json.GetProperty("best").GetProperty("params").GetProperty("model.width").GetInt32(), 4, 128);
        double test = json.GetProperty("test").GetProperty("accuracy").GetDouble();
        Assert.True(test > 0.9, $"test accuracy is {test}");
    }

    [Fact]
    public async Task A_study_over_a_function_finds_the_minimum_and_goes_on_from_its_journal()
    {
        string file = Path.Combine(Folder, "study.db");
        var first = await RunAsync(["study-function", file]);
        Assert.True(first.Code == 0, first.Error);
        Assert.Contains("100 trials; the least value is 0.", first.Out);
        Assert.Equal(100, first.Out.Split('\n').Count(l => l.Contains(" Complete: best so far ", StringComparison.Ordinal)));
        // it has ended: nothing is computed again
        var again = await RunAsync(["study-function", file]);
        Assert.Equal(first.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1], again.Out.Trim());
    }

    [Fact]
    public async Task A_study_that_is_asked_and_told_finds_the_minimum()
    {
        var result = await RunAsync(["study-ask-tell"]);
        Assert.True(result.Code == 0, result.Error);
        Assert.Matches("the least value is [01]\\.", result.Out);
    }

    [Fact]
    public async Task A_study_whose_trials_define_their_parameters_prunes_and_keeps_attributes()
    {
        var result = await RunAsync(["study-define-by-run"]);
        Assert.True(result.Code == 0, result.Error);
        Assert.Contains("trials are Pruned", result.Out);
        Assert.Contains("trials are Complete", result.Out);
        Assert.DoesNotContain("Failed", result.Out);
        Assert.Contains(", x = ", result.Out);
    }

    [Fact]
    public async Task A_study_over_training_specs_is_run_from_code()
    {
        var result = await RunAsync(["study-training", "--out", Path.Combine(Folder, "study")]);
        Assert.True(result.Code == 0, result.Error);
        Assert.Contains("best: trial ", result.Out);
        Assert.True(File.Exists(Path.Combine(Folder, "study", "best.yaml")));
    }
}
