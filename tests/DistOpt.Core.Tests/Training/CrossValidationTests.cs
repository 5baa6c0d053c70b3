using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Training;

public sealed class CrossValidationTests
{
    [Fact]
    public void Mean_and_deviation_are_over_the_folds()
    {
        var result = new CrossValidation("job", [Fold(0, 0.9), Fold(1, 0.96), Fold(2, 0.96)], 3);

        Assert.Equal(0.94, result.Mean[DataSplit.Validation]["accuracy"], 1e-15);
        Assert.Equal(Math.Sqrt((0.04 * 0.04 + 2 * 0.02 * 0.02) / 2), result.Deviation[DataSplit.Validation]["accuracy"], 1e-15);
        Assert.Empty(result.Mean[DataSplit.Test]);
        Assert.Equal((RunStatus.Completed, StopReason.Epochs), (result.Summary.Status, result.Summary.StopReason));
        Assert.Equal((30, 60), (result.Summary.Steps, result.Summary.Samples));
        Assert.Equal(0.94, result.Summary.Validation["accuracy"], 1e-15);
    }

    [Theory]
    [InlineData(RunStatus.Failed, RunStatus.Failed)]
    [InlineData(RunStatus.Interrupted, RunStatus.Interrupted)]
    [InlineData(RunStatus.Cancelled, RunStatus.Cancelled)]
    [InlineData(null, RunStatus.Interrupted)]
    public void While_a_fold_is_not_complete_there_is_no_mean(RunStatus? second, RunStatus whole)
    {
        var result = new CrossValidation("job", [Fold(0, 0.9), second is { } status ? Fold(1, 0.8, status) : new FoldResult(1, null, null)], 3);

        Assert.Equal(whole, result.Summary.Status);
        Assert.Empty(result.Mean[DataSplit.Validation]);
        Assert.Empty(result.Summary.Validation);
        Assert.Equal(second == RunStatus.Failed ? "fold 1: it broke" : null, result.Summary.Error);
    }

    [Fact]
    public void The_files_hold_every_fold_and_the_summary_reads_as_one_of_a_run()
    {
        string folder = Directory.CreateTempSubdirectory("distopt-folds-").FullName;
        try
        {
            var result = new CrossValidation("job", [Fold(0, 0.9), Fold(1, 0.8)], 3);
            FoldFiles.Write(new RunDirectory(folder), result);

            Assert.Equal(
                ["fold,status,steps,selected_step,wall_seconds,train.loss,validation.accuracy", "0,completed,10,8,1.5,0.25,0.9", "1,completed,10,8,1.5,0.25,0.8", ""],
                File.ReadAllText(Path.Combine(folder, FoldFiles.TableName)).Split('\n'));
            string text = File.ReadAllText(new RunDirectory(folder).SummaryFile);
            Assert.Equal(result.Summary.Validation, RunJson.ParseSummary(text).Validation);
            using var json = JsonDocument.Parse(text);
            Assert.Equal(0.85, json.RootElement.GetProperty("mean").GetProperty("validation").GetProperty("accuracy").GetDouble(), 1e-15);
            Assert.Equal(2, json.RootElement.GetProperty("folds").GetArrayLength());
            Assert.Equal("run-1", json.RootElement.GetProperty("folds")[1].GetProperty("run").GetString());
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static FoldResult Fold(int fold, double accuracy, RunStatus status = RunStatus.Completed) => new(fold, $"run-{fold}", new RunSummary
    {
        Job = $"job-{fold}",
        Status = status,
        StopReason = StopReason.Epochs,
        Error = status == RunStatus.Failed ? "it broke" : null,
        Steps = 10,
        Samples = 20,
        WallSeconds = 1.5,
        Selected = new SelectedWeights(8, "validation.loss", 0.3),
        Train = new Dictionary<string, double> { ["loss"] = 0.25 },
        Validation = new Dictionary<string, double> { ["accuracy"] = accuracy },
    });
}
