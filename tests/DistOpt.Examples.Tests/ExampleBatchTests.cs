namespace DistOpt.Examples.Tests;

/// <summary>Batch strategies.</summary>
public sealed class ExampleBatchTests : ExampleRuns
{
    [Theory]
    [InlineData("digits-gd.yaml")]
    [InlineData("digits-random-batch.yaml")]
    [InlineData("digits-growing-batch.yaml")]
    [InlineData("digits-noise-scale.yaml")]
    [InlineData("digits-adascale.yaml")]
    public async Task Every_batch_strategy_learns_digits_with_the_bits_of_one_worker(string file)
    {
        string[] settings = ["--set", $"training.gradient_shards={(file is "digits-noise-scale.yaml" or "digits-adascale.yaml" ? 8 : 2)}"];
        var two = await TrainAsync(file, ["--workers", "2", "--servers", "2", "--require", "validation.accuracy>=0.93", .. settings]);
        var one = await TrainAsync(file, ["--workers", "1", .. settings]);

        Assert.Equal(one.WeightsSha256, two.WeightsSha256);
    }
}
