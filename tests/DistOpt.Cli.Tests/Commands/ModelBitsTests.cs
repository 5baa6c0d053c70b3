using System.Globalization;
using DistOpt.Cli.Tests.Support;
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
        var hashes = new HashSet<string?>();
        foreach (var (workers, servers) in ((int, int)[])[(1, 1), (2, 2), (3, 1), (3, 2)])
        {
            Assert.True(await _cli.RunAsync(["train", .. settings, "--set", "training.gradient_shards=3", "--set", "stop.max_steps=5",
                "--workers", Text(workers), "--servers", Text(servers), "--format", "json"]) == 0, _cli.Error);
            hashes.Add(_cli.Json().GetProperty("weights_sha256").GetString());
        }
        Assert.Single(hashes);
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
