using System.Buffers.Binary;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.Training;
using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.EndToEnd.Tests.Runs;

/// <summary>One run of <c>train</c> as a stranger starts it, in a folder of its own.</summary>
public sealed class DefaultRun : IAsyncLifetime
{
    internal TestFolder Folder { get; } = new();

    internal ProgramProcess Process { get; private set; } = null!;

    public string Run => Assert.Single(Folder.RunFolders);

    internal RunSummary Summary => RunDirectoryReader.Open(Run).Summary()!;

    public async ValueTask InitializeAsync() => Process = await ProgramProcess.RunAsync(ProgramProcess.Cli, Folder.Path, null, "train");

    public async ValueTask DisposeAsync()
    {
        await Process.DisposeAsync();
        Folder.Dispose();
    }
}

/// <summary>What `distopt train` leaves behind, and what can be done with it.</summary>
public sealed class DefaultRunTests(DefaultRun run) : IClassFixture<DefaultRun>
{
    [Fact]
    public void Train_without_a_spec_trains_the_digits_and_says_where_the_results_are()
    {
        Assert.True(run.Process.ExitCode == 0, run.Process.Describe());
        Assert.Equal("", run.Process.Error);
        Assert.EndsWith($"results in {Path.GetRelativePath(run.Folder.Path, run.Run)}", run.Process.Out);
        Assert.StartsWith("digits-mlp-", Path.GetFileName(run.Run));
    }

    [Fact]
    public async Task Plot_draws_the_run_as_an_svg_and_says_nothing_on_stderr()
    {
        string file = Path.Combine(run.Folder.Path, "run.svg");
        await using var plot = await ProgramProcess.RunAsync(ProgramProcess.Cli, run.Folder.Path, null, "plot", run.Run, "--out", file);
        Assert.True(plot.ExitCode == 0, plot.Describe());
        Assert.Equal("", plot.Error);
        Assert.Contains("learning rate", await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void The_run_directory_is_complete_and_its_files_agree_with_each_other()
    {
        string[] files = [.. Directory.GetFiles(run.Run).Select(f => Path.GetFileName(f))];
        Assert.Superset(
            new HashSet<string>(["spec.yaml", "metrics.jsonl", "model.safetensors", "last.safetensors", "inference.json", "log.jsonl", "summary.json"]),
            new HashSet<string>(files));
        Assert.DoesNotContain(files, f => f.EndsWith(".tmp", StringComparison.Ordinal));

        var summary = run.Summary;
        Assert.Equal((RunStatus.Completed, 2, 1, 1, 2), (summary.Status, summary.Workers, summary.Servers, summary.Processes, summary.GradientShards));
        Assert.Equal(0, summary.WorkerFailures + summary.ServerFailures + summary.Rollbacks + summary.CoordinatorRestarts);
        Assert.Equal(summary.Steps, summary.StepsComputed);

        var rows = RunDirectoryReader.Open(run.Run).Rows().ToList();
        var train = rows.Where(r => r.Split == DataSplit.Train).ToList();
        var validation = rows.Where(r => r.Split == DataSplit.Validation).ToList();
        Assert.Equal(summary.Epochs, validation.Count);
        Assert.Equal(summary.Steps, validation[^1].Step);
        Assert.Equal(train.Select(r => r.Step).Order(), train.Select(r => r.Step));
        Assert.True(train[^1].Get("loss") < train[0].Get("loss"));
        Assert.Equal(train[^1].Get("loss"), summary.Train["loss"]);
        // the selected step is the one of the lowest validation loss, and the summary's figures are that row's
        var best = validation.MinBy(r => r.Get("loss"))!;
        Assert.Equal((best.Step, best.Get("loss")), (summary.Selected!.Step, summary.Selected.Value));
        Assert.Equal(best.Get("accuracy"), summary.Validation["accuracy"]);
        var test = Assert.Single(rows, r => r.Split == DataSplit.Test);
        Assert.Equal(best.Step, test.Step);
        Assert.Equal((test.Get("loss"), test.Get("accuracy")), (summary.Test["loss"], summary.Test["accuracy"]));

        var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(run.Run, "inference.json"))).RootElement;
        Assert.Equal(10, document.GetProperty("classes").GetArrayLength());
        Assert.Contains("gradient_shards: 2", File.ReadAllText(Path.Combine(run.Run, "spec.yaml")));
        Assert.Contains("seed: 42", File.ReadAllText(Path.Combine(run.Run, "spec.yaml")));
    }

    [Fact]
    public void TensorBoard_events_hold_the_rows_and_every_record_has_its_checksum()
    {
        string file = Assert.Single(Directory.GetFiles(run.Run, "*tfevents*", SearchOption.AllDirectories));
        var records = TensorBoardRecords.Read(file);
        Assert.Contains("brain.Event:2", System.Text.Encoding.UTF8.GetString(records[0]));
        string all = string.Concat(records.Select(System.Text.Encoding.Latin1.GetString));
        foreach (string tag in (string[])["train/loss", "validation/loss", "validation/accuracy", "test/accuracy"]) Assert.Contains(tag, all);
        Assert.True(records.Count > run.Summary.Epochs * 2, $"only {records.Count} records");
    }

    [Fact]
    public async Task The_spec_in_the_run_directory_repeats_the_run_to_the_bit()
    {
        using var folder = new TestFolder();
        var summary = await folder.JsonAsync("train", Path.Combine(run.Run, "spec.yaml"), "--workers", "1");
        Assert.Equal(run.Summary.WeightsSha256, summary.Text("weights_sha256"));
        Assert.Equal(run.Summary.Test["loss"], summary.Number("test", "loss"));
    }

    [Fact]
    public async Task A_reader_written_from_the_formats_specification_reads_the_weights_and_they_have_the_summarys_hash()
    {
        var layout = (await run.Folder.JsonAsync("train", Path.Combine(run.Run, "spec.yaml"), "--dry-run")).GetProperty("layout");
        var last = SafetensorsFile.Read(Path.Combine(run.Run, "last.safetensors"));
        var model = SafetensorsFile.Read(Path.Combine(run.Run, "model.safetensors"));
        Assert.Equal(["layers.0.bias", "layers.0.weight", "layers.1.bias", "layers.1.weight"], last.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(last.Keys.Order(StringComparer.Ordinal), model.Keys.Order(StringComparer.Ordinal));
        Assert.Equal([64, 64], model["layers.0.weight"].Shape);
        Assert.Equal([10, 64], model["layers.1.weight"].Shape);
        Assert.Equal([10], model["layers.1.bias"].Shape);
        Assert.All(model.Values.SelectMany(t => t.Floats()), v => Assert.True(float.IsFinite(v)));

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var slot in layout.EnumerateArray().OrderBy(s => s.GetProperty("offset").GetInt64())) hash.AppendData(last[slot.Text("name")].Data);
        Assert.Equal(run.Summary.WeightsSha256, Convert.ToHexStringLower(hash.GetHashAndReset()));
    }

    [Fact]
    public async Task Python_reads_the_weights()
    {
        const string script = """
            import sys, hashlib
            from safetensors.numpy import load_file
            for name, array in sorted(load_file(sys.argv[1]).items()):
                print(name, array.dtype, "x".join(map(str, array.shape)), hashlib.sha256(array.tobytes()).hexdigest())
            """;
        var start = new ProcessStartInfo("python3", ["-c", script, Path.Combine(run.Run, "model.safetensors")])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        string text, error;
        try
        {
            using var python = Process.Start(start)!;
            var errors = python.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            text = await python.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            error = await errors;
            await python.WaitForExitAsync(TestContext.Current.CancellationToken);
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            Assert.Skip($"python3 cannot be started: {e.Message}");
            return;
        }
        Assert.SkipWhen(error.Contains("ModuleNotFoundError", StringComparison.Ordinal), "python3 has no safetensors or numpy here");
        Assert.Equal("", error);
        var expected = SafetensorsFile.Read(Path.Combine(run.Run, "model.safetensors")).OrderBy(t => t.Key, StringComparer.Ordinal)
            .Select(t => $"{t.Key} float32 {string.Join('x', t.Value.Shape)} {Convert.ToHexStringLower(SHA256.HashData(t.Value.Data))}");
        Assert.Equal(expected, text.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task Evaluate_gives_the_runs_own_figures()
    {
        await using var process = await ProgramProcess.RunAsync(ProgramProcess.Cli, run.Folder.Path, null,
            "evaluate", Path.GetFileName(run.Run)[^4..], "--format", "json");
        Assert.True(process.ExitCode == 0, process.Describe());
        var metrics = process.Json.GetProperty("metrics");
        foreach (var (name, value) in run.Summary.Test) Assert.Equal(value, metrics.Number(name));
        var validation = (await run.Folder.JsonAsync("evaluate", run.Run, "--split", "validation")).GetProperty("metrics");
        foreach (var (name, value) in run.Summary.Validation) Assert.Equal(value, validation.Number(name));
    }

    [Fact]
    public async Task The_mean_test_accuracy_over_three_seeds_is_at_least_95_percent()
    {
        var accuracies = new List<double>();
        foreach (int seed in (int[])[1, 2, 3])
        {
            using var folder = new TestFolder();
            accuracies.Add((await folder.JsonAsync("train", "--set", $"seed={seed}")).Number("test", "accuracy"));
        }
        Assert.True(accuracies.Average() >= 0.95, $"accuracies {string.Join(", ", accuracies)}");
        Assert.True(accuracies.Distinct().Count() > 1, "seeds make no difference");
    }
}

/// <summary>The record format of TensorFlow: length, masked CRC-32C of the length, data, masked CRC-32C of the data.</summary>
internal static class TensorBoardRecords
{
    public static List<byte[]> Read(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        var records = new List<byte[]>();
        for (int at = 0; at < file.Length;)
        {
            int length = (int)BinaryPrimitives.ReadUInt64LittleEndian(file.AsSpan(at));
            Assert.Equal(Masked(file.AsSpan(at, 8)), BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at + 8)));
            byte[] data = file[(at + 12)..(at + 12 + length)];
            Assert.Equal(Masked(data), BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at + 12 + length)));
            records.Add(data);
            at += 16 + length;
        }
        return records;
    }

    private static uint Masked(ReadOnlySpan<byte> data)
    {
        uint crc = uint.MaxValue;
        foreach (byte b in data)
        {
            crc ^= b;
            for (int bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
        }
        crc = ~crc;
        return ((crc >> 15) | (crc << 17)) + 0xA282EAD8;
    }
}
