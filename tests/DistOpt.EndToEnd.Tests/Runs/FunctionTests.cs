using DistOpt.Core.Runs;
using DistOpt.Core.Training;
using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.EndToEnd.Tests.Runs;

/// <summary>Gradient descent itself, in several processes.</summary>
public sealed class FunctionTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    [Trait("Category", "Long")]
    public async Task A_parabola_in_two_processes_follows_the_closed_form()
    {
        await using var train = await ProgramProcess.RunAsync(ProgramProcess.Cli, _folder.Path, null, "train", "--processes", "2",
            "--set", "model={kind: function, expression: x^2, variables: {x: 2}}", "--set", "optimizer={kind: sgd, learning_rate: 0.1}",
            "--set", "training.epochs=100");

        Assert.True(train.ExitCode == 0, train.Describe());
        Assert.Contains("minimizing x^2", train.Out);
        var rows = RunDirectoryReader.Open(Assert.Single(_folder.RunFolders)).Rows().Where(r => r.Split == DataSplit.Validation).ToList();
        Assert.Equal(100, rows.Count);
        Assert.All(rows, row => Assert.Equal(2 * Math.Pow(0.8, row.Step), row.Get("x")!.Value, 1e-6));
    }
}
