using System.Text.Json;
using DistOpt.Cli.Tests.Support;
using DistOpt.Core.Runs;

namespace DistOpt.Cli.Tests.Commands;

public sealed class SweepCommandTests : IDisposable
{
    private const string Study = """
        name: small
        data: { name: digits, validation_fraction: 0.15, test_fraction: 0.15 }
        model: { kind: mlp, hidden: [8] }
        training: { epochs: 2, workers: 1 }
        study: { metric: validation.accuracy, sampler: random, trials: 4, parallel: 2 }
        space:
          optimizer.learning_rate: { float: [1e-4, 3e-2], log: true }
          model.activation: { choices: [relu, tanh] }
        """;

    private readonly CliRun _cli = new() { UsesRealHost = true };

    public void Dispose() => _cli.Dispose();

    [Fact]
    public async Task The_best_trial_is_told_measured_on_the_test_part_and_its_spec_trains_to_the_same()
    {
        string spec = _cli.Write("study.yaml", Study);
        Assert.True(await _cli.RunAsync("sweep", spec, "--format", "json") == 0, _cli.Error);

        var json = _cli.Json();
        string folder = json.GetProperty("study").GetString()!;
        Assert.Equal(Path.Combine(_cli.Folder, "studies"), Path.GetDirectoryName(folder));
        Assert.Equal("completed", json.GetProperty("status").GetString());
        Assert.Equal(4, json.GetProperty("trials").GetProperty("complete").GetInt32());
        var trials = File.ReadAllLines(Path.Combine(folder, "trials.jsonl")).Select(l => JsonDocument.Parse(l).RootElement).ToList();
        Assert.Equal([0, 1, 2, 3], trials.Select(t => t.GetProperty("number").GetInt32()).Order());
        Assert.All(trials, t => Assert.Equal(2, t.GetProperty("intermediate").GetArrayLength()));
        var best = json.GetProperty("best");
        Assert.Equal(trials.Max(t => t.GetProperty("value").GetDouble()), best.GetProperty("value").GetDouble());
        string run = best.GetProperty("run").GetString()!;
        var summary = RunDirectoryReader.Open(run).Summary()!;
        Assert.Equal(best.GetProperty("value").GetDouble(), summary.Validation["accuracy"]);
        // trials do not see the test part
        Assert.Empty(summary.Test);

        Assert.True(await _cli.RunAsync("train", best.GetProperty("spec").GetString()!, "--out", _cli.In("again"), "--format", "json") == 0, _cli.Error);
        var again = RunDirectoryReader.Open(_cli.In("again")).Summary()!;
        Assert.Equal(summary.WeightsSha256, again.WeightsSha256);
        Assert.Equal(json.GetProperty("test").GetProperty("accuracy").GetDouble(), again.Test["accuracy"]);
        Assert.Equal(File.ReadAllBytes(Path.Combine(run, "model.safetensors")), File.ReadAllBytes(Path.Combine(folder, "best/model.safetensors")));
    }

    [Fact]
    public async Task A_person_reads_a_line_for_each_trial_and_what_was_best()
    {
        string spec = _cli.Write("study.yaml", Study);
        int code = await _cli.RunAsync("sweep", spec, "--trials", "3", "--parallel", "1", "--out", _cli.In("out"), "--require", "test.accuracy>=0.999");

        Assert.Equal(1, code);
        Assert.Contains("2 parameters, 3 trials, 1 at a time, sampler random", _cli.Out);
        Assert.Contains("objective: maximize validation.accuracy", _cli.Out);
        Assert.Equal(3, _cli.Out.Split('\n').Count(l => l.StartsWith("trial ", StringComparison.Ordinal) && l.Contains(" complete  validation.accuracy 0.", StringComparison.Ordinal)));
        Assert.Contains("trial    0 * complete", _cli.Out);
        Assert.Contains("ended (trials): 3 trials (3 complete)", _cli.Out);
        Assert.Contains("its test: loss ", _cli.Out);
        Assert.Contains($"train the best: distopt train {_cli.In("out/best.yaml")}", _cli.Out);
        Assert.Contains("required test.accuracy>=0.999, but test.accuracy is 0.", _cli.Error);
    }

    [Fact]
    public async Task Of_several_objectives_the_front_is_told_with_what_it_dominates_and_specs_that_train()
    {
        string spec = _cli.Write("study.yaml", Study.Replace("metric: validation.accuracy,", "objectives: [{ metric: validation.accuracy }, { metric: train.loss }], pruner: median,",
            StringComparison.Ordinal));
        Assert.True(await _cli.RunAsync("sweep", spec, "--out", _cli.In("out")) == 0, _cli.Error);

        Assert.Matches(@"front: \d trials? that no other one is better than in everything", _cli.Out);
        Assert.Matches(@"its hypervolume is \d\.\d+, measured from 0\.\d+, \d\.\d+", _cli.Out);
        string best = Assert.Single(_cli.Out.Split('\n'), l => l.StartsWith("train one of the front: distopt train ", StringComparison.Ordinal)).Split(' ')[^1];
        Assert.True(await _cli.RunAsync("train", best, "--dry-run") == 0, _cli.Error);
        Assert.Equal(0, await _cli.RunAsync("plot", _cli.In("out"), "--kind", "history,pareto", "--out", _cli.In("front.svg")));
    }

    [Fact]
    public async Task A_study_that_has_ended_tells_its_end_once_more_when_it_is_resumed()
    {
        string spec = _cli.Write("study.yaml", Study);
        Assert.True(await _cli.RunAsync("sweep", spec, "--trials", "2", "--out", _cli.In("out"), "--format", "json") == 0, _cli.Error);
        string first = _cli.Out, files = File.ReadAllText(_cli.In("out/trials.jsonl"));

        Assert.True(await _cli.RunAsync("sweep", "--resume", _cli.In("out"), "--format", "json") == 0, _cli.Error);

        Assert.Equal(first, _cli.Out);
        Assert.Equal(files, File.ReadAllText(_cli.In("out/trials.jsonl")));
    }

    [Fact]
    public async Task All_that_is_wrong_is_named_at_once_and_nothing_is_made()
    {
        string spec = _cli.Write("study.yaml", Study.Replace("optimizer.learning_rate: { float: [1e-4, 3e-2]", "optimizer.learning_rat: { float: [1e-4, 3e-2]",
            StringComparison.Ordinal).Replace("[relu, tanh]", "[relu, tan]", StringComparison.Ordinal));
        Directory.CreateDirectory(_cli.In("taken"));
        _cli.Write("taken/file", "");

        Assert.Equal(2, await _cli.RunAsync("sweep", spec, "--out", _cli.In("taken"), "--require", "best", "--set", "study.trials=0"));

        foreach (string part in (string[])["optimizer.learning_rat", "tan", "--out", "--require", "study.trials"])
            Assert.Contains(_cli.ErrorLines(), l => l.Contains(part, StringComparison.Ordinal));
        Assert.False(Directory.Exists(_cli.In("studies")));
        Assert.Equal(2, await _cli.RunAsync("sweep"));
        Assert.Contains("--resume", _cli.Error);
    }

    [Fact]
    public async Task What_is_fixed_in_a_study_cannot_be_given_beside_resume()
    {
        string spec = _cli.Write("study.yaml", Study.Replace("parallel: 2", "parallel: 2, deterministic: true", StringComparison.Ordinal));
        Assert.True(await _cli.RunAsync("sweep", spec, "--trials", "1", "--out", _cli.In("out")) == 0, _cli.Error);

        Assert.Equal(2, await _cli.RunAsync("sweep", spec, "--resume", _cli.In("out"), "--out", "x", "--set", "seed=1", "--trials", "0", "--parallel", "0"));

        foreach (string part in (string[])["spec: ", "--out: ", "--set: ", "--trials: ", "--parallel: "])
            Assert.Contains(_cli.ErrorLines(), l => l.Contains("error: " + part, StringComparison.Ordinal));
        Assert.Equal(2, await _cli.RunAsync("sweep", "--resume", _cli.In("nowhere")));
        Assert.Contains("is no study", _cli.Error);
    }

    [Fact]
    public async Task A_dry_run_shows_the_study_and_makes_nothing()
    {
        string spec = _cli.Write("study.yaml", Study);
        Assert.True(await _cli.RunAsync("sweep", spec, "--dry-run", "--trials", "7") == 0, _cli.Error);

        string shown = _cli.Out;
        Assert.Contains("trials: 7", shown);
        Assert.False(Directory.Exists(_cli.In("studies")));
        Assert.True(await _cli.RunAsync("sweep", _cli.Write("shown.yaml", shown), "--dry-run") == 0, _cli.Error);
        Assert.Equal(shown, _cli.Out);
    }
}
