using System.Globalization;
using DistOpt.Cli.Tests.Support;
using DistOpt.Core.Datasets.Augmentations;
using DistOpt.Torch;
using DistOpt.Torch.Models;

namespace DistOpt.Cli.Tests.Commands;

/// <summary>G1 over the whole catalogue of models, with batch norm and dropout where a model has them.</summary>
public sealed class ModelBitsTests : IDisposable
{
    private readonly CliRun _cli = new() { UsesRealHost = true };

    public static TheoryData<string> Names => [.. ModelCatalog.Create().Entries.Select(e => e.Name)];

    public void Dispose() => _cli.Dispose();

    [Theory]
    [MemberData(nameof(Names))]
    public async Task The_bits_of_a_model_do_not_depend_on_workers_and_servers(string name)
    {
        var options = ModelCatalog.Create().Entries.Single(e => e.Name == name).OptionsType;
        List<string> settings = ["--set", $"model={name}"];
        if (options.GetProperty("Norm") is not null) settings.AddRange(["--set", "model.norm=batch"]);
        if (options.GetProperty("Dropout") is not null) settings.AddRange(["--set", "model.dropout=0.2"]);
        if (options.GetProperty("Depth") is not null) settings.AddRange(["--set", "model.depth=8"]);
        await SameBitsAsync([.. settings], serversMax: name == "linear" ? 1 : 2); // 650 parameters are one block
    }

    [Theory]
    [InlineData("mlp")]
    [InlineData("residual-mlp")]
    public async Task The_bits_of_training_in_bf16_do_not_depend_on_workers_and_servers(string name)
    {
        // the rounding is the same where it is slow
        Environment.SetEnvironmentVariable(Bf16.SlowVariable, "1");
        await SameBitsAsync(["--set", $"model={name}", "--set", "model.norm=batch", "--set", "model.dropout=0.2", "--set", "training.precision=bf16"], 2);
    }

    private async Task SameBitsAsync(string[] settings, int serversMax)
    {
        var hashes = new HashSet<string?>();
        foreach (var (workers, servers) in ((int, int)[])[(1, 1), (2, 2), (3, 1)])
        {
            Assert.True(await _cli.RunAsync(["train", .. settings, "--set", "training.gradient_shards=3", "--set", "stop.max_steps=5",
                "--workers", Text(workers), "--servers", Text(Math.Min(servers, serversMax)), "--format", "json"]) == 0, _cli.Error);
            hashes.Add(_cli.Json().GetProperty("weights_sha256").GetString());
        }
        Assert.Single(hashes);
    }

    [Fact]
    public async Task The_bits_of_augmented_training_depend_neither_on_workers_nor_on_prefetching()
    {
        string all = string.Join(", ", AugmentationCatalog.Default.Entries.Select(e => e.Name));
        var hashes = new HashSet<string?>();
        foreach (var (workers, prefetch, augment) in ((int, int, string)[])[(1, 0, all), (2, 2, all), (3, 5, all), (1, 0, "")])
        {
            Assert.True(await _cli.RunAsync(["train", "--set", $"data.augment=[{augment}]", "--set", $"data.prefetch={prefetch}",
                "--set", "training.gradient_shards=3", "--set", "training.epochs=2", "--set", "model.hidden=[8]", "--workers", Text(workers),
                "--format", "json"]) == 0, _cli.Error);
            hashes.Add(_cli.Json().GetProperty("weights_sha256").GetString());
        }
        Assert.Equal(2, hashes.Count); // one with, one without
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
