using System.Text.RegularExpressions;
using DistOpt.Cli.Tests.Support;
using DistOpt.Core.Training;

namespace DistOpt.Cli.Tests.Commands;

public sealed partial class TrainCommandTests
{
    [Fact]
    public async Task A_piped_run_prints_a_line_for_each_evaluation_and_says_where_the_results_are()
    {
        using var cli = new CliRun();
        Assert.Equal(0, await cli.RunAsync("train"));
        string folder = cli.RunFolder;
        Assert.Matches(@"digits-mlp-\d{8}-\d{6}-[0-9a-f]{4}$", folder);
        string id = Path.GetFileName(folder);
        Assert.Equal(
            $"""
            {id}: model mlp (2 parameters), data digits (100 train, 10 validation, 20 test)
            2 workers, 1 server, 2 gradient shards, optimizer adam, 20 steps, seed 42
            warning: this is a test
            step 10/20  epoch 1  train.loss 1.0000  validation.loss 0.8000  validation.accuracy 0.9000  1,235 samples/s
            step 20/20  epoch 2  train.loss 0.5000  validation.loss 0.4000  validation.accuracy 0.9000  1,235 samples/s
            completed (epochs) after 20 steps, 2 epochs in 2.0 s (100 samples/s)
            selected step 10 by validation.loss 0.4000
              train       loss 0.5000
              validation  loss 0.4000  accuracy 0.9000
              test        loss 0.4500  accuracy 0.8750
            results in {folder}

            """, cli.Out);
        Assert.Equal("", cli.Error);
        Assert.Equal(cli.Runtimes.Opened, cli.Runtimes.Disposed);
    }

    [Fact]
    public async Task The_run_directory_is_complete()
    {
        using var cli = new CliRun();
        await cli.RunAsync("train");
        string[] files = [.. Directory.GetFiles(cli.RunFolder).Select(f => EventTime().Replace(Path.GetFileName(f)!, "N")).Order(StringComparer.Ordinal)];
        Assert.Equal(
            ["events.out.tfevents.N.distopt", "inference.json", "last.safetensors", "log.jsonl", "metrics.jsonl", "model.safetensors", "spec.yaml", "summary.json"],
            files);
        Assert.Equal("3 4", await File.ReadAllTextAsync(Path.Combine(cli.RunFolder, "model.safetensors"), TestContext.Current.CancellationToken));
        Assert.Equal("1 2", await File.ReadAllTextAsync(Path.Combine(cli.RunFolder, "last.safetensors"), TestContext.Current.CancellationToken));
        string spec = await File.ReadAllTextAsync(Path.Combine(cli.RunFolder, "spec.yaml"), TestContext.Current.CancellationToken);
        Assert.Contains("gradient_shards: 2", spec);
        Assert.Contains("seed: 42", spec);
    }

    [Fact]
    public async Task Under_json_stdout_is_one_document_and_progress_goes_to_stderr()
    {
        using var cli = new CliRun();
        Assert.Equal(0, await cli.RunAsync("train", "--format", "json", "--out", cli.In("x")));
        var json = cli.Json();
        Assert.Equal(cli.In("x"), json.GetProperty("run").GetString());
        Assert.Equal("completed", json.GetProperty("status").GetString());
        Assert.Equal(0.875, json.GetProperty("test").GetProperty("accuracy").GetDouble());
        Assert.Contains("step 20/20", cli.Error);
    }

    [Fact]
    public async Task Settings_reach_the_spec_and_short_forms_win()
    {
        using var cli = new CliRun();
        string spec = cli.Write("s.yaml", "name: mine\ntraining: { workers: 3 }\nmodel: { kind: mlp, hidden: [8] }\n");
        Assert.Equal(0, await cli.RunAsync("train", spec, "--set", "training.epochs=7", "--set", "training.servers=2", "--workers", "4", "--servers", "1"));
        var training = cli.Host.Request!.Spec.Training;
        Assert.Equal((7, 4, 1, 4), (training.Epochs, training.Workers, training.Servers, training.GradientShards));
        Assert.Equal("mine", cli.Host.Request.Spec.Name);
    }

    [Fact]
    public async Task All_that_is_wrong_is_told_at_once_and_no_directory_is_left()
    {
        using var cli = new CliRun();
        string spec = cli.Write("bad.yaml", "modle: mlp\noptimizer: { kind: adm, learning_rate: 1 }\ntraining: { workers: 0, epochs: nine }\n");
        Directory.CreateDirectory(cli.In("full"));
        File.WriteAllText(cli.In("full/file"), "");
        Assert.Equal(2, await cli.RunAsync("train", spec, "--out", cli.In("full"), "--require", "accuracy>1", "--processes", "0"));
        string[] lines = cli.ErrorLines();
        Assert.All(lines, l => Assert.StartsWith("error: ", l));
        Assert.Contains(lines, l => l.Contains("modle") && l.Contains("model"));
        Assert.Contains(lines, l => l.Contains("'adm' is not known. Available: gd, sgd, momentum"));
        Assert.Contains(lines, l => l.Contains("training.workers") && l.Contains("0"));
        Assert.Contains(lines, l => l.Contains("training.epochs") && l.Contains("nine"));
        Assert.Contains(lines, l => l.Contains("--out") && l.Contains("--resume"));
        Assert.Contains(lines, l => l.Contains("--require") && l.Contains("accuracy>1"));
        Assert.Contains(lines, l => l.Contains("--processes: is 0"));
        Assert.Equal(7, lines.Length);
        Assert.False(Directory.Exists(cli.Runs));
        Assert.Equal("", cli.Out);
    }

    [Fact]
    public async Task A_missing_spec_file_is_one_clear_line()
    {
        using var cli = new CliRun();
        Assert.Equal(2, await cli.RunAsync("train", "nowhere.yaml", "--format", "json"));
        Assert.Contains("nowhere.yaml", Assert.Single(cli.ErrorLines()));
        var json = cli.Json();
        Assert.Equal("bad_input", json.GetProperty("status").GetString());
        Assert.Single(json.GetProperty("violations").EnumerateArray());
    }

    [Fact]
    public async Task More_servers_than_blocks_are_refused_before_anything_is_written()
    {
        using var cli = new CliRun { Runtimes = new TestRuntimes(parameters: 2049) };
        Assert.Equal(2, await cli.RunAsync("train", "--servers", "4"));
        Assert.Equal("error: training.servers: is 4, but must be at most 3: the model's 2049 parameters are 3 blocks of 1024", Assert.Single(cli.ErrorLines()));
        Assert.False(Directory.Exists(cli.Runs));
        Assert.Equal((1, 1), (cli.Runtimes.Opened, cli.Runtimes.Disposed));
    }

    [Fact]
    public async Task A_dry_run_shows_spec_data_and_layout_and_trains_nothing()
    {
        using var cli = new CliRun();
        Assert.Equal(0, await cli.RunAsync("train", "--dry-run"));
        Assert.Null(cli.Host.Request);
        Assert.Contains("name: digits-mlp", cli.Out);
        Assert.Contains("data: 100 train, 10 validation, 20 test", cli.Out);
        Assert.Contains("parameters: 2 (8 B)", cli.Out);
        Assert.Contains("weight  [2]    0       2", cli.Out);
        Assert.False(Directory.Exists(cli.Runs));
        Assert.Equal(0, await cli.RunAsync("train", "--dry-run", "--format", "json"));
        Assert.Equal(2, cli.Json().GetProperty("parameters").GetInt64());
        Assert.Equal("weight", cli.Json().GetProperty("layout")[0].GetProperty("name").GetString());
    }

    [Theory]
    [InlineData("test.accuracy>=0.87", 0, "")]
    [InlineData("test.accuracy>=0.95", 1, "error: required test.accuracy>=0.95, but test.accuracy is 0.875\n")]
    [InlineData("validation.loss < 0.4", 1, "error: required validation.loss < 0.4, but validation.loss is 0.4\n")]
    [InlineData("validation.loss<=0.4", 0, "")]
    [InlineData("test.f1>0", 1, "error: required test.f1>0, but test has no metric 'f1' (it has: loss, accuracy)\n")]
    public async Task A_requirement_decides_the_exit_code(string condition, int code, string error)
    {
        using var cli = new CliRun();
        Assert.Equal(code, await cli.RunAsync("train", "--require", condition));
        Assert.Equal(error, cli.Error);
    }

    [Fact]
    public async Task An_interrupt_ends_cleanly_with_130()
    {
        using var interrupt = new CancellationTokenSource();
        using var cli = new CliRun
        {
            Interrupt = interrupt.Token,
            Host = new TestHost { WaitsForInterrupt = true, Middle = _ => interrupt.Cancel() },
        };
        Assert.Equal(130, await cli.RunAsync("train"));
        Assert.Contains("interrupted (interrupted) after 10 steps", cli.Out);
        Assert.True(File.Exists(Path.Combine(cli.RunFolder, "model.safetensors")));
        Assert.Contains("\"status\": \"interrupted\"", File.ReadAllText(Path.Combine(cli.RunFolder, "summary.json")));
    }

    [Fact]
    public async Task A_failed_run_exits_with_1_names_type_and_message_and_keeps_what_there_is()
    {
        using var cli = new CliRun
        {
            Host = new TestHost { Status = RunStatus.Failed, Error = "System.InvalidOperationException: user code broke\n   at Somewhere()" },
        };
        Assert.Equal(1, await cli.RunAsync("train", "--format", "json"));
        Assert.Equal("failed", cli.Json().GetProperty("status").GetString());
        string line = Assert.Single(cli.ErrorLines(), l => l.StartsWith("error: ", StringComparison.Ordinal));
        Assert.Contains("System.InvalidOperationException: user code broke", line);
        Assert.DoesNotContain("Somewhere", cli.Error);
        Assert.Contains("Somewhere", File.ReadAllText(Path.Combine(cli.RunFolder, "summary.json")));
    }

    [Fact]
    public async Task An_exception_of_the_host_leaves_a_summary_that_says_failed()
    {
        using var cli = new CliRun { Host = new TestHost { Middle = _ => throw new FormatException("bad thing") } };
        Assert.Equal(1, await cli.RunAsync("train", "--debug"));
        Assert.Contains("error: the run failed: System.FormatException: bad thing", cli.Error);
        Assert.Contains("TestHost", cli.Error); // --debug shows the stack
        Assert.Contains("\"status\": \"failed\"", File.ReadAllText(Path.Combine(cli.RunFolder, "summary.json")));
    }

    [Fact]
    public async Task On_a_terminal_a_bar_shows_and_lines_stay()
    {
        using var cli = new CliRun { IsTerminal = true };
        Assert.Equal(0, await cli.RunAsync("train"));
        Assert.Contains("\u001b[", cli.Out);
        Assert.Contains("step 20/20  epoch 2", cli.Out);
        Assert.Contains("results in", cli.Out);
    }

    [Fact]
    public async Task No_color_means_no_color_codes()
    {
        using var cli = new CliRun { IsTerminal = true };
        cli.Environment["NO_COLOR"] = "1";
        Assert.Equal(0, await cli.RunAsync("train"));
        Assert.DoesNotMatch("\u001b\\[[0-9;]*m", cli.Out);
    }

    [Fact]
    public async Task An_observer_sees_everything_in_order_and_can_stop_the_run()
    {
        var observer = new StoppingObserver();
        using var cli = new CliRun { Configure = app => app.AddObserver(observer) };
        Assert.Equal(0, await cli.RunAsync("train"));
        Assert.Equal(["started", "step 5", "Train 10", "Validation 10", "weights last", "weights selected", "ended Observer"], observer.Seen);
        Assert.Contains("completed (observer)", cli.Out);
    }

    [Fact]
    public async Task An_observer_can_ask_for_a_checkpoint()
    {
        int asked = 0;
        var host = new TestHost { Middle = request => request.Checkpoints.Listen(() => asked++) };
        using var cli = new CliRun { Host = host, Configure = app => app.AddObserver(new AskingObserver()) };

        Assert.Equal(0, await cli.RunAsync("train"));

        Assert.Equal(2, asked);
    }

    [Fact]
    public async Task A_resumed_run_keeps_where_its_checkpoints_are()
    {
        using var cli = new CliRun();
        await cli.RunAsync("train", "--out", cli.In("run"));
        File.Delete(Path.Combine(cli.In("run"), "summary.json"));

        Assert.Equal(2, await cli.RunAsync("train", "--resume", cli.In("run"), "--set", "storage.kind=shared", "--set", "storage.path=/mnt/dist"));

        Assert.Contains("storage.kind: is 'shared', but the run's checkpoints are in storage of kind 'coordinator'", cli.Error);
    }

    private sealed class AskingObserver : ITrainingObserver
    {
        public void Step(RunProgress progress, TrainingContext context) => context.RequestCheckpoint();

        public void Evaluated(MetricRow row, TrainingContext context)
        {
            if (row.Split == DataSplit.Validation) context.RequestCheckpoint();
        }
    }

    [GeneratedRegex(@"\d{10}")]
    private static partial Regex EventTime();

    private sealed class StoppingObserver : ITrainingObserver
    {
        public List<string> Seen { get; } = [];

        public void Started(RunStarted run, TrainingContext context) => Seen.Add("started");

        public void Step(RunProgress progress, TrainingContext context) => Seen.Add($"step {progress.Step}");

        public void Evaluated(MetricRow row, TrainingContext context)
        {
            Seen.Add($"{row.Split} {row.Step}");
            if (row.Split == DataSplit.Validation) context.RequestStop();
        }

        public void Checkpointed(RunWeights weights, TrainingContext context) => Seen.Add("weights " + (weights.Selected ? "selected" : "last"));

        public void Ended(RunSummary summary) => Seen.Add($"ended {summary.StopReason}");
    }
}
