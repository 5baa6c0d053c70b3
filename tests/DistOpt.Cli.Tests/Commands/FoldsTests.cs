using System.Text.Json;
using DistOpt.Cli.Tests.Cluster;
using DistOpt.Cli.Tests.Support;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Cli.Tests.Commands;

public sealed class FoldsTests : IDisposable
{
    private static readonly string[] Folds =
        ["--set", "data.folds=3", "--set", "training.epochs=2", "--set", "model.hidden=[8]", "--set", "training.workers=1"];

    private readonly CliRun _cli = new() { UsesRealHost = true };

    public void Dispose() => _cli.Dispose();

    [Fact]
    public async Task Every_fold_is_a_run_and_mean_and_deviation_are_told()
    {
        Assert.True(await _cli.RunAsync(["train", .. Folds, "--format", "json"]) == 0, _cli.Error);

        var json = _cli.Json();
        string whole = _cli.RunFolder;
        var summaries = Enumerable.Range(0, 3).Select(f => RunDirectoryReader.Open(Path.Combine(whole, $"fold-{f}")).Summary()!).ToList();
        double[] accuracies = [.. summaries.Select(s => s.Validation["accuracy"])];
        double mean = accuracies.Average();
        Assert.Equal(mean, json.GetProperty("mean").GetProperty("validation").GetProperty("accuracy").GetDouble(), 1e-12);
        Assert.Equal(Math.Sqrt(accuracies.Sum(a => (a - mean) * (a - mean)) / 2),
            json.GetProperty("deviation").GetProperty("validation").GetProperty("accuracy").GetDouble(), 1e-12);
        Assert.Equal(mean, json.GetProperty("validation").GetProperty("accuracy").GetDouble(), 1e-12);
        Assert.Equal(3, summaries.Select(s => s.WeightsSha256).Distinct().Count()); // other data, other weights
        Assert.Equal(summaries.Select(s => s.WeightsSha256), json.GetProperty("folds").EnumerateArray().Select(f => f.GetProperty("weights_sha256").GetString()));
        Assert.Equal(4, File.ReadAllLines(Path.Combine(whole, "folds.csv")).Length);
        Assert.Equal(mean, RunDirectoryReader.Open(whole).Summary()!.Validation["accuracy"], 1e-12);

        Assert.True(await _cli.RunAsync("evaluate", Path.Combine(whole, "fold-1"), "--split", "validation", "--format", "json") == 0, _cli.Error);
        Assert.Equal(accuracies[1], _cli.Json().GetProperty("metrics").GetProperty("accuracy").GetDouble());
        Assert.Equal(2, await _cli.RunAsync("train", "--resume", whole));
        Assert.Contains("is complete", _cli.Error);

        Assert.True(await _cli.RunAsync("plot", whole, "--format", "svg") == 0, _cli.Error);
        string drawn = File.ReadAllText(Path.Combine(whole, "plot.svg"));
        Assert.All(Enumerable.Range(0, 3), f => Assert.Contains($"fold-{f}", drawn));
    }

    [Fact]
    public async Task The_bits_of_a_fold_are_those_of_its_run_alone_however_many_run_at_once()
    {
        Assert.True(await _cli.RunAsync(["train", .. Folds, "--parallel", "3", "--out", _cli.In("three")]) == 0, _cli.Error);
        Assert.Contains("mean", _cli.Out);
        Assert.Contains("completed: 3 folds", _cli.Out);
        Assert.True(await _cli.RunAsync(["train", .. Folds, "--set", "data.fold=2", "--out", _cli.In("alone")]) == 0, _cli.Error);

        Assert.Equal(RunDirectoryReader.Open(_cli.In("alone")).Summary()!.WeightsSha256,
            RunDirectoryReader.Open(_cli.In("three/fold-2")).Summary()!.WeightsSha256);
    }

    [Fact]
    public async Task An_interrupted_cross_validation_goes_on_without_repeating_a_fold()
    {
        string[] longer = [.. Folds, "--set", "training.epochs=12", "--parallel", "1", "--format", "json"];
        Assert.True(await _cli.RunAsync(["train", .. longer, "--out", _cli.In("straight")]) == 0, _cli.Error);
        string[] straight = Hashes("straight");

        using var interrupt = new CancellationTokenSource();
        using var first = new CliRun { UsesRealHost = true, Interrupt = interrupt.Token };
        string first0 = _cli.In("broken/fold-0/summary.json");
        // the first line after the end of fold 0 is one of fold 1
        Assert.Equal(130, await first.RunAsync(() => { if (File.Exists(first0)) interrupt.Cancel(); }, ["train", .. longer, "--out", _cli.In("broken")]));
        Assert.Equal("interrupted", first.Json().GetProperty("status").GetString());
        Assert.False(Directory.Exists(_cli.In("broken/fold-2")));
        Assert.Equal(RunStatus.Interrupted, RunDirectoryReader.Open(_cli.In("broken")).Summary()!.Status);
        byte[] finished = await File.ReadAllBytesAsync(first0, TestContext.Current.CancellationToken);
        var written = File.GetLastWriteTimeUtc(first0);

        Assert.True(await _cli.RunAsync("train", "--resume", _cli.In("broken"), "--parallel", "1") == 0, _cli.Error);

        Assert.Equal(straight, Hashes("broken"));
        Assert.Equal(finished, await File.ReadAllBytesAsync(first0, TestContext.Current.CancellationToken));
        Assert.Equal(written, File.GetLastWriteTimeUtc(first0));
        Assert.Equal(RunDirectoryReader.Open(_cli.In("straight")).Summary()!.Validation, RunDirectoryReader.Open(_cli.In("broken")).Summary()!.Validation);

        string[] Hashes(string run) => [.. Enumerable.Range(0, 3).Select(f => RunDirectoryReader.Open(_cli.In($"{run}/fold-{f}")).Summary()!.WeightsSha256!)];
    }

    [Fact]
    public async Task A_fold_that_fails_fails_the_whole_and_is_named()
    {
        using var cli = new CliRun { Host = new TestHost { Opening = () => throw new InvalidOperationException("it broke") } };

        Assert.Equal(1, await cli.RunAsync("train", "--set", "data.folds=3", "--parallel", "1", "--format", "json"));

        Assert.Equal("failed", cli.Json().GetProperty("status").GetString());
        Assert.StartsWith("fold 0: System.InvalidOperationException: it broke", cli.Json().GetProperty("error").GetString());
    }

    [Theory]
    [InlineData("data.fold: is 1, but data.folds is not set", "--set", "data.fold=1")]
    [InlineData("data.fold: is 3, but must be below 3", "--set", "data.folds=3", "--set", "data.fold=3")]
    [InlineData("data.folds: is 1, but must be between 2 and 1000", "--set", "data.folds=1")]
    [InlineData("--parallel: is given, but the spec has no data.folds", "--parallel", "2")]
    [InlineData("data.folds: is 900, but there are only", "--set", "data.folds=900", "--set", "data.test_fraction=0.9")]
    [InlineData("data.folds: is 3, but model 'function' takes no data", "--set", "model=function", "--set", "data.folds=3")]
    public async Task Bad_input_leaves_no_directory(string text, params string[] args)
    {
        Assert.Equal(2, await _cli.RunAsync(["train", .. args]));
        Assert.Contains(text, _cli.Error);
        Assert.False(Directory.Exists(_cli.Runs));
    }

    [Fact]
    public async Task In_code_the_folds_are_a_call_of_their_own()
    {
        var spec = new TrainingSpec
        {
            Data = new DataSpec { Folds = 2 },
            Model = new ModelSpec { Options = new DistOpt.Torch.Models.MlpOptions { Hidden = [8] } },
            Training = new TrainingSection { Epochs = 1, Workers = 1 },
        };
        var options = new TrainingOptions { WritesRunDirectory = false };

        var result = await Training.CrossValidateAsync(spec, options: options, cancellationToken: TestContext.Current.CancellationToken);

        Assert.Equal(2, result.Folds.Count);
        Assert.Equal(result.Folds.Average(f => f.Summary!.Validation["accuracy"]), result.Mean[DataSplit.Validation]["accuracy"], 1e-12);
        var error = await Assert.ThrowsAsync<SpecException>(
            () => Training.RunAsync(spec, options: options, cancellationToken: TestContext.Current.CancellationToken));
        Assert.Contains("2 runs, but this is one", error.Message);
    }

    [Fact]
    public async Task On_a_cluster_each_fold_is_a_job_and_watching_tells_the_mean()
    {
        var specs = new List<string>();
        using var cluster = new FakeCluster((request, body) =>
        {
            if (request.HttpMethod == "POST")
            {
                specs.Add(body);
                return (202, "application/json", $$"""{"id":"job-{{specs.Count - 1}}"}""");
            }
            string path = request.Url!.AbsolutePath;
            if (path.EndsWith("/rows", StringComparison.Ordinal)) return (200, "application/x-ndjson", "");
            int fold = path[^1] - '0';
            string summary = RunJson.SummaryText(new RunSummary
            {
                Job = $"job-{fold}",
                Status = RunStatus.Completed,
                Validation = new Dictionary<string, double> { ["accuracy"] = 0.9 + 0.02 * fold },
            });
            return (200, "application/json", $$"""{"id":"job-{{fold}}","status":"completed","summary":{{summary}}}""");
        });
        using var cli = new CliRun();
        string spec = cli.Write("s.yaml", "data: { name: digits, folds: 3 }\n");

        Assert.True(await cli.RunAsync("submit", spec, "--cluster", cluster.Url, "--format", "json") == 0, cli.Error);
        Assert.Equal(["job-0", "job-1", "job-2"], cli.Json().GetProperty("ids").EnumerateArray().Select(i => i.GetString()));
        Assert.Equal(3, specs.Select((s, f) => s.Contains($"fold: {f}\n", StringComparison.Ordinal) ? 1 : 0).Sum());

        specs.Clear();
        Assert.True(await cli.RunAsync("submit", spec, "--cluster", cluster.Url, "--watch", "--format", "json", "--require", "validation.accuracy>=0.92") == 0, cli.Error);
        Assert.Equal(0.92, cli.Json().GetProperty("mean").GetProperty("validation").GetProperty("accuracy").GetDouble(), 1e-12);
        specs.Clear();
        Assert.Equal(1, await cli.RunAsync("submit", spec, "--cluster", cluster.Url, "--watch", "--require", "validation.accuracy>0.93"));
    }
}
