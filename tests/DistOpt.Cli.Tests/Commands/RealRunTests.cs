using System.Globalization;
using System.Text.Json;
using DistOpt.Cli.Tests.Support;
using DistOpt.Core.Averaging;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Cli.Tests.Commands;

/// <summary>The whole way, with actors and tensors: a short run on digits, and what can be done with it.</summary>
public sealed class RealRunTests : IDisposable
{
    private static readonly string[] Short = ["--set", "training.epochs=2", "--set", "model.hidden=[8]"];
    private readonly CliRun _cli = new() { UsesRealHost = true };

    public void Dispose() => _cli.Dispose();

    [Fact]
    public async Task Train_then_evaluate_gives_the_runs_own_figures_and_predict_and_files_work()
    {
        Assert.True(await _cli.RunAsync(["train", .. Short, "--format", "json"]) == 0, _cli.Error);
        var summary = _cli.Json();
        string run = _cli.RunFolder;
        Assert.Equal(64, summary.GetProperty("weights_sha256").GetString()!.Length);

        foreach (string split in (string[])["test", "validation"])
        {
            Assert.True(await _cli.RunAsync("evaluate", run, "--split", split, "--format", "json") == 0, _cli.Error);
            foreach (var metric in _cli.Json().GetProperty("metrics").EnumerateObject())
                Assert.Equal(summary.GetProperty(split).GetProperty(metric.Name).GetDouble(), metric.Value.GetDouble());
        }
        Assert.Equal(1, await _cli.RunAsync("evaluate", run, "--require", "test.accuracy>1"));
        Assert.Equal(2, await _cli.RunAsync("evaluate", run, "--require", "train.loss<1"));
        Assert.Equal(2, await _cli.RunAsync("evaluate", run, "--split", "tset"));
        Assert.Equal(2, await _cli.RunAsync("evaluate", run, "--file", "x.csv"));
        Assert.Contains("'digits' does not read files", _cli.Error);

        string rows = _cli.Write("rows.csv", string.Join(',', Enumerable.Repeat("0", 64)) + "\n" + string.Join(',', Enumerable.Range(0, 64).Select(i => i % 17)) + "\n");
        Assert.True(await _cli.RunAsync("predict", run, rows, "--format", "json") == 0, _cli.Error);
        var predictions = _cli.Json().GetProperty("predictions").EnumerateArray().ToArray();
        Assert.Equal(2, predictions.Length);
        Assert.All(predictions, p => Assert.Equal(1, p.GetProperty("probabilities").EnumerateArray().Sum(v => v.GetDouble()), 1e-5));

        _cli.Write("bad.csv", string.Join(',', Enumerable.Repeat("0", 63)) + "\n" + string.Join(',', Enumerable.Repeat("0", 63)) + ",x\n");
        Assert.Equal(2, await _cli.RunAsync("predict", run, _cli.In("bad.csv"), "nofile.csv"));
        Assert.Contains("bad.csv (line 1): has 63 values, but 64 are needed", _cli.Error);
        Assert.Contains("nofile.csv: file not found", _cli.Error);
    }

    [Fact]
    public async Task A_run_with_muon_is_warned_of_its_output_layer_unless_adamw_has_it()
    {
        const string warning = "warning: optimizer 'muon' orthogonalizes every matrix, also 'layers.1.weight', the last one";
        string[] named = ["--set", "optimizer.adamw_for=[layers.1.weight]"];
        foreach (string[] more in (string[][])[["--dry-run"], ["--set", "training.epochs=1"]])
        {
            string[] train = ["train", .. Short, "--set", "optimizer.kind=muon", .. more];
            Assert.True(await _cli.RunAsync(train) == 0, _cli.Error);
            Assert.Contains(warning, _cli.Out + _cli.Error);
            Assert.True(await _cli.RunAsync([.. train, .. named]) == 0, _cli.Error);
            Assert.DoesNotContain("warning: optimizer 'muon'", _cli.Out + _cli.Error);
        }
    }

    [Fact]
    public async Task The_bits_do_not_depend_on_workers()
    {
        var hashes = new HashSet<string?>();
        foreach (int workers in (int[])[1, 3])
        {
            Assert.True(await _cli.RunAsync(["train", .. Short, "--set", "training.gradient_shards=4", "--workers", workers.ToString(CultureInfo.InvariantCulture), "--format", "json"]) == 0, _cli.Error);
            hashes.Add(_cli.Json().GetProperty("weights_sha256").GetString());
        }
        Assert.Single(hashes);
    }

    public static TheoryData<string> Averagings => [.. AveragingCatalog.Default.Entries.Select(e => e.Name)];

    /// <summary>With batch norm: the model file has the statistics that belong to the averaged weights.</summary>
    [Theory, MemberData(nameof(Averagings))]
    public async Task What_was_evaluated_is_what_the_model_file_holds_whatever_is_averaged(string averaging)
    {
        Assert.True(await _cli.RunAsync("train", "--set", $"averaging={averaging}", "--set", "model=residual-mlp", "--set", "model.norm=batch",
            "--set", "training.epochs=4", "--workers", "2", "--servers", "2", "--format", "json") == 0, _cli.Error);
        var summary = _cli.Json();
        Assert.Equal(averaging != "none", File.Exists(Path.Combine(_cli.RunFolder, "last-average.safetensors")));
        foreach (string split in (string[])["test", "validation"])
        {
            Assert.True(await _cli.RunAsync("evaluate", _cli.RunFolder, "--split", split, "--format", "json") == 0, _cli.Error);
            Assert.Equal(summary.GetProperty(split).GetProperty("loss").GetDouble(), _cli.Json().GetProperty("metrics").GetProperty("loss").GetDouble());
        }
    }

    [Fact]
    public async Task A_csv_run_is_measured_on_another_file_with_its_own_normalization()
    {
        var random = new Random(1);
        string Table(int count) => "a,b,kind\n" + string.Concat(Enumerable.Range(0, count).Select(i =>
            string.Create(CultureInfo.InvariantCulture, $"{random.NextDouble() + i % 2 * 3:0.000},{random.NextDouble():0.000},{(i % 2 == 0 ? "low" : "high")}\n")));
        string train = _cli.Write("train.csv", Table(200)), other = _cli.Write("other.csv", Table(50));
        Assert.True(await _cli.RunAsync("train", "--set", "data.name=csv", "--set", $"data.path={train}", "--set", "data.label=kind",
            "--set", "training.epochs=20", "--set", "batch.size=16", "--set", "optimizer.learning_rate=0.02", "--set", "model.hidden=[8]") == 0, _cli.Error);
        Assert.True(await _cli.RunAsync("evaluate", _cli.RunFolder, "--file", other, "--format", "json") == 0, _cli.Error);
        Assert.Equal(1, _cli.Json().GetProperty("metrics").GetProperty("accuracy").GetDouble());
        _cli.Write("swapped.csv", "kind,b,a\nlow,0.5,0.5\nhigh,0.5,3.5\n");
        Assert.True(await _cli.RunAsync("predict", _cli.RunFolder, _cli.In("swapped.csv"), "--format", "json") == 0, _cli.Error);
        Assert.Equal(["low", "high"], _cli.Json().GetProperty("predictions").EnumerateArray().Select(p => p.GetProperty("class").GetString()));
        _cli.Write("foreign.csv", "a,b,kind\n0.5,0.5,low\n0.5,0.5,middle\n");
        Assert.Equal(2, await _cli.RunAsync("evaluate", _cli.RunFolder, "--file", _cli.In("foreign.csv")));
        Assert.Contains("middle", _cli.Error);
    }

    [Fact]
    public async Task Training_in_code_gives_rows_and_a_result_and_writes_nothing_it_was_not_asked_to()
    {
        var spec = new TrainingSpec { Training = new TrainingSection { Epochs = 2 } };
        var run = Training.Start(spec, null, new TrainingOptions { WritesRunDirectory = false }, TestContext.Current.CancellationToken);
        var rows = new List<MetricRow>();
        await foreach (var row in run.Rows(TestContext.Current.CancellationToken)) rows.Add(row);
        var result = await run.Result;
        Assert.Equal(RunStatus.Completed, result.Summary.Status);
        Assert.Null(result.Directory);
        Assert.Contains(rows, r => r.Split == DataSplit.Validation);
        Assert.Equal(result.Summary.Validation["loss"], rows.Where(r => r.Split == DataSplit.Validation).Min(r => r.Get("loss")));
    }

    [Fact]
    public async Task Training_in_code_reports_bad_input_as_a_spec_exception()
    {
        var spec = new TrainingSpec { Training = new TrainingSection { Workers = 0 }, Model = new ModelSpec { Kind = "nope" } };
        var error = await Assert.ThrowsAsync<SpecException>(() => Training.RunAsync(spec, cancellationToken: TestContext.Current.CancellationToken));
        Assert.Equal(2, error.Violations.Length);
    }
}
