using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.EndToEnd.Tests.Studies;

/// <summary>Studies in one process: killed, interrupted, with trials that fail.</summary>
public sealed class SweepTests : IDisposable
{
    private const string Digits = """
        name: small
        data: { name: digits, validation_fraction: 0.15, test_fraction: 0.15 }
        model: { kind: mlp, hidden: [16] }
        batch: { kind: fixed, size: 64 }
        training: { epochs: 9, workers: 1, servers: 1 }
        checkpoint: { every_steps: 20 }

        """;

    private const string Asha = """
        study:
          metric: validation.accuracy
          sampler: { kind: tpe, startup_trials: 4 }
          trial_scheduler: { kind: asha, min_resource: 1, max_resource: 9, reduction_factor: 3 }
          trials: 12
          parallel: 2
          deterministic: true
        space:
          optimizer.learning_rate: { float: [1e-4, 3e-2], log: true }
          model.hidden: { list: { length: { int: [1, 2] }, each: { int: [8, 64], log: true } } }
        """;

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>With more kills by <c>DISTOPT_SWEEP_KILLS</c>.</summary>
    [Fact]
    public Task A_deterministic_study_that_is_killed_again_and_again_is_the_undisturbed_one() => KillAsync("none");

    /// <summary>The same, with kills of the parent of the processes in which attempts run.</summary>
    [Fact]
    [Trait("Category", "Long")]
    public Task A_deterministic_study_whose_attempts_have_processes_of_their_own_is_the_undisturbed_one_however_often_it_is_killed() => KillAsync("process");

    private async Task KillAsync(string isolation)
    {
        int kills = int.Parse(Environment.GetEnvironmentVariable("DISTOPT_SWEEP_KILLS") ?? "2", CultureInfo.InvariantCulture);
        _folder.Write("study.yaml", Digits + Asha);
        await EndAsync(0, "sweep", "study.yaml", "--out", "calm");
        _folder.Write("study.yaml", Digits + Asha.Replace("deterministic: true", $"deterministic: true\n  isolation: {isolation}", StringComparison.Ordinal));
        var random = new Random(1);

        for (int kill = 0; kill < kills; kill++)
        {
            await using var sweep = Begin("killed");
            int begun = Math.Min(12, Begun("killed") + random.Next(4));
            await sweep.UntilAsync(() => sweep.Out.Contains("objective: ", StringComparison.Ordinal) && Begun("killed") >= begun);
            // one is interrupted in good order, the others are not
            if (kill == 1) sweep.Interrupt();
            else sweep.KillHard();
            await sweep.WaitForExitAsync();
            if (kill == 1) Assert.True(sweep.ExitCode == 130, sweep.Describe());
        }
        await EndAsync(0, "sweep", "--resume", "killed");

        var (calm, killed) = (Trials("calm"), Trials("killed"));
        Assert.Equal(12, calm.Count);
        Assert.Equal(calm, killed);
        Assert.Equal(File.ReadAllText(_folder.In("calm/best.yaml")), File.ReadAllText(_folder.In("killed/best.yaml")));
        var (expected, summary) = (Summary("calm"), Summary("killed"));
        // one that had stored nothing yet is none
        Assert.InRange(summary.GetProperty("interruptions").GetInt32(), 1, kills);
        Assert.Equal(expected.GetProperty("test").ToString(), summary.GetProperty("test").ToString());
        Assert.Equal(expected.GetProperty("trials").ToString(), summary.GetProperty("trials").ToString());
        // the spec that it has found trains to the weights of the trial that was paused, killed and gone on with
        var trained = await ProgramProcess.JsonAsync(ProgramProcess.Cli, _folder.Path, "train", _folder.In("killed/best.yaml"));
        Assert.Equal(Run("killed/best").GetProperty("weights_sha256").GetString(), trained.GetProperty("weights_sha256").GetString());
        // what was killed has left nothing behind that nobody needs
        Assert.Empty(Directory.GetDirectories(_folder.In("killed/states")));
    }

    [Fact]
    [Trait("Category", "Long")]
    public async Task What_is_interrupted_goes_on_from_where_it_was()
    {
        _folder.Write("study.yaml", Digits.Replace("epochs: 9", "epochs: 400", StringComparison.Ordinal) + """
            study: { metric: validation.accuracy, trials: 2, parallel: 2 }
            space: { optimizer.learning_rate: { float: [1e-4, 3e-2], log: true } }
            """);
        await EndAsync(0, "sweep", "study.yaml", "--out", "calm");
        await using (var sweep = Begin("parts"))
        {
            await sweep.LineAsync(l => l.StartsWith("objective: ", StringComparison.Ordinal), "beginning");
            await sweep.UntilAsync(() => Enumerable.Range(0, 2).All(t => new FileInfo(_folder.In($"parts/trials/{t}/metrics.jsonl")) is { Exists: true, Length: > 0 }));
            sweep.Interrupt();
            Assert.True(await sweep.WaitForExitAsync() == 130, sweep.Describe());
            Assert.Contains("distopt sweep --resume parts", sweep.Out);
        }
        Assert.Equal("interrupted", Summary("parts").GetProperty("status").GetString());
        Assert.InRange(Summary("parts").GetProperty("trials").GetProperty("waiting").GetInt32(), 1, 2);

        await EndAsync(0, "sweep", "--resume", "parts");

        Assert.Equal(Trials("calm"), Trials("parts"));
        for (int trial = 0; trial < 2; trial++)
        {
            var (calm, parts) = (Run($"calm/trials/{trial}"), Run($"parts/trials/{trial}"));
            Assert.Equal(calm.GetProperty("weights_sha256").GetString(), parts.GetProperty("weights_sha256").GetString());
            // nothing was computed twice
            Assert.Equal(parts.GetProperty("steps").GetInt64(), parts.GetProperty("steps_computed").GetInt64());
        }
    }

    [Fact]
    public async Task A_trial_that_throws_fails_with_its_reason_and_the_others_go_on()
    {
        _folder.Write("study.yaml", """
            name: crash
            data: { name: digits }
            model: { kind: crasher, how: throw }
            training: { epochs: 2, workers: 1, servers: 1 }
            study: { metric: validation.loss, sampler: grid, trials: null }
            space: { model.at_position: { choices: [640, 1000000] } }
            """);

        var result = await _folder.RunAsync("sweep", _folder.In("study.yaml"), "--out", _folder.In("out"), "--format", "json");

        Assert.True(result.ExitCode == 0, result.ToString());
        // a grid is gone through in an order of its own
        var lines = Lines("out").OrderBy(t => t["params"]!["model.at_position"]!.GetValue<int>()).ToList();
        var (failed, complete) = (lines[0], lines[1]);
        Assert.Equal(("failed", "threw"), (failed["state"]!.GetValue<string>(), failed["cause"]!.GetValue<string>()));
        Assert.Contains("the crasher has had enough", failed["error"]!.GetValue<string>());
        Assert.Equal("complete", complete["state"]!.GetValue<string>());
        Assert.Equal(1_000_000, result.Json.GetProperty("best").GetProperty("params").GetProperty("model.at_position").GetInt32());
    }

    [Fact]
    public async Task A_study_without_end_whose_trials_all_fail_ends_with_the_reason()
    {
        _folder.Write("study.yaml", """
            name: crash
            data: { name: digits }
            model: { kind: crasher, how: throw, at_position: 640 }
            training: { epochs: 1, workers: 1, servers: 1 }
            study: { metric: validation.loss, trials: null, stop: { patience: {}, max_failures: 3 } }
            space: { optimizer.learning_rate: { float: [1e-4, 3e-2] } }
            """);

        var result = await _folder.RunAsync("sweep", _folder.In("study.yaml"), "--out", _folder.In("out"));

        Assert.True(result.ExitCode == 1, result.ToString());
        Assert.Contains("ended (failures): 3 trials (3 failed)", result.Out);
        Assert.Matches(@"3 trials in a row have failed \(study\.stop\.max_failures\), trial 2 as the last one: .*the crasher has had enough", result.Out);
        Assert.Equal("failed", Summary("out").GetProperty("status").GetString());
    }

    /// <summary>Beside it others run that have brought nothing yet either when it takes the process along.</summary>
    [Fact]
    public async Task A_trial_that_takes_the_process_along_time_and_again_has_failed_and_the_others_are_complete()
    {
        _folder.Write("study.yaml", """
            name: doomed
            data: { name: digits }
            model: { kind: crasher, how: abort }
            training: { epochs: 2, workers: 1, servers: 1 }
            study: { metric: validation.loss, sampler: grid, trials: null, parallel: 3 }
            space: { model.at_position: { choices: [640, 999999, 1000000] } }
            """);

        for (int death = 0; death < 3; death++)
        {
            await using var doomed = BeginFixture();
            Assert.True(await doomed.WaitForExitAsync() == 134, doomed.Describe());
        }
        await using var last = BeginFixture();

        Assert.True(await last.WaitForExitAsync() == 0, last.Describe());
        var failed = Assert.Single(Lines("out"), t => t["state"]!.GetValue<string>() != "complete");
        Assert.Equal((640, 3), (failed["params"]!["model.at_position"]!.GetValue<int>(), failed["attempts"]!.GetValue<int>()));
        Assert.Contains("was under way when the study's process died, 3 times in a row", failed["error"]!.GetValue<string>());
        Assert.Equal(3, Lines("out").Count);
    }

    [Fact]
    public async Task An_objective_that_the_model_does_not_measure_is_named_with_those_that_it_does()
    {
        _folder.Write("study.yaml", """
            name: crash
            data: { name: digits }
            model: { kind: crasher, at_position: 1000000 }
            training: { epochs: 1, workers: 1, servers: 1 }
            study: { metric: validation.accuracy, trials: 1 }
            space: { optimizer.learning_rate: { float: [1e-4, 3e-2] } }
            """);

        var result = await _folder.RunAsync("sweep", _folder.In("study.yaml"), "--out", _folder.In("out"));

        Assert.True(result.ExitCode == 1, result.ToString());
        Assert.Contains("the run has not measured validation.accuracy (it measures train.loss, validation.loss)", result.Out);
    }

    [Fact]
    public async Task A_trial_that_diverges_fails_and_where_all_do_there_is_no_best()
    {
        _folder.Write("study.yaml", Digits.Replace("[16]", "[16, 16]", StringComparison.Ordinal) + """
            optimizer: { kind: sgd, learning_rate: 0.1 }
            study: { metric: validation.accuracy, sampler: grid, trials: null }
            space: { optimizer.learning_rate: { choices: [1e8, 1e9] } }
            """);

        var result = await _folder.RunAsync("sweep", _folder.In("study.yaml"), "--out", _folder.In("out"));

        Assert.True(result.ExitCode == 1, result.ToString());
        Assert.All(Lines("out"), t => Assert.Equal(("failed", "diverged"), (t["state"]!.GetValue<string>(), t["cause"]!.GetValue<string>())));
        Assert.Contains("2 trials (2 failed)", result.Out);
        Assert.Contains("no trial is complete", result.Out);
        Assert.False(File.Exists(_folder.In("out/best.yaml")));
    }

    /// <summary>The example as it stands, at three seeds of the study.</summary>
    [Fact]
    [Trait("Category", "Long")]
    public async Task The_trial_that_is_chosen_by_validation_is_good_on_the_test_part_too()
    {
        string spec = Path.Combine(ProgramProcess.Root, "src/DistOpt.Examples/specs/digits-sweep.yaml");
        double sum = 0;
        for (int seed = 1; seed <= 3; seed++)
        {
            var result = await ProgramProcess.JsonAsync(ProgramProcess.Cli, _folder.Path, "sweep", spec, "--set", $"study.seed={seed}", "--out", $"seed-{seed}");
            sum += result.Number("test", "accuracy");
        }

        Assert.True(sum / 3 >= 0.97, $"mean test accuracy {sum / 3}");
    }

    [Fact]
    public async Task A_study_that_runs_is_not_run_by_a_second_process()
    {
        _folder.Write("study.yaml", Digits.Replace("epochs: 9", "epochs: 100000", StringComparison.Ordinal) + """
            study: { metric: validation.accuracy, trials: 1 }
            space: { optimizer.learning_rate: { float: [1e-4, 3e-2], log: true } }
            """);
        await using var sweep = Begin("out");
        await sweep.LineAsync(l => l.StartsWith("objective: ", StringComparison.Ordinal), "beginning");

        var second = await EndAsync(2, "sweep", "--resume", "out");

        Assert.Contains("is being run by another process", second.Error);
        sweep.Interrupt();
        Assert.True(await sweep.WaitForExitAsync() == 130, sweep.Describe());
    }

    private ProgramProcess Begin(string name) => File.Exists(_folder.In($"{name}/study.yaml"))
        ? ProgramProcess.Start(ProgramProcess.Cli, _folder.Path, null, "sweep", "--resume", name)
        : ProgramProcess.Start(ProgramProcess.Cli, _folder.Path, null, "sweep", "study.yaml", "--out", name);

    /// <summary>With models of its own.</summary>
    private ProgramProcess BeginFixture() => File.Exists(_folder.In("out/study.yaml"))
        ? ProgramProcess.Start(ProgramProcess.Fixture, _folder.Path, null, "sweep", "--resume", "out")
        : ProgramProcess.Start(ProgramProcess.Fixture, _folder.Path, null, "sweep", "study.yaml", "--out", "out");

    private async Task<ProgramProcess> EndAsync(int code, params string[] args)
    {
        await using var process = await ProgramProcess.RunAsync(ProgramProcess.Cli, _folder.Path, null, args);
        Assert.True(process.ExitCode == code, process.Describe());
        return process;
    }

    private int Begun(string name) => Directory.Exists(_folder.In($"{name}/trials")) ? Directory.GetDirectories(_folder.In($"{name}/trials")).Length : 0;

    private List<JsonNode> Lines(string name) => StudyFolder.Lines(_folder.In(name));

    private List<string> Trials(string name) => StudyFolder.Trials(_folder.In(name));

    private JsonElement Summary(string name) => Run(name);

    private JsonElement Run(string name) => JsonDocument.Parse(File.ReadAllText(_folder.In($"{name}/summary.json"))).RootElement;
}
