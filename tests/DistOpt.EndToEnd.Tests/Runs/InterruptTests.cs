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
    public async Task A_child_that_is_killed_ends_the_run_with_its_name()
    {
        await using var train = ProgramProcess.Start(ProgramProcess.Cli, _folder.Path, null,
            "train", "--set", "training.epochs=100000", "--processes", "2", "--workers", "2");
        await train.LineAsync(line => line.StartsWith("step ", StringComparison.Ordinal), "first row");

        using (var child = Process.GetProcessById(train.Children()[0])) child.Kill();
        int code = await train.WaitForExitAsync();

        Assert.True(code == 1, train.Describe());
        Assert.Contains("was lost", train.Error);
        Assert.Equal(RunStatus.Failed, RunDirectoryReader.Open(Assert.Single(_folder.RunFolders)).Summary()!.Status);
    }

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
