using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Actors.Tests.Support;

/// <summary>Compares a job that was disturbed with the same one that was not.</summary>
internal static class SameSummary
{
    /// <summary>The job alone on one node, without backups and shared storage.</summary>
    public static async Task<RunSummary> Undisturbed(TrainingSpec spec)
    {
        await using var harness = new JobHarness([new LinearRuntime(buffers: true)], isAlone: true);
        spec = spec with { Storage = new StorageSection(), Training = spec.Training with { Replicas = 0 } };
        var (end, _) = await harness.RunAsync(spec, TestContext.Current.CancellationToken);
        Assert.Equal(RunStatus.Completed, end.Summary.Status);
        return end.Summary;
    }

    /// <summary>Bits, steps, selection and every metric are equal.</summary>
    public static void AssertSame(RunSummary expected, RunSummary actual)
    {
        Assert.True(actual.Status == RunStatus.Completed, actual.Error);
        Assert.Equal(expected.WeightsSha256, actual.WeightsSha256);
        Assert.Equal(expected.Steps, actual.Steps);
        Assert.Equal(expected.Selected, actual.Selected);
        Assert.Equal(expected.Validation, actual.Validation);
        Assert.Equal(expected.Test, actual.Test);
        Assert.Equal(expected.Train, actual.Train);
    }

    /// <summary>What a run leaves is equal: average, selected weights, buffers.</summary>
    public static void AssertSame(RecordingSink expected, RecordingSink actual)
    {
        Assert.Equal(expected.LastAverage, actual.LastAverage);
        Assert.Equal(expected.Selected, actual.Selected);
        Assert.Equal(expected.SelectedBuffers, actual.SelectedBuffers);
        Assert.Equal(expected.LastBuffers, actual.LastBuffers);
    }
}
