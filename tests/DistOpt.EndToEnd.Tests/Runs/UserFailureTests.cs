using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.EndToEnd.Tests.Runs;

/// <summary>User code that throws, or that takes its process with it.</summary>
public sealed class UserFailureTests : IDisposable
{
    private static readonly string[] Train = ["train", "--set", "model.kind=crasher", "--set", "training.gradient_shards=4", "--set", "training.epochs=1"];

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    [Trait("Category", "Long")]
    public async Task A_process_that_ends_itself_is_shown_with_its_last_lines_and_the_run_goes_on()
    {
        _folder.Write("taken", "");
        var calm = await _folder.JsonAsync([.. Train, "--set", $"model.once={_folder.In("taken")}", "--workers", "1"]);

        var run = await ProgramProcess.JsonAsync(ProgramProcess.Fixture, _folder.Path, [.. Train, "--set", "model.how=fail-fast",
            "--set", $"model.once={_folder.In("once")}", "--workers", "2", "--processes", "2"]);

        Assert.Equal("completed", run.Text("status"));
        Assert.Equal(calm.Text("weights_sha256"), run.Text("weights_sha256"));
        var failure = Assert.Single(Failures(run));
        Assert.Contains("exit code 134 (SIGABRT)", failure.Text("why"));
        Assert.Contains("worker", failure.Text("roles"));
        string[] last = [.. failure.GetProperty("last_lines").EnumerateArray().Select(l => l.GetString()!)];
        // what user code wrote long before, and what the runtime said when the process died
        Assert.Contains(last, l => l.EndsWith("has begun", StringComparison.Ordinal));
        Assert.Contains("the crasher has had enough", failure.Text("stack"));
        Assert.Contains("Crasher.Fail(", failure.Text("stack"));
        var shown = await _folder.RunAsync("show", Path.Combine(_folder.Path, run.Text("run")));
        Assert.Equal(0, shown.ExitCode);
        Assert.Contains("exit code 134 (SIGABRT)", shown.Out);
        Assert.Contains("Crasher.Fail(", shown.Out);
        Assert.All(last, line => Assert.Contains(line, shown.Out));
    }

    [Fact]
    public async Task An_exception_is_tried_once_in_another_process_and_then_fails_the_run_with_both_stacks()
    {
        await using var process = await ProgramProcess.RunAsync(ProgramProcess.Fixture, _folder.Path, null, [.. Train, "--workers", "2", "--processes", "2"]);

        Assert.Equal(1, process.ExitCode);
        var run = RunDirectoryReader.Open(Assert.Single(_folder.RunFolders));
        var summary = run.Summary()!;
        Assert.Contains("System.InvalidOperationException: the crasher has had enough", summary.Error);
        Assert.Contains("step 20", summary.Error);
        Assert.Equal(2, summary.Error!.Split("Crasher.Fail(").Length - 1);
        Assert.Equal(2, summary.Failures.Select(f => f.Node).Distinct().Count());
        Assert.Equal(2, summary.Failures.Count);
        Assert.All(summary.Failures, f => Assert.Contains("Crasher.Step", f.Stack));
        // two processes, each of them once
        var tries = run.Logs().Where(l => l.Text.EndsWith(" fails", StringComparison.Ordinal)).Select(l => l.Text).ToList();
        Assert.Equal(2, tries.Count);
        Assert.Equal(2, tries.Distinct().Count());
        Assert.Contains(run.Logs(), l => l.Text.Contains("tries it once more"));
        var shown = await _folder.RunAsync("show", run.Directory.Path);
        Assert.Contains("Crasher.Step", shown.Out);
    }

    private static JsonElement[] Failures(JsonElement run) => [.. run.GetProperty(FailureJson.Field).EnumerateArray()];
}
