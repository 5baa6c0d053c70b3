using System.Diagnostics;
using DistOpt.Core.Runs;
using DistOpt.Core.Training;
using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.EndToEnd.Tests.Runs;

/// <summary>Ctrl-C, and parents and children that die.</summary>
public sealed class InterruptTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Ctrl_C_ends_cleanly_with_the_weights_saved(int processes)
    {
        await using var train = ProgramProcess.Start(ProgramProcess.Cli, _folder.Path, null,
            "train", "--set", "training.epochs=100000", "--processes", processes.ToString());
        await train.LineAsync(line => line.StartsWith("step ", StringComparison.Ordinal), "first row");
        int[] children = train.Children();

        train.Interrupt();
        int code = await train.WaitForExitAsync();

        Assert.True(code == 130, train.Describe());
        string run = Assert.Single(_folder.RunFolders);
        Assert.Equal(RunStatus.Interrupted, RunDirectoryReader.Open(run).Summary()!.Status);
        Assert.True(File.Exists(Path.Combine(run, "last.safetensors")));
        Assert.True(File.Exists(Path.Combine(run, "model.safetensors")));
        Assert.Equal(processes == 1 ? 0 : processes, children.Length);
        Assert.All(children, pid => Assert.False(IsRunning(pid), $"child {pid} was left behind"));
    }

    [Fact]
    public async Task Children_end_when_their_parent_is_killed()
    {
        await using var train = ProgramProcess.Start(ProgramProcess.Cli, _folder.Path, null,
            "train", "--set", "training.epochs=100000", "--processes", "2");
        await train.LineAsync(line => line.StartsWith("step ", StringComparison.Ordinal), "first row");
        var children = train.Children().Select(Process.GetProcessById).ToList();
        Assert.Equal(2, children.Count);

        train.KillHard();

        using var limit = new CancellationTokenSource(ProgramProcess.Patience);
        foreach (var child in children)
        {
            await child.WaitForExitAsync(limit.Token);
            child.Dispose();
        }
    }

    [Fact]
    [Trait("Category", "Long")]
    public async Task A_child_that_dies_more_often_than_allowed_ends_the_run_with_its_name()
    {
        await using var train = ProgramProcess.Start(ProgramProcess.Cli, _folder.Path, null,
            "train", "--set", "training.epochs=100000", "--processes", "2", "--workers", "2", "--max-restarts", "0");
        await train.LineAsync(line => line.StartsWith("step ", StringComparison.Ordinal), "first row");

        using (var child = Process.GetProcessById(train.Children()[0])) child.Kill();
        int code = await train.WaitForExitAsync();

        Assert.True(code == 1, train.Describe());
        Assert.Contains("--max-restarts", train.Error);
        Assert.Equal(RunStatus.Failed, RunDirectoryReader.Open(Assert.Single(_folder.RunFolders)).Summary()!.Status);
    }

    /// <summary>Interrupted, then gone on with on other numbers of workers, servers and processes.</summary>
    [Fact]
    [Trait("Category", "Long")]
    public async Task A_run_that_was_interrupted_goes_on_to_the_bits_of_one_that_was_not()
    {
        string[] spec = ["--set", "model.kind=crasher", "--set", "model.how=wait", "--set", "training.epochs=24", "--set", "training.gradient_shards=4",
            "--set", "checkpoint.every_steps=100"];
        string once = _folder.In("once");
        await EndAsync(0, ProgramProcess.Fixture, ["train", .. spec, "--set", $"model.once={_folder.Write("taken", "")}", "--out", "whole"]);
        await using var begun = ProgramProcess.Start(ProgramProcess.Fixture, _folder.Path, null,
            ["train", .. spec, "--set", $"model.once={once}", "--out", "parts", "--workers", "4", "--servers", "2"]);
        // it stands still at step 20, until it has taken in that it is to stop
        await begun.UntilAsync(() => File.Exists(once));
        begun.Interrupt();
        await begun.UntilAsync(() => begun.Error.Contains("interrupted", StringComparison.Ordinal));
        File.Delete(once);
        Assert.Equal(130, await begun.WaitForExitAsync());
        Assert.InRange(Summary("parts").Steps, 20, Summary("whole").Steps - 1);

        await EndAsync(0, ProgramProcess.Fixture, "train", "--resume", "parts", "--workers", "3", "--servers", "3", "--processes", "2");

        AssertSame(Summary("whole"), Summary("parts"));
        Assert.Equal(Rows("whole"), Rows("parts"));
        Assert.Contains("is complete", (await EndAsync(2, ProgramProcess.Fixture, "train", "--resume", "parts")).Error);
        string[] other = ["train", "--resume", "parts", "--set", "optimizer.learning_rate=0.5"];
        Assert.Contains("changes the bits", (await EndAsync(2, ProgramProcess.Fixture, other)).Error);
    }

    [Fact]
    [Trait("Category", "Long")]
    public async Task Processes_that_are_killed_are_replaced_and_the_bits_stay()
    {
        string[] spec = ["--set", "training.epochs=40", "--set", "training.gradient_shards=4", "--set", "checkpoint.every_steps=200"];
        await EndAsync(0, ProgramProcess.Cli, ["train", .. spec, "--out", "calm"]);
        await using var train = ProgramProcess.Start(ProgramProcess.Cli, _folder.Path, null,
            ["train", .. spec, "--out", "killed", "--workers", "3", "--servers", "1", "--processes", "3", "--set", "training.replicas=1"]);
        long seen = 0;
        for (int kill = 0; kill < 4; kill++)
        {
            seen = StepOf(await train.LineAsync(line => StepOf(line) > seen + 100, "steps after the last kill"));
            int[] children = train.Children();
            using var victim = Process.GetProcessById(children[kill % children.Length]);
            victim.Kill();
        }
        Assert.True(await train.WaitForExitAsync() == 0, train.Describe());

        AssertSame(Summary("calm"), Summary("killed"));
        Assert.True(Summary("killed").WorkerFailures + Summary("killed").ServerFailures > 0, train.Describe());
    }

    private static long StepOf(string line) =>
        line.StartsWith("step ", StringComparison.Ordinal) && long.TryParse(line[5..Math.Max(5, line.IndexOf('/'))], out long step) ? step : -1;

    private static void AssertSame(RunSummary expected, RunSummary actual)
    {
        Assert.Equal(expected.WeightsSha256, actual.WeightsSha256);
        Assert.Equal((expected.Steps, expected.Samples, expected.Selected), (actual.Steps, actual.Samples, actual.Selected));
        Assert.Equal(expected.Train, actual.Train);
        Assert.Equal(expected.Validation, actual.Validation);
        Assert.Equal(expected.Test, actual.Test);
    }

    private RunSummary Summary(string run) => RunDirectoryReader.Open(Path.Combine(_folder.Path, run)).Summary()!;

    private async Task<ProgramProcess> EndAsync(int code, string program, params string[] args)
    {
        await using var process = ProgramProcess.Start(program, _folder.Path, null, args);
        Assert.True(await process.WaitForExitAsync() == code, process.Describe());
        return process;
    }

    private List<string> Rows(string run) => [.. RunDirectoryReader.Open(Path.Combine(_folder.Path, run)).Rows()
        .Select(r => $"{r.Split} {r.Step} {r.Epoch} {string.Join(" ", r.Metrics.Select(m => $"{m.Key}={m.Value:R}"))}")];

    private static bool IsRunning(int pid)
    {
        try
        {
            using var process = Process.GetProcessById(pid);
            return !process.HasExited;
        }
        catch (ArgumentException)
        {
            return false; // no such process
        }
    }
}
