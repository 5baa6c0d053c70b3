using System.Text.Json;
using DistOpt.Core.Runs;

namespace DistOpt.EndToEnd.Tests.Support;

/// <summary>Compares a run with the undisturbed one: weights, what was selected, every metric, every row.</summary>
internal static class SameRun
{
    /// <summary>The same spec in one process, for as long as it takes. Returns what <c>train --format json</c> prints.</summary>
    public static async Task<JsonElement> UndisturbedAsync(TestFolder folder, string spec)
    {
        await using var process = ProgramProcess.Start(ProgramProcess.Cli, folder.Path, null, "train", folder.Write("spec.yaml", spec), "--workers", "1", "--servers", "1",
            "--set", "training.replicas=0", "--out", folder.In("calm"), "--format", "json");
        await process.EndAsync();
        Xunit.Assert.True(process.ExitCode == 0, process.Describe());
        return process.Json;
    }

    /// <param name="undisturbed">What <c>train --format json</c> printed.</param>
    /// <param name="run">Run directory of the other.</param>
    public static void Assert(JsonElement undisturbed, string run)
    {
        var calm = RunDirectoryReader.Open(undisturbed.GetProperty("run").GetString()!);
        var other = RunDirectoryReader.Open(run);
        var (expected, actual) = (calm.Summary()!, other.Summary()!);
        List<string> rows = Rows(calm), others = Rows(other);
        int same = rows.Zip(others).TakeWhile(r => r.First == r.Second).Count();
        // where it begins tells more than that the weights are others in the end
        if (same < rows.Count || same < others.Count)
        {
            Xunit.Assert.Fail($"""
                after {same} rows that are the same there is
                  {others.ElementAtOrDefault(same) ?? "nothing more"}
                and not
                  {rows.ElementAtOrDefault(same) ?? "nothing more"}
                what the run says:
                  {string.Join("\n  ", File.ReadLines(Path.Combine(run, "log.jsonl")))}
                """);
        }
        Xunit.Assert.Equal(expected.WeightsSha256, actual.WeightsSha256);
        Xunit.Assert.Equal((expected.Steps, expected.Samples, expected.Selected), (actual.Steps, actual.Samples, actual.Selected));
        Xunit.Assert.Equal(expected.Train, actual.Train);
        Xunit.Assert.Equal(expected.Validation, actual.Validation);
        Xunit.Assert.Equal(expected.Test, actual.Test);
    }

    /// <summary>Without what time has put into them.</summary>
    private static List<string> Rows(RunDirectoryReader run) => [.. run.Rows()
        .Select(r => $"{r.Split} {r.Step} {r.Epoch} {string.Join(" ", r.Metrics.Select(m => $"{m.Key}={m.Value:R}"))}")];
}
