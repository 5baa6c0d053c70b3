using System.Globalization;
using DistOpt.Cli.Tests.Support;

namespace DistOpt.Cli.Tests.Commands;

public sealed class LearningRateFindTests
{
    [Fact]
    public async Task A_real_sweep_suggests_a_rate_that_trains_and_leaves_the_spec_alone()
    {
        using var cli = new CliRun { UsesRealHost = true };
        const string text = "name: small\nmodel: { kind: mlp, hidden: [16] }\noptimizer: { kind: adam, learning_rate: 0.1, beta2: 0.99, decay_biases: false }\nschedule: { kind: cosine, warmup_steps: 3, total_steps: 700 }\n"
            + "stop: { patience: { evaluations: 2 } }\ntraining: { epochs: 3 }\n";
        string spec = cli.Write("small.yaml", text);
        Assert.True(await cli.RunAsync("lr-find", spec, "--format", "json", "--out", cli.In("found")) == 0, cli.Error);

        Assert.Equal(text, File.ReadAllText(spec));
        var json = cli.Json();
        double rate = json.GetProperty("suggestion").GetDouble();
        Assert.InRange(rate, 1e-4, 0.3);
        Assert.Matches(@"^optimizer: \{ kind: adam, learning_rate: [0-9.e-]+, beta2: 0\.99, decay_biases: false \}$", json.GetProperty("spec").GetString());
        Assert.True(json.GetProperty("diverged").GetBoolean());

        // every step from the first on, each rate the one before times the same factor
        var points = json.GetProperty("points").EnumerateArray().Select(p => (Step: p.GetProperty("step").GetInt64(), Rate: p.GetProperty("learning_rate").GetDouble())).ToArray();
        Assert.Equal(Enumerable.Range(0, points.Length).Select(i => (long)i), points.Select(p => p.Step));
        Assert.All(points, p => Assert.Equal(1e-7 * Math.Pow(10, 8.0 * p.Step / 99), p.Rate, 1e-9 * p.Rate));
        Assert.Equal(points.Length + 1, File.ReadAllLines(cli.In("found/lr-find.csv")).Length);
        Assert.True(new FileInfo(cli.In("found/lr-find.png")).Length > 10_000);
        Assert.Contains("learning rate", File.ReadAllText(cli.In("found/lr-find.svg")));
        Assert.Equal(["lr-find.csv", "lr-find.png", "lr-find.svg"], Directory.GetFileSystemEntries(cli.In("found")).Select(f => Path.GetFileName(f)).Order());

        string set = string.Create(CultureInfo.InvariantCulture, $"optimizer.learning_rate={rate}");
        Assert.True(await cli.RunAsync("train", spec, "--set", set, "--require", "validation.accuracy>=0.7") == 0, cli.Error);
    }

    [Fact]
    public async Task The_sweep_is_the_job_without_its_schedule_evaluations_and_ends()
    {
        using var cli = new CliRun();
        Assert.Equal(1, await cli.RunAsync("lr-find", "--from", "1e-4", "--to", "1", "--steps", "41", "--set", "stop.max_steps=7", "--set", "optimizer.kind=sgd"));
        Assert.Contains("the run ended after 2 of 41 steps", cli.Error); // the test's host tells of two
        var spec = cli.Host.Request!.Spec;
        Assert.Equal("exponential", spec.Schedule.Kind);
        Assert.Equal(1.2589, spec.Schedule.OptionsAs<Core.Schedules.ExponentialScheduleOptions>().Gamma, 1e-4);
        Assert.Equal(1e-4, spec.Optimizer.OptionsAs<Core.Optimizers.SgdOptions>().LearningRate);
        Assert.Equal((null, null, null, 1L), (spec.Evaluate.EveryEpochs, spec.Evaluate.EverySteps, spec.Stop.MaxSteps, spec.Training.LogEverySteps));
        Assert.False(Directory.Exists(cli.Runs));
    }

    /// <summary>Muon's second rate is not swept beyond all bounds, but stays in its ratio to the one that is tried.</summary>
    [Fact]
    public async Task A_second_rate_of_the_optimizer_keeps_its_ratio()
    {
        using var cli = new CliRun();
        await cli.RunAsync("lr-find", "--from", "1e-4", "--set", "optimizer={kind: muon, learning_rate: 0.02, adamw_learning_rate: 0.003}");
        var muon = cli.Host.Request!.Spec.Optimizer.OptionsAs<Core.Optimizers.MuonOptions>();
        Assert.Equal((1e-4, 1.5e-5), (muon.LearningRate, Math.Round(muon.AdamwLearningRate, 12)));
    }

    [Fact]
    public async Task Of_a_spec_with_folds_the_first_one_is_swept()
    {
        using var cli = new CliRun();
        await cli.RunAsync("lr-find", "--set", "data.folds=5");
        Assert.Equal((5, 0), (cli.Host.Request!.Spec.Data.Folds, cli.Host.Request!.Spec.Data.Fold));
    }

    [Theory]
    [InlineData("noise-scale", "fixed", 24)]
    [InlineData("growing", "fixed", 24)]
    [InlineData("fixed", "fixed", 24)]
    [InlineData("full", "full", null)]
    public async Task The_sweep_tries_one_rate_a_step_with_the_batch_that_the_strategy_begins_with(string kind, string expected, int? size)
    {
        using var cli = new CliRun();
        string[] sizes = size is null ? [] : ["--set", "batch.size=24"];
        await cli.RunAsync(["lr-find", "--set", $"batch.kind={kind}", "--set", "batch.learning_rate_scaling=adascale", .. sizes]);
        var batch = cli.Host.Request!.Spec.Batch;
        Assert.Equal((expected, Core.Batching.LearningRateScaling.None), (batch.Kind, batch.LearningRateScaling));
        Assert.Equal(size, (batch.Options as Core.Batching.FixedBatchOptions)?.Size);
    }

    [Fact]
    public async Task Bad_bounds_are_told_at_once()
    {
        using var cli = new CliRun();
        Assert.Equal(2, await cli.RunAsync("lr-find", "nosuch.yaml", "--from", "0", "--to", "-1", "--steps", "3"));
        Assert.Equal(4, cli.ErrorLines().Length);
        Assert.Null(cli.Host.Request);
    }
}
