using DistOpt.Core.Datasets;
using DistOpt.EndToEnd.Tests.Support;
using DistOpt.Torch;

namespace DistOpt.EndToEnd.Tests.Runs;

/// <summary>What a stranger may expect to come out.</summary>
[Collection(Alone.Name)]
public sealed class AccuracyTests
{
    private static readonly string[] _perceptron = ["train", Path.Combine(ProgramProcess.Root, "src/DistOpt.Examples/specs/mnist-mlp.yaml")];

    /// <summary>PyTorch with the same model: 0.973.</summary>
    [Fact]
    [Trait("Category", "Long")]
    public async Task The_MLP_256_128_reaches_0972_on_MNIST_in_the_mean_of_three_seeds()
    {
        SkipWithoutMnist();
        double mean = await MeanAsync(_perceptron);
        TestContext.Current.TestOutputHelper?.WriteLine($"mean accuracy {mean}");
        Assert.True(mean >= 0.972, $"mean accuracy is {mean}");
    }

    [Fact]
    [Trait("Category", "Long")]
    public async Task The_small_CNN_reaches_099_on_MNIST_in_6_epochs_in_the_mean_of_three_seeds()
    {
        SkipWithoutMnist();
        double mean = await MeanAsync("train", Path.Combine(ProgramProcess.Root, "src/DistOpt.Examples/specs/mnist-cnn.yaml"), "--set", "training.epochs=6");
        TestContext.Current.TestOutputHelper?.WriteLine($"mean accuracy {mean}");
        Assert.True(mean >= 0.99, $"mean accuracy is {mean}");
    }

    [Fact]
    [Trait("Category", "Long")]
    public async Task Bf16_is_as_accurate_as_float32_on_MNIST_in_the_mean_of_three_seeds()
    {
        SkipWithoutMnist();
        // it rounds alike where it is slow
        Environment.SetEnvironmentVariable(Bf16.SlowVariable, "1");
        double exact = await MeanAsync(_perceptron), rounded = await MeanAsync([.. _perceptron, "--set", "training.precision=bf16"]);
        TestContext.Current.TestOutputHelper?.WriteLine($"{rounded} in bf16, {exact} in float32");
        Assert.True(Math.Abs(exact - rounded) <= 0.003, $"mean accuracy is {rounded} in bf16 and {exact} in float32");
    }

    [Fact]
    [Trait("Category", "Long")]
    public async Task Bf16_is_17_times_as_fast_as_float32_where_the_CPU_is_fast_in_it()
    {
        SkipWithoutMnist();
        Assert.SkipWhen(Bf16.Missing is not null, Bf16.Description);
        // the best of three, since others may run beside: 784-512-256-10, batch 64, one worker
        string[] speed = [.. _perceptron, "--workers", "1", "--set", "model.hidden=[512, 256]", "--set", "training.epochs=1"];
        double slow = 0, fast = 0;
        for (int i = 0; i < 3; i++)
        {
            slow = Math.Max(slow, await SpeedAsync(speed));
            fast = Math.Max(fast, await SpeedAsync([.. speed, "--set", "training.precision=bf16"]));
        }
        Assert.True(fast >= 1.7 * slow, $"{fast} samples/s in bf16 and {slow} in float32");
    }

    private static void SkipWithoutMnist() => Assert.SkipUnless(Directory.Exists(Path.Combine(DataEnvironment.DefaultRoot(), "mnist")),
        "MNIST is not on this machine (distopt data get mnist)");

    private static async Task<double> SpeedAsync(params string[] args)
    {
        using var folder = new TestFolder { Patience = TimeSpan.FromMinutes(20) };
        return (await folder.JsonAsync(args)).GetProperty("samples_per_second").GetDouble();
    }

    private static async Task<double> MeanAsync(params string[] args)
    {
        using var folder = new TestFolder { Patience = TimeSpan.FromMinutes(20) };
        double sum = 0;
        foreach (int seed in new[] { 1, 2, 3 })
            sum += (await folder.JsonAsync([.. args, "--set", $"seed={seed}"])).GetProperty("test").GetProperty("accuracy").GetDouble();
        return sum / 3;
    }
}
