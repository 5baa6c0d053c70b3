using DistOpt.Core.Parameters;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Runs;

public sealed class RunDirectoryWriterTests : IDisposable
{
    private static readonly DateTimeOffset Start = new(2026, 1, 24, 15, 30, 12, TimeSpan.Zero);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Nothing_exists_before_the_run_starts()
    {
        using var writer = Writer("run");
        Assert.False(Directory.Exists(_folder.In("run")));
        Assert.Throws<InvalidOperationException>(() => writer.Row(TrainRow));
        Assert.False(Directory.Exists(_folder.In("run")));
    }

    [Fact]
    public void Rows_have_exactly_the_documented_fields_and_are_on_disk_at_once()
    {
        using var writer = Writer("run");
        writer.Started(Started);
        writer.Row(TrainRow);
        writer.Row(ValidationRow);
        Assert.Equal(
            """
            {"step":20,"epoch":1,"split":"train","loss":0.5,"learning_rate":0.001,"batch_size":64,"samples_per_second":1234.6,"wall_seconds":1.5,"tokens":7}
            {"step":20,"epoch":1,"split":"validation","loss":0.25,"wall_seconds":1.75,"accuracy":0.875,"drift":null}

            """, Shared("run/metrics.jsonl"));
    }

    [Fact]
    public void Lines_of_the_log_and_scalars_of_TensorBoard_are_there_at_once_and_making_them_last_keeps_them()
    {
        using var writer = Writer("run");
        writer.Flush(); // nothing is there yet that could last
        writer.Started(Started);
        writer.Row(TrainRow);
        writer.Log(new LogLine("n1", "stdout", "information", "one", 0.25));
        writer.Flush();
        writer.Log(new LogLine("n1", "stdout", "information", "two", 0.5));

        string[] lines = Shared("run/log.jsonl").TrimEnd('\n').Split('\n');
        Assert.Contains("one", lines[^2]);
        Assert.Contains("two", lines[^1]);
        // its last event is whole
        string events = Path.GetFileName(Assert.Single(Directory.GetFiles(_folder.In("run"), "events.out.tfevents.*")));
        Assert.Contains("train/samples_per_second", Shared($"run/{events}"));
    }

    [Fact]
    public void A_row_of_a_batch_that_varies_says_why_and_by_what_and_reads_back_equal()
    {
        var varied = TrainRow with { BatchReason = "noise_scale", NoiseScale = 61.5, AdascaleGain = 1.25 };
        using (var writer = Writer("run"))
        {
            writer.Started(Started);
            writer.Row(varied);
        }
        Assert.Contains("\"batch_size\":64,\"batch_reason\":\"noise_scale\",\"noise_scale\":61.5,\"adascale_gain\":1.25,", Shared("run/metrics.jsonl"));
        var row = Assert.Single(RunDirectoryReader.Open(_folder.In("run")).Rows());
        Assert.Equal(("noise_scale", 61.5, 1.25), (row.BatchReason, row.NoiseScale, row.AdascaleGain));
        Assert.Equal(varied.Metrics, row.Metrics);
        var events = TensorBoardFile.Read(Assert.Single(Directory.GetFiles(_folder.In("run"), "events.out.tfevents.*")));
        Assert.Superset(new HashSet<string?>(["train/batch_size", "train/noise_scale", "train/adascale_gain"]), events.Select(e => e.Item4).ToHashSet());
    }

    [Fact]
    public void A_metric_cannot_take_the_name_of_a_field()
    {
        using var writer = Writer("run");
        writer.Started(Started);
        var row = TrainRow with { Metrics = [new("epoch", 1)] };
        Assert.Contains("'epoch'", Assert.Throws<ArgumentException>(() => writer.Row(row)).Message);
    }

    [Fact]
    public void What_is_written_reads_back_equal()
    {
        using (var writer = Writer("run"))
        {
            writer.Started(Started);
            writer.Row(TrainRow);
            writer.Row(ValidationRow);
            writer.Log(new LogLine("n1", "stdout", "information", "a \"quoted\" line\twith ü", 0.25));
            writer.Ended(Summary);
        }
        var reader = RunDirectoryReader.Open(_folder.In("run"));
        MetricRow[] rows = [.. reader.Rows()];
        Assert.Equal(TrainRow.Metrics, rows[0].Metrics);
        Assert.Equal(TrainRow with { Metrics = rows[0].Metrics, SamplesPerSecond = 1234.6 }, rows[0]);
        Assert.Equal(ValidationRow with { Metrics = rows[1].Metrics }, rows[1]);
        Assert.True(double.IsNaN(rows[1].Get("drift")!.Value));
        Assert.Equal(
            [new LogLine("local", "distopt", "warning", "careful", 0), new LogLine("n1", "stdout", "information", "a \"quoted\" line\twith ü", 0.25)],
            reader.Logs());
        var summary = reader.Summary()!;
        Assert.Equal(Summary.Test, summary.Test);
        Assert.Equal(Summary with { Train = summary.Train, Validation = summary.Validation, Test = summary.Test }, summary);
        Assert.Equal("name: t\n", reader.SpecText());
    }

    [Fact]
    public void The_summary_has_the_documented_shape()
    {
        using var writer = Writer("run");
        writer.Started(Started);
        writer.Ended(Summary);
        Assert.Equal(
            """
            {
              "job": "t-1",
              "status": "completed",
              "stop_reason": "max_steps",
              "steps": 40,
              "epochs": 2,
              "samples": 2560,
              "selected": {
                "step": 20,
                "metric": "validation.loss",
                "value": 0.25
              },
              "train": {
                "loss": 0.5
              },
              "validation": {
                "loss": 0.25,
                "accuracy": 0.875
              },
              "test": {
                "loss": 0.3,
                "accuracy": 0.75
              },
              "wall_seconds": 2.5,
              "samples_per_second": 1024,
              "workers": 2,
              "servers": 1,
              "processes": 1,
              "gradient_shards": 4,
              "worker_failures": 0,
              "server_failures": 0,
              "coordinator_restarts": 0,
              "rollbacks": 0,
              "steps_computed": 40,
              "weights_sha256": "ab"
            }

            """, File.ReadAllText(_folder.In("run/summary.json")));
        Assert.False(File.Exists(_folder.In("run/summary.json.tmp")));
    }

    [Fact]
    public void Of_a_run_with_checkpoints_on_shared_storage_the_job_is_known_though_it_died()
    {
        var spec = Started.Spec with { Storage = new StorageSection { Kind = StorageSection.Shared, Path = "/mnt" } };
        using (var writer = Writer("run")) writer.Started(Started with { Spec = spec });
        using (var writer = Writer("other")) writer.Started(Started);

        Assert.Equal(Started.Job, RunDirectoryReader.Open(_folder.In("run")).SharedJob());
        Assert.Null(RunDirectoryReader.Open(_folder.In("other")).SharedJob());
    }

    [Fact]
    public void Weights_go_to_the_two_model_files_and_inference_is_written_at_the_start()
    {
        using var writer = Writer("run");
        writer.Started(Started);
        Assert.Equal("inference", File.ReadAllText(_folder.In("run/inference.json")));
        writer.Weights(new RunWeights(false, 40, new float[] { 1, 2 }, default));
        writer.Weights(new RunWeights(true, 20, new float[] { 3 }, new float[] { 4, 5 }));
        Assert.Equal("1 2|", File.ReadAllText(_folder.In("run/last.safetensors")));
        Assert.Equal("3|4 5", File.ReadAllText(_folder.In("run/model.safetensors")));
    }

    [Fact]
    public void A_last_line_that_is_being_written_is_left_out_and_a_damaged_one_is_named()
    {
        using (var writer = Writer("run"))
        {
            writer.Started(Started);
            writer.Row(TrainRow);
        }
        File.AppendAllText(_folder.In("run/metrics.jsonl"), """{"step":40,"ep""");
        Assert.Single(RunDirectoryReader.Open(_folder.In("run")).Rows());
        File.AppendAllText(_folder.In("run/metrics.jsonl"), "\n");
        var error = Assert.Throws<SpecException>(() => RunDirectoryReader.Open(_folder.In("run")).Rows().ToArray());
        Assert.Contains("line 2 is damaged", error.Message);
    }

    [Fact]
    public void The_event_file_holds_every_scalar()
    {
        using (var writer = Writer("run"))
        {
            writer.Started(Started);
            writer.Row(TrainRow);
            writer.Row(ValidationRow with { Metrics = [.. ValidationRow.Metrics.Take(2)] });
        }
        string file = Assert.Single(Directory.GetFiles(_folder.In("run"), "events.out.tfevents.*"));
        Assert.StartsWith("events.out.tfevents.1769268612.", Path.GetFileName(file));
        var events = TensorBoardFile.Read(file);
        double start = Start.ToUnixTimeSeconds();
        Assert.Equal((start, 0L, "brain.Event:2", null, 0f), events[0]);
        Assert.Equal(
            [
                (start + 1.5, 20L, null, "train/loss", 0.5f),
                (start + 1.5, 20L, null, "train/tokens", 7f),
                (start + 1.5, 20L, null, "train/learning_rate", 0.001f),
                (start + 1.5, 20L, null, "train/samples_per_second", 1234.56f),
                (start + 1.75, 20L, null, "validation/loss", 0.25f),
                (start + 1.75, 20L, null, "validation/accuracy", 0.875f),
            ],
            events.Skip(1));
    }

    private static MetricRow TrainRow { get; } = new(20, 1, DataSplit.Train, [new("loss", 0.5), new("tokens", 7)], 0.001, 64, 1234.56, 1.5);

    private static MetricRow ValidationRow { get; } =
        new(20, 1, DataSplit.Validation, [new("loss", 0.25), new("accuracy", 0.875), new("drift", double.NaN)], null, null, null, 1.75);

    private static RunStarted Started { get; } =
        new("t-1", new TrainingSpec { Name = "t" }, new DataCounts(10, 2, 3), 40, new ParameterLayout([], []), ["local"], ["careful"]);

    private static RunSummary Summary { get; } = new()
    {
        Job = "t-1",
        Status = RunStatus.Completed,
        StopReason = StopReason.MaxSteps,
        Steps = 40,
        Epochs = 2,
        Samples = 2560,
        Selected = new SelectedWeights(20, "validation.loss", 0.25),
        Train = new Dictionary<string, double> { ["loss"] = 0.5 },
        Validation = new Dictionary<string, double> { ["loss"] = 0.25, ["accuracy"] = 0.875 },
        Test = new Dictionary<string, double> { ["loss"] = 0.3, ["accuracy"] = 0.75 },
        WallSeconds = 2.5,
        SamplesPerSecond = 1024,
        Workers = 2,
        Servers = 1,
        GradientShards = 4,
        StepsComputed = 40,
        WeightsSha256 = "ab",
    };

    private RunDirectoryWriter Writer(string name) => new(new RunDirectory(_folder.In(name)), new RunFiles(
        spec => $"name: {spec.Name}\n",
        (path, parameters, buffers) =>
            File.WriteAllText(path, string.Join(' ', parameters.ToArray()) + "|" + string.Join(' ', buffers.ToArray())),
        path => File.WriteAllText(path, "inference")), new FixedTime());

    private string Shared(string name)
    {
        using var reader = new StreamReader(new FileStream(_folder.In(name), FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return reader.ReadToEnd();
    }

    private sealed class FixedTime : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => Start;
    }
}
