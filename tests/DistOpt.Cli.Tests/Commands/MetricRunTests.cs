using System.Globalization;
using DistOpt.Cli.Tests.Support;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Parameters;
using DistOpt.Core.Runs;
using DistOpt.Core.Training;
using DistOpt.Torch;
using TorchSharp;

namespace DistOpt.Cli.Tests.Commands;

/// <summary>Chosen metrics and divergence, the whole way with actors and tensors.</summary>
public sealed class MetricRunTests : IDisposable
{
    private static readonly string[] Train =
    [
        "train", "--set", "training.epochs=2", "--set", "model.hidden=[24]", "--set", "training.gradient_shards=4", "--set", "evaluate.batch_size=50",
        "--set", "evaluate.metrics=[accuracy, {kind: top-k, k: 3}, f1, {kind: recall, average: per-class}, auc, confusion-matrix]",
        "--set", "select.metric=validation.f1", "--format", "json",
    ];

    private readonly CliRun _cli = new() { UsesRealHost = true };

    public void Dispose() => _cli.Dispose();

    [Fact]
    public async Task Chosen_metrics_select_and_are_reported_with_the_same_bits_for_any_workers_and_servers()
    {
        var seen = new HashSet<string>();
        foreach (var (workers, servers) in new[] { (1, 1), (3, 2) })
        {
            string run = _cli.In($"run-{workers}-{servers}");
            Assert.True(await _cli.RunAsync([.. Train, "--out", run, "--workers", $"{workers}", "--servers", $"{servers}", "--set", "training.gradient_shards=4"]) == 0, _cli.Error);
            var reader = RunDirectoryReader.Open(run);
            var rows = reader.Rows().Where(r => r.Split != DataSplit.Train).ToList();
            string[] names = ["loss", "accuracy", "top_3_accuracy", "f1", .. Enumerable.Range(0, 10).Select(c => $"recall/{c}"), "auc"];
            Assert.All(rows, r => Assert.Equal(names, r.Metrics.Select(m => m.Key)));
            Assert.All(reader.Rows(), r => Assert.DoesNotContain(r.Metrics, m => m.Key[0] == '#'));
            var summary = reader.Summary()!;
            Assert.Equal("validation.f1", summary.Selected!.Metric);
            Assert.Equal(rows.Where(r => r.Split == DataSplit.Validation).Max(r => r.Get("f1")), summary.Selected.Value);
            Assert.Equal(summary.Selected.Value, summary.Validation["f1"]);
            string matrix = await File.ReadAllTextAsync(reader.Directory.ConfusionFile, TestContext.Current.CancellationToken);
            seen.Add(string.Join("\n", rows.Select(r => RunJson.RowLine(r with { WallSeconds = 0 }))) + matrix);

            Assert.True(await _cli.RunAsync("evaluate", run, "--format", "json", "--require", "test.auc>0.5") == 0, _cli.Error);
            var shown = _cli.Json();
            foreach (var (name, value) in summary.Test) Assert.Equal(value, shown.GetProperty("metrics").GetProperty(name).GetDouble());
            var counts = shown.GetProperty("confusion").GetProperty("counts").EnumerateArray().Select(l => string.Join(',', l.EnumerateArray().Select(c => c.GetInt64())));
            Assert.Equal(matrix.Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(l => l[(l.IndexOf(',', StringComparison.Ordinal) + 1)..]), counts);
            Assert.Equal(0, await _cli.RunAsync("evaluate", run));
            Assert.Contains("samples by class (line) and predicted class (column):", _cli.Out);
        }
        Assert.Single(seen);
    }

    [Fact]
    public async Task Without_a_test_part_the_matrix_is_that_of_the_validation_part_and_a_file_is_measured_with_the_runs_metrics()
    {
        string Table(int count, int salt) => "a,b,kind\n" + string.Concat(Enumerable.Range(0, count).Select(i =>
            string.Create(CultureInfo.InvariantCulture, $"{Math.Sin(salt + i * 1.7) + i % 2 * 1.5:0.000},{Math.Cos(i * 2.3):0.000},{(i % 2 == 0 ? "low" : "high")}\n")));
        string train = _cli.Write("train.csv", Table(200, 0)), other = _cli.Write("other.csv", Table(40, 3));
        Assert.True(await _cli.RunAsync("train", "--set", "data.name=csv", "--set", $"data.path={train}", "--set", "data.label=kind", "--set", "data.test_fraction=0",
            "--set", "data.validation_fraction=0.2", "--set", "training.epochs=2", "--set", "model.hidden=[4]", "--set", "evaluate.metrics=[f1, auc, confusion-matrix]") == 0, _cli.Error);
        string[] lines = await File.ReadAllLinesAsync(Path.Combine(_cli.RunFolder, "confusion.csv"), TestContext.Current.CancellationToken);
        Assert.Equal("target,high,low", lines[0]);
        Assert.Equal(40, lines.Skip(1).SelectMany(l => l.Split(',').Skip(1)).Sum(v => int.Parse(v, CultureInfo.InvariantCulture)));

        Assert.True(await _cli.RunAsync("evaluate", _cli.RunFolder, "--file", other, "--format", "json") == 0, _cli.Error);
        var metrics = _cli.Json().GetProperty("metrics");
        Assert.Equal(["loss", "accuracy", "f1", "auc"], metrics.EnumerateObject().Select(m => m.Name));
        var counts = _cli.Json().GetProperty("confusion").GetProperty("counts").EnumerateArray().Select(l => l.EnumerateArray().Select(c => c.GetInt32()).ToArray()).ToArray();
        Assert.Equal(40, counts.Sum(l => l.Sum()));
        Assert.Equal(metrics.GetProperty("accuracy").GetDouble(), (counts[0][0] + counts[1][1]) / 40.0, 1e-12);
    }

    [Fact]
    public async Task Metrics_that_do_not_fit_end_with_exit_code_2_before_anything_is_written()
    {
        Assert.Equal(2, await _cli.RunAsync("train", "--set", "evaluate.metrics=[r2]"));
        Assert.Contains("evaluate.metrics: 'r2' does not fit", _cli.Error);
        Assert.Equal(2, await _cli.RunAsync("train", "--set", "evaluate.metrics=[acuracy]"));
        Assert.Contains("'acuracy'", _cli.Error);
        Assert.Equal(2, await _cli.RunAsync("train", "--set", "stop.target={metric: validation.f1, at_least: 0.9}"));
        Assert.Contains("stop.target.metric: is 'validation.f1', but an evaluation measures validation.loss, validation.accuracy", _cli.Error);
        Assert.False(Directory.Exists(_cli.Runs));
        Assert.Equal(0, await _cli.RunAsync("list", "metrics"));
        Assert.Contains("f1: classes: harmonic mean of precision and recall", _cli.Out);
    }

    [Theory]
    [InlineData("adam", 1, 1)]
    [InlineData("sgd", 2, 1)]
    [InlineData("sgd", 2, 3)]
    [InlineData("sgd", 1, 1, "linear")]
    public async Task A_run_that_diverges_ends_with_exit_code_1_names_step_and_tensor_and_keeps_no_bad_weights(string optimizer, int workers, int servers,
        string model = "mlp")
    {
        Assert.Equal(1, await _cli.RunAsync("train", "--set", $"model.kind={model}", "--set", $"optimizer.kind={optimizer}", "--set", "optimizer.learning_rate=1e6",
            "--workers", $"{workers}", "--servers", $"{servers}", "--set", "training.gradient_shards=2"));
        Assert.Contains("training diverged at step ", _cli.Error);
        Assert.Contains("no weights had been selected before, the last ones are kept", _cli.Error);
        var summary = RunDirectoryReader.Open(_cli.RunFolder).Summary()!;
        Assert.Equal((RunStatus.Failed, StopReason.Diverged), (summary.Status, summary.StopReason!.Value));
        Assert.Contains($"diverged at step {summary.Steps}: its loss is ", summary.Error, StringComparison.Ordinal);
        Assert.InRange(summary.Steps, 1, 20);
        Assert.Null(summary.Selected);
        Assert.False(File.Exists(Path.Combine(_cli.RunFolder, "model.safetensors")));
        using var last = SafetensorsFile.Open(Path.Combine(_cli.RunFolder, "last.safetensors"));
        foreach (var tensor in last.Tensors)
        {
            float[] values = new float[(tensor.End - tensor.Begin) / 4];
            last.ReadFloat32(tensor.Name, values);
            Assert.Equal(-1, FiniteScan.FirstNonFinite(values));
        }
    }

    /// <summary>No step comes after the only one to show what it has done: with a validation part its loss does, and the weights themselves do.</summary>
    [Theory]
    [InlineData("mlp", "0.1", "validation.loss", "after 1 steps the validation loss is ")]
    [InlineData("steep", "0", "train.loss", "after 1 steps the weights are not finite, first in '")]
    public async Task A_run_that_diverges_by_its_last_step_ends_with_exit_code_1(string model, string validation, string select, string expected)
    {
        using var cli = new CliRun
        {
            UsesRealHost = true,
            // loss and gradient are finite, the rate times the gradient is not
            Configure = app => app.AddModel<NoFields, torch.nn.Module<torch.Tensor, torch.Tensor>, SupervisedBatch>("steep",
                (_, _) => torch.nn.Sequential(("flat", torch.nn.Flatten()), ("first", torch.nn.Linear(64, 32)), ("last", torch.nn.Linear(32, 10))),
                (module, batch, context) => new StepResult(
                    torch.nn.functional.cross_entropy(module.call(batch.Input), batch.Target, reduction: torch.nn.Reduction.Sum) * 1e33f, context.Rows)),
        };
        Assert.Equal(1, await cli.RunAsync("train", "--set", $"model.kind={model}", "--set", "optimizer={kind: sgd, learning_rate: 1e9}", "--set", "stop.max_steps=1",
            "--workers", "2", "--servers", "2", "--set", $"data.validation_fraction={validation}", "--set", $"select.metric={select}"));
        Assert.Contains($"training diverged at its end: {expected}", cli.Error);
        Assert.Contains("no weights had been selected before, the last ones are kept", cli.Error);
        var summary = RunDirectoryReader.Open(cli.RunFolder).Summary()!;
        Assert.Equal((RunStatus.Failed, StopReason.Diverged, 1L), (summary.Status, summary.StopReason!.Value, summary.Steps));
        Assert.Null(summary.Selected);
        Assert.False(File.Exists(Path.Combine(cli.RunFolder, "model.safetensors")));
    }

    [Fact]
    public async Task A_target_on_a_train_metric_ends_a_run_at_the_same_step_for_any_workers_and_servers()
    {
        var seen = new HashSet<string>();
        foreach (var (workers, servers) in new[] { (1, 1), (3, 2) })
        {
            string run = _cli.In($"target-{workers}-{servers}");
            Assert.True(await _cli.RunAsync("train", "--set", "stop.target={metric: train.accuracy, at_least: 0.8}", "--set", "training.gradient_shards=4",
                "--set", "clip.global_norm=1", "--out", run, "--workers", $"{workers}", "--servers", $"{servers}") == 0, _cli.Error);
            var reader = RunDirectoryReader.Open(run);
            Assert.Equal(StopReason.Target, reader.Summary()!.StopReason);
            var rows = reader.Rows().Where(r => r.Split == DataSplit.Train).ToList();
            Assert.All(rows, r => Assert.Equal(["loss", "accuracy", "gradient_norm"], r.Metrics.Select(m => m.Key)));
            Assert.True(rows.Count > 1);
            Assert.True(rows[^1].Get("accuracy") >= 0.8);
            Assert.All(rows.SkipLast(1), r => Assert.True(r.Get("accuracy") is > 0 and < 0.8));
            Assert.All(rows, r => Assert.True(r.Get("gradient_norm") is > 0.01 and < 100));
            seen.Add(string.Join("\n", rows.Select(r => RunJson.RowLine(r with { WallSeconds = 0, SamplesPerSecond = null }))));
        }
        Assert.Single(seen);
        Assert.True(await _cli.RunAsync("plot", _cli.In("target-1-1"), "--panels", "gradient_norm,accuracy", "--out", _cli.In("figure.svg")) == 0, _cli.Error);
    }

    [Fact]
    public async Task A_train_metric_that_is_measured_nowhere_ends_with_exit_code_2_before_anything_is_written()
    {
        Assert.Equal(2, await _cli.RunAsync("train", "--set", "stop.target={metric: train.los, at_most: 0.1}"));
        Assert.Contains("stop.target.metric: is 'train.los', but training steps measure train.loss, train.accuracy; choose one of them", _cli.Error);
        Assert.Equal(2, await _cli.RunAsync("train", "--set", "model.kind=function", "--set", "select.metric=train.accuracy"));
        Assert.Contains("is 'train.accuracy', but all that is measured of a function is its value (train.loss), its variables (train.x) and train.gradient_norm; "
            + "choose one of them", _cli.Error);
        Assert.Equal(2, await _cli.RunAsync("train", "--set", "model.kind=function", "--set", "stop.target={metric: validation.accuracy, at_least: 1}",
            "--set", "evaluate.metrics=[f1]", "--set", "training.precision=bf16"));
        Assert.Contains("stop.target.metric", _cli.Error);
        Assert.Contains("evaluate.metrics: is given, but of a function its value", _cli.Error);
        Assert.Contains("training.precision: is bf16, but a function", _cli.Error);
        Assert.False(Directory.Exists(_cli.Runs));
    }

    /// <summary>Gradient descent's own end. x halves its distance to 0 every few steps: 2x falls below 1e-3 where x does below 5e-4.</summary>
    [Theory]
    [InlineData("train.gradient_norm", 1e-3, 5e-4)]
    [InlineData("train.x", 1e-2, 1e-2)]
    public async Task A_function_ends_by_the_norm_of_its_gradient_or_by_a_variable(string metric, double bound, double x)
    {
        Assert.True(await _cli.RunAsync("train", "--set", "model.kind=function", "--set", "optimizer={kind: sgd, learning_rate: 0.1}", "--set", "training.epochs=1000",
            "--set", "select.metric=train.loss", "--set", $"stop.target={{metric: {metric}, at_most: {bound.ToString(CultureInfo.InvariantCulture)}}}",
            "--out", _cli.In("run")) == 0, _cli.Error);
        var summary = RunDirectoryReader.Open(_cli.In("run")).Summary()!;
        Assert.Equal(StopReason.Target, summary.StopReason);
        // x is 2 at first and 4/5 of itself after every step
        double reached = Math.Ceiling(Math.Log(x / 2) / Math.Log(0.8));
        Assert.InRange(summary.Steps, reached, reached + 2);
    }

    /// <summary>Where nothing clips and the optimizer needs no norm it is measured all the same; the weights are those of a run that does not ask.</summary>
    [Fact]
    public async Task A_run_may_wait_for_the_norm_of_its_gradient_whatever_measures_it()
    {
        string[] few = ["train", "--set", "training.epochs=3"];
        foreach (var (name, more) in ((string, string[])[])[("plain", []), ("waits", ["--set", "stop.patience={metric: train.gradient_norm, direction: minimize, evaluations: 50}"]),
            ("lamb", ["--set", "optimizer=lamb", "--set", "stop.patience={metric: train.gradient_norm, direction: minimize, evaluations: 50}"])])
        {
            Assert.True(await _cli.RunAsync([.. few, .. more, "--out", _cli.In(name)]) == 0, _cli.Error);
        }
        Assert.Contains("gradient_norm", File.ReadAllText(Path.Combine(_cli.In("waits"), "metrics.jsonl")), StringComparison.Ordinal);
        Assert.Equal(RunDirectoryReader.Open(_cli.In("plain")).Summary()!.WeightsSha256, RunDirectoryReader.Open(_cli.In("waits")).Summary()!.WeightsSha256);
    }

    /// <summary>The loss is NaN from step 60 on: in the second epoch, when weights have been selected.</summary>
    [Fact]
    public async Task The_weights_that_were_selected_before_a_run_diverged_stay()
    {
        using var cli = new CliRun
        {
            UsesRealHost = true,
            Configure = app => app.AddModel<NoFields, torch.nn.Module<torch.Tensor, torch.Tensor>, SupervisedBatch>("breaks",
                (_, _) => torch.nn.Sequential(("flat", torch.nn.Flatten()), ("first", torch.nn.Linear(64, 32)), ("last", torch.nn.Linear(32, 10))),
                (module, batch, context) => new StepResult(
                    torch.nn.functional.cross_entropy(module.call(batch.Input), batch.Target, reduction: torch.nn.Reduction.Sum)
                        * (context is { Training: true, Step: >= 60 } ? float.NaN : 1), context.Rows)),
        };
        Assert.Equal(1, await cli.RunAsync("train", "--set", "model.kind=breaks", "--workers", "2", "--servers", "2", "--set", "training.epochs=3"));

        Assert.Contains("training diverged at step 60: its loss is NaN and its gradient is not finite, first in 'first.weight' at element 0 of 2048; "
            + "its update was not applied", cli.Error);
        Assert.Contains("the selected weights are those of step 43", cli.Error);
        var reader = RunDirectoryReader.Open(cli.RunFolder);
        var summary = reader.Summary()!;
        Assert.Equal((60, 43, StopReason.Diverged), (summary.Steps, summary.Selected!.Step, summary.StopReason!.Value));
        Assert.True(await cli.RunAsync("evaluate", cli.RunFolder, "--split", "validation", "--format", "json") == 0, cli.Error);
        Assert.Equal(summary.Validation["loss"], cli.Json().GetProperty("metrics").GetProperty("loss").GetDouble());
    }

    /// <summary>The gradient of one tensor is infinite at step 60, under a finite loss: its weights stay what they were, with any number of servers.</summary>
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 3)]
    public async Task A_bad_gradient_under_a_finite_loss_is_noticed_before_it_is_applied(int workers, int servers)
    {
        using var cli = new CliRun
        {
            UsesRealHost = true,
            Configure = app => app.AddModel<NoFields, torch.nn.Module<torch.Tensor, torch.Tensor>, SupervisedBatch>("breaks",
                (_, _) => torch.nn.Sequential(("flat", torch.nn.Flatten()), ("first", torch.nn.Linear(64, 64)), ("last", torch.nn.Linear(64, 10))), Step),
        };
        string[] train = ["train", "--set", "model.kind=breaks", "--set", "training.gradient_shards=4", "--workers", $"{workers}", "--servers", $"{servers}"];
        string undisturbed = cli.In("undisturbed");
        Assert.True(await cli.RunAsync([.. train, "--set", "stop.max_steps=60", "--out", undisturbed]) == 0, cli.Error);
        Assert.Equal(1, await cli.RunAsync(train));

        Assert.Contains(" and its gradient is not finite, first in 'last.weight' at element 0 of 640; its update was not applied", cli.Error);
        Assert.Contains("training diverged at step 60: its loss is ", cli.Error);
        var summary = RunDirectoryReader.Open(cli.RunFolder).Summary()!;
        Assert.Equal((60, 43), (summary.Steps, summary.Selected!.Step));
        Assert.Equal(RunDirectoryReader.Open(undisturbed).Summary()!.WeightsSha256, summary.WeightsSha256);

        static StepResult Step(torch.nn.Module<torch.Tensor, torch.Tensor> module, SupervisedBatch batch, StepContext context)
        {
            var loss = torch.nn.functional.cross_entropy(module.call(batch.Input), batch.Target, reduction: torch.nn.Reduction.Sum);
            var weight = module.get_parameter("last.weight")!;
            // the root of 0, whose slope is infinite
            if (context is { Training: true, Step: >= 60 }) loss += (weight - weight.detach()).sqrt().sum();
            return new StepResult(loss, context.Rows);
        }
    }

    private sealed record NoFields;
}
