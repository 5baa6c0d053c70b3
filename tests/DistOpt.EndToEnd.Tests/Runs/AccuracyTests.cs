using DistOpt.Core.Datasets;
using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.EndToEnd.Tests.Runs;

/// <summary>What a stranger may expect to come out.</summary>
public sealed class AccuracyTests
{
    /// <summary>PyTorch with the same model: 0.973.</summary>
    [Fact]
    [Trait("Category", "Long")]
    public async Task The_MLP_256_128_reaches_0972_on_MNIST_in_the_mean_of_three_seeds()
    {
        Assert.SkipUnless(Directory.Exists(Path.Combine(DataEnvironment.DefaultRoot(), "mnist")), "MNIST is not on this machine (distopt data get mnist)");
        double mean = await MeanAsync("train", Path.Combine(ProgramProcess.Root, "src/DistOpt.Examples/specs/mnist-mlp.yaml"));
        Assert.True(mean >= 0.972, $"mean accuracy is {mean}");
    }

    private static async Task<double> MeanAsync(params string[] args)
    {
        using var folder = new TestFolder();
        double sum = 0;
        foreach (int seed in new[] { 1, 2, 3 })
            sum += (await folder.JsonAsync([.. args, "--set", $"seed={seed}"])).GetProperty("test").GetProperty("accuracy").GetDouble();
        return sum / 3;
    }
}
