using DistOpt.Core.Runs;
using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.EndToEnd.Tests.Runs;

/// <summary>A rate of a million.</summary>
public sealed class DivergenceTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_diverging_run_ends_with_its_step_and_exit_code_1_and_keeps_the_same_good_weights_with_one_server_and_with_three()
    {
        string[] train = ["train", "--set", "optimizer={kind: sgd, learning_rate: 1e6}", "--set", "training.gradient_shards=4"];
        await Fail([.. train, "--workers", "1", "--servers", "1"]);
        await Fail([.. train, "--workers", "4", "--servers", "3", "--processes", "2"]);

        var runs = _folder.RunFolders.Select(folder => RunDirectoryReader.Open(folder).Summary()!).ToList();
        Assert.Equal(2, runs.Count);
        Assert.Equal(runs[0].WeightsSha256, runs[1].WeightsSha256);
        Assert.Equal((runs[0].Steps, runs[0].Error), (runs[1].Steps, runs[1].Error));
        Assert.Contains($"training diverged at step {runs[0].Steps}: its loss is ", runs[0].Error);
        foreach (string run in _folder.RunFolders)
        {
            var weights = SafetensorsFile.Read(Path.Combine(run, "last.safetensors"));
            Assert.All(weights.Values, tensor => Assert.All(tensor.Floats(), w => Assert.True(float.IsFinite(w))));
        }
    }

    private async Task Fail(string[] args)
    {
        await using var process = await ProgramProcess.RunAsync(ProgramProcess.Cli, _folder.Path, null, args);
        Assert.Equal(1, process.ExitCode);
        Assert.Contains("its update was not applied", process.Error);
    }
}
