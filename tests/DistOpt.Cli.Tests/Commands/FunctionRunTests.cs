using DistOpt.Cli.Tests.Support;
using DistOpt.Core.Runs;
using DistOpt.Core.Training;

namespace DistOpt.Cli.Tests.Commands;

/// <summary>Plain functions through the actors: gradient descent as one computes it by hand.</summary>
public sealed class FunctionRunTests : IDisposable
{
    private const string Specs = "src/DistOpt.Examples/specs";
    private readonly CliRun _cli = new() { UsesRealHost = true };

    public void Dispose() => _cli.Dispose();

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(2, 2, 1)]
    [InlineData(3, 5, 1)]
    public async Task A_parabola_is_descended_as_the_closed_form_says(int workers, int shards, int servers)
    {
        Assert.True(await _cli.RunAsync("train", Spec("parabola.yaml"), "--workers", $"{workers}", "--servers", $"{servers}",
            "--set", $"training.gradient_shards={shards}") == 0, _cli.Error);

        var rows = RunDirectoryReader.Open(_cli.RunFolder).Rows().ToList();
        var after = rows.Where(r => r.Split == DataSplit.Validation).ToList();
        var before = rows.Where(r => r.Split == DataSplit.Train).ToList();
        Assert.Equal((1000, 1000), (after.Count, before.Count));
        for (int k = 1; k <= 1000; k++)
        {
            double x = 2 * Math.Pow(0.8, k);
            Assert.Equal(k, after[k - 1].Step);
            Assert.Equal(x, after[k - 1].Get("x")!.Value, 1e-6);
            Assert.Equal(x * x, after[k - 1].Get("loss")!.Value, 1e-6);
            Assert.Equal(x / 0.8, before[k - 1].Get("x")!.Value, 1e-6);
        }
    }

    [Fact]
    public async Task A_quartic_follows_its_recurrence_in_float64()
    {
        Assert.True(await _cli.RunAsync("train", Spec("quartic.yaml")) == 0, _cli.Error);

        double x = 2;
        var rows = RunDirectoryReader.Open(_cli.RunFolder).Rows().Where(r => r.Split == DataSplit.Validation).ToList();
        Assert.Equal(1000, rows.Count);
        foreach (var row in rows)
        {
            x -= 0.1 * (2 * x + 0.4 * x * x * x);
            Assert.Equal(x, row.Get("x")!.Value, 1e-6);
            Assert.Equal(x * x + 0.1 * x * x * x * x, row.Get("loss")!.Value, 1e-6);
        }
    }

    [Fact]
    public async Task A_newcomer_sees_a_table_of_steps()
    {
        Assert.True(await _cli.RunAsync("train", Spec("parabola.yaml")) == 0, _cli.Error);

        string[] lines = _cli.Out.Split('\n');
        int header = Array.IndexOf(lines, "minimizing x^2");
        Assert.True(header > 0, _cli.Out);
        Assert.Equal(
            [
                "step             x         value",
                "   0      2.000000      4.000000",
                "   1      1.600000      2.560000",
                "   2      1.280000      1.638400",
            ],
            lines[(header + 1)..(header + 5)]);
        Assert.Contains("  20      0.023058      0.000532", lines);
        Assert.Contains(lines, l => l.StartsWith("1000 ", StringComparison.Ordinal));
        Assert.InRange(lines.Length, 30, 45);
    }

    [Fact]
    public async Task Several_variables_a_target_a_frozen_one_and_a_start_from_a_file_work()
    {
        string[] bowl =
        [
            "train", Spec("quartic.yaml"), "--set", "model.expression=(1-x)^2 + 10*(y-x^2)^2", "--set", "model.variables={x: -1, y: 1}",
            "--set", "model.constants={}", "--set", "optimizer={kind: adam, learning_rate: 0.05}", "--set", "training.epochs=5000",
        ];
        Assert.True(await _cli.RunAsync([.. bowl, "--set", "stop.target={metric: validation.loss, at_most: 1e-6}", "--out", _cli.In("a")]) == 0, _cli.Error);
        var summary = RunDirectoryReader.Open(_cli.In("a")).Summary()!;
        Assert.Equal(StopReason.Target, summary.StopReason);
        Assert.Equal(1, summary.Validation["x"], 0.01);
        Assert.Equal(1, summary.Validation["y"], 0.02);

        Assert.True(await _cli.RunAsync("evaluate", _cli.In("a"), "--format", "json") == 0, _cli.Error);
        Assert.Equal(summary.Validation["loss"], _cli.Json().GetProperty("metrics").GetProperty("loss").GetDouble());

        Assert.True(await _cli.RunAsync([.. bowl, "--set", $"model.weights={_cli.In("a/model.safetensors")}", "--set", "model.freeze=[y]",
            "--set", "training.epochs=1", "--out", _cli.In("b")]) == 0, _cli.Error);
        var first = RunDirectoryReader.Open(_cli.In("b")).Rows().ToList();
        Assert.Equal(summary.Validation["x"], first.First(r => r.Split == DataSplit.Train).Get("x"));
        Assert.Equal(summary.Validation["y"], first.First(r => r.Split == DataSplit.Validation).Get("y"));

        Assert.Equal(2, await _cli.RunAsync("predict", _cli.In("a"), "-"));
        Assert.Contains("minimized a function, which has no inputs", _cli.Error);
        Assert.Equal(2, await _cli.RunAsync("evaluate", _cli.In("a"), "--file", "x.csv"));
        Assert.Contains("'none' does not read files", _cli.Error);
        Assert.Equal(2, await _cli.RunAsync([.. bowl, "--set", "model.freeze=[z]"]));
        Assert.Contains("model.freeze: 'z' matches no variable; there are x, y", _cli.Error);
        Assert.Equal(2, await _cli.RunAsync([.. bowl, "--set", "model.freeze=['*']"]));
        Assert.Contains("has no trainable parameters", _cli.Error);
    }

    [Fact]
    public async Task Lists_show_the_model_and_that_it_takes_no_data()
    {
        Assert.Equal(0, await _cli.RunAsync("list", "models"));
        Assert.Contains("function: a function of named variables", _cli.Out);
        Assert.Equal(0, await _cli.RunAsync("init", "--model", "function"));
        Assert.Contains("name: none", _cli.Out);
        File.WriteAllText(_cli.In("init.yaml"), _cli.Out);
        Assert.True(await _cli.RunAsync("train", _cli.In("init.yaml")) == 0, _cli.Error);
    }

    private static string Spec(string file)
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "DistOpt.sln"))) folder = Path.GetDirectoryName(folder);
        return Path.Combine(folder ?? throw new InvalidOperationException("the repository's root was not found above the tests"), Specs, file);
    }
}
