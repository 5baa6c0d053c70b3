using System.Diagnostics;
using DistOpt.Core.Runs;
using DistOpt.Core.Training;
using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.EndToEnd.Tests.Runs;

/// <summary>Checkpoints on shared storage, by processes that each write their own slices.</summary>
public sealed class SharedStorageTests : IDisposable
{
    private static readonly string[] Spec = ["--set", "training.epochs=40", "--set", "training.gradient_shards=4"];

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>All processes are killed at once; nothing but spec, rows and the shared folder is left to go on from.</summary>
    [Fact]
    [Trait("Category", "Long")]
    public async Task A_run_whose_processes_were_all_killed_goes_on_from_shared_storage_to_the_same_bits()
    {
        string shared = Directory.CreateDirectory(_folder.In("shared")).FullName;
        string[] storage = ["--set", "storage.kind=shared", "--set", $"storage.path={shared}", "--set", "checkpoint.every_steps=20", "--set", "checkpoint.keep=2"];
        await EndAsync(0, ["train", .. Spec, "--out", "whole"]);
        await using (var begun = ProgramProcess.Start(ProgramProcess.Cli, _folder.Path, null,
            ["train", .. Spec, .. storage, "--out", "parts", "--workers", "4", "--servers", "2", "--processes", "2"]))
        {
            await begun.LineAsync(line => StepOf(line) > 200, "steps and checkpoints");
            var children = begun.Children().Select(Process.GetProcessById).ToList();
            begun.KillHard();
            using var limit = new CancellationTokenSource(ProgramProcess.Patience);
            foreach (var child in children)
            {
                await child.WaitForExitAsync(limit.Token);
                child.Dispose();
            }
        }
        string job = Path.GetFileName(Assert.Single(Directory.GetDirectories(shared)));
        Assert.InRange(Directory.GetDirectories(Path.Combine(shared, job), "step-*").Length, 1, 3);
        Assert.Empty(Directory.GetDirectories(Path.Combine(_folder.In("parts"), "checkpoints")));
        Assert.False(File.Exists(Path.Combine(_folder.In("parts"), "summary.json")), "it was over before it was killed");

        await EndAsync(0, "train", "--resume", "parts", "--workers", "3", "--servers", "1", "--processes", "2");

        var (whole, parts) = (Summary("whole"), Summary("parts"));
        Assert.Equal(whole.WeightsSha256, parts.WeightsSha256);
        Assert.Equal((whole.Steps, whole.Samples, whole.Selected), (parts.Steps, parts.Samples, parts.Selected));
        Assert.Equal(whole.Test, parts.Test);
        Assert.Equal(job, parts.Job);
        Assert.DoesNotContain(RunDirectoryReader.Open(_folder.In("parts")).Logs(), l => l.Text.Contains("begins anew"));
        Assert.Equal(job, Path.GetFileName(Assert.Single(Directory.GetDirectories(shared))));
    }

    [Fact]
    public async Task A_path_that_is_not_there_is_bad_input_and_nothing_is_made()
    {
        string missing = _folder.In("not-mounted");

        var result = await _folder.RunAsync("train", "--set", "storage.kind=shared", "--set", $"storage.path={missing}");

        Assert.Equal(2, result.ExitCode);
        Assert.Contains("storage.path", result.Error);
        Assert.Contains($"'{missing}' does not exist", result.Error);
        Assert.False(Directory.Exists(missing));
        Assert.Empty(_folder.RunFolders);
    }

    private static long StepOf(string line) =>
        line.StartsWith("step ", StringComparison.Ordinal) && long.TryParse(line[5..Math.Max(5, line.IndexOf('/'))], out long step) ? step : -1;

    private RunSummary Summary(string run) => RunDirectoryReader.Open(_folder.In(run)).Summary()!;

    private async Task EndAsync(int code, params string[] args)
    {
        await using var process = ProgramProcess.Start(ProgramProcess.Cli, _folder.Path, null, args);
        Assert.True(await process.WaitForExitAsync() == code, process.Describe());
    }
}
