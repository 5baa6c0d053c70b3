using System.Security.Cryptography;
using System.Text.Json;
using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.EndToEnd.Tests.Runs;

/// <summary>G1: the bits depend on spec, seed and data, and not on who shared the work.</summary>
public sealed class SameBitsTests : IDisposable
{
    private static readonly string[] Short = ["--set", "training.gradient_shards=4", "--set", "training.epochs=2"];

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Workers_servers_processes_and_repeats_change_no_bit()
    {
        var seen = new List<(string How, string Hash)>();
        foreach (string how in new[] { "--workers 1", "--workers 2", "--workers 3 --servers 3", "--workers 4", "--workers 2 --servers 3", "--workers 2" })
            seen.Add((how, Hash(await _folder.JsonAsync(["train", .. Short, .. how.Split(' ')]))));
        string apart = "--workers 4 --servers 3 --processes 3";
        seen.Add((apart, Hash(await ProgramProcess.JsonAsync(ProgramProcess.Cli, _folder.Path, ["train", .. Short, .. apart.Split(' ')]))));

        Assert.True(seen.Select(s => s.Hash).Distinct().Count() == 1, string.Join("\n", seen));
    }

    /// <summary>Batches of 30 make shards of 7 and 8, and the last batch of 1374 samples is smaller than the 25 shards.</summary>
    [Fact]
    [Trait("Category", "Long")]
    public async Task A_module_with_torchs_own_dropout_and_batch_norm_has_the_same_bits_too()
    {
        string[] spec = ["train", "--set", "model=norm-net", "--set", "batch.size=30", "--set", "training.gradient_shards=25", "--set", "training.epochs=1"];
        var seen = new List<(string How, string Hash)>();
        foreach (string how in new[] { "--workers 1", "--workers 3 --servers 2", "--workers 4" })
            seen.Add((how, Hash(await _folder.JsonAsync([.. spec, .. how.Split(' ')]))));
        seen.Add(("2 processes", Hash(await ProgramProcess.JsonAsync(ProgramProcess.Fixture, _folder.Path,
            [.. spec, "--workers", "4", "--servers", "2", "--processes", "2"]))));

        Assert.True(seen.Select(s => s.Hash).Distinct().Count() == 1, string.Join("\n", seen));
        var lines = File.ReadAllText(Directory.GetFiles(_folder.RunFolders[0], "log.jsonl").Single());
        Assert.Contains("Dropout", lines); // the warning names the module
    }

    /// <summary>Between processes the average is fetched from the servers, within one it is theirs: what is measured and kept has the same bits.</summary>
    [Fact]
    [Trait("Category", "Long")]
    public async Task An_average_and_what_is_measured_on_it_are_the_same_in_one_process_and_in_several()
    {
        string[] spec = ["train", .. Short, "--set", "model=residual-mlp", "--set", "model.norm=batch", "--set", "averaging={kind: ema, decay: 0.9}"];
        var seen = new List<(string How, string Seen)>();
        foreach (string how in new[] { "--workers 1", "--workers 3 --servers 2" })
            seen.Add((how, Seen(await _folder.JsonAsync([.. spec, .. how.Split(' ')]))));
        string apart = "--workers 4 --servers 2 --processes 2";
        seen.Add((apart, Seen(await ProgramProcess.JsonAsync(ProgramProcess.Cli, _folder.Path, [.. spec, .. apart.Split(' ')]))));
        Assert.True(seen.Select(s => s.Seen).Distinct().Count() == 1, string.Join("\n", seen));
        foreach (string file in new[] { "model.safetensors", "last.safetensors", "last-average.safetensors" })
        {
            var hashes = _folder.RunFolders.Select(run => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(Path.Combine(run, file)))));
            Assert.Single(hashes.Distinct());
        }

        static string Seen(JsonElement summary) => $"{Hash(summary)} {summary.GetProperty("validation")} {summary.GetProperty("test")}";
    }

    [Fact]
    public async Task A_machine_under_load_changes_no_bit()
    {
        string calm = Hash(await _folder.JsonAsync(["train", .. Short, "--workers", "3"]));
        using var stop = new CancellationTokenSource();
        var spinners = Enumerable.Range(0, Environment.ProcessorCount * 2).Select(_ => new Thread(() =>
        {
            while (!stop.IsCancellationRequested) Thread.SpinWait(1000);
        })
        { IsBackground = true }).ToList();
        spinners.ForEach(s => s.Start());
        try
        {
            Assert.Equal(calm, Hash(await _folder.JsonAsync(["train", .. Short, "--workers", "3"])));
        }
        finally
        {
            await stop.CancelAsync();
            spinners.ForEach(s => s.Join());
        }
    }

    [Fact]
    public async Task Another_seed_or_another_number_of_gradient_shards_gives_other_bits()
    {
        string first = Hash(await _folder.JsonAsync(["train", .. Short]));

        Assert.NotEqual(first, Hash(await _folder.JsonAsync(["train", .. Short, "--set", "seed=43"])));
        Assert.NotEqual(first, Hash(await _folder.JsonAsync(["train", "--set", "training.epochs=2", "--set", "training.gradient_shards=2"])));
    }

    private static string Hash(JsonElement summary)
    {
        Assert.Equal("completed", summary.GetProperty("status").GetString());
        return summary.GetProperty("weights_sha256").GetString()!;
    }
}
