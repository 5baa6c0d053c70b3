using System.Text.Json;
using DistOpt.Cli.Tests.Support;

namespace DistOpt.Cli.Tests.Commands;

/// <summary><c>set STUDY --space</c>: a study that is widened while it runs, and what all other commands make of it.</summary>
public sealed class SetSpaceTests : IDisposable
{
    private const string Study = """
        name: small
        data: { name: digits, validation_fraction: 0.15, test_fraction: 0.15 }
        model: { kind: mlp, hidden: [8], dropout: 0.1 }
        training: { epochs: 2, workers: 1 }
        study: { metric: validation.accuracy, sampler: tpe, trials: 12, parallel: 2, deterministic: true }
        space:
          optimizer.learning_rate: { float: [1e-4, 1e-2], log: true }
          model.activation: { choices: [relu, tanh] }
        """;

    private const string Wide = """
        space:
          model.dropout: { float: [0, 0.5] }
          optimizer.learning_rate: { float: [1e-4, 3e-2], log: true }
          model.activation: { choices: [gelu, relu, tanh] }
          batch.size: { choices: [16, 32, 64], default: 64 }
        """;

    private readonly CliRun _cli = new() { UsesRealHost = true };

    public void Dispose() => _cli.Dispose();

    [Fact]
    public async Task A_sweep_is_widened_while_it_runs_gone_on_with_explained_and_exported()
    {
        string study = _cli.In("out"), file = _cli.Write("wider.yaml", Wide);
        using var interrupt = new CancellationTokenSource();
        using (var first = new CliRun { UsesRealHost = true, Interrupt = interrupt.Token })
        {
            var sweep = first.RunAsync("sweep", _cli.Write("study.yaml", Study), "--out", study);
            while (!File.Exists(Path.Combine(study, ".control")))
            {
                Assert.False(sweep.IsCompleted, first.Error);
                await Task.Yield();
            }
            string narrow = _cli.Write("narrow.yaml", Wide.Replace("3e-2", "1e-3").Replace("[gelu, relu, tanh]", "[gelu, relu]"));
            Assert.Equal(2, await _cli.RunAsync("set", study, "--space", narrow));
            Assert.Contains(_cli.ErrorLines(), l => l.Contains("space.optimizer.learning_rate (line 3): goes from 0.0001 to 0.001", StringComparison.Ordinal));
            Assert.Contains(_cli.ErrorLines(), l => l.Contains("space.model.activation (line 4): no longer has choice 'tanh'", StringComparison.Ordinal));
            Assert.True(await _cli.RunAsync("set", study, "--space", file, "--from-trial", "6", "--key", "once") == 0, _cli.Error);
            Assert.Equal($"{study}: set\n", _cli.Out);
            Assert.True(await _cli.RunAsync("set", study, "--space", file, "--from-trial", "6", "--key", "once") == 0, _cli.Error);
            await interrupt.CancelAsync();
            await sweep;
        }
        string space = File.ReadAllText(Path.Combine(study, "space-1.yaml"));
        Assert.Contains("from_trial: 6", space);
        // as if it had been killed before it wrote the file
        File.Delete(Path.Combine(study, "space-1.yaml"));

        // nobody runs it any more, and what it has had it has had
        Assert.True(await _cli.RunAsync("set", study, "--space", file, "--from-trial", "6", "--key", "once") == 0, _cli.Error);
        Assert.Equal(2, await _cli.RunAsync("set", study, "--space", file, "--from-trial", "6", "--key", "twice"));
        Assert.Contains("no process of yours on this machine runs the study", Assert.Single(_cli.ErrorLines()));
        Assert.Equal(2, await _cli.RunAsync("set", study, "--space", file, "--from-trial", "6"));

        Assert.True(await _cli.RunAsync("sweep", "--resume", study) == 0, _cli.Error);

        Assert.Equal(space, File.ReadAllText(Path.Combine(study, "space-1.yaml")));
        Assert.Contains("space version 1 from trial 6\n", _cli.Out);
        var trials = File.ReadAllLines(Path.Combine(study, "trials.jsonl")).Select(l => JsonDocument.Parse(l).RootElement)
            .OrderBy(t => t.GetProperty("number").GetInt32()).ToList();
        Assert.Equal(12, trials.Count);
        Assert.All(trials.Take(6), t => Assert.False(t.TryGetProperty("space_version", out _) || HasSize(t)));
        Assert.All(trials.Skip(6), t => Assert.True(t.GetProperty("space_version").GetInt32() == 1 && HasSize(t)));
        Assert.DoesNotContain("batch.size", File.ReadAllText(Path.Combine(study, "study.yaml")));

        Assert.True(await _cli.RunAsync("show", study) == 0, _cli.Error);
        Assert.Matches("space +version 1 from trial 6", _cli.Out);
        Assert.True(await _cli.RunAsync("explain", study, "--format", "json") == 0, _cli.Error);
        Assert.Contains("batch.size", _cli.Out);
        Assert.True(await _cli.RunAsync("plot", study) == 0, _cli.Error);
        Assert.True(await _cli.RunAsync("export", study, "--to", _cli.In("t.csv")) == 0, _cli.Error);
        var exported = StudyFiles.Of(study).Trials;
        Assert.All(exported, t => Assert.Equal(4, t.Parameters.Length));
        Assert.All(exported.Take(6), t => Assert.Equal(64L, t.Parameters.Single(p => p.Name == "batch.size").Value));

        // another study over the wide space takes them all
        string again = Study.Replace("sampler: tpe, trials: 12", "sampler: random, trials: 1").Split("space:")[0] + Wide.Replace(", default: 64", "");
        string[] another = ["sweep", _cli.Write("again.yaml", again), "--import", study, "--out", _cli.In("again"), "--format", "json"];
        Assert.True(await _cli.RunAsync(another) == 0, _cli.Error);
        Assert.Equal(12, _cli.Json().GetProperty("imported").GetInt32());
    }

    private static bool HasSize(JsonElement trial) => trial.GetProperty("params").TryGetProperty("batch.size", out _);

    [Fact]
    public async Task What_is_to_be_set_is_one_thing()
    {
        Assert.Equal(2, await _cli.RunAsync("set", "study"));
        Assert.Contains("--parallel: is missing: give it, or --trials, or --space", _cli.Error);
        Assert.Equal(2, await _cli.RunAsync("set", "study", "--parallel", "0", "--space", _cli.In("nowhere.yaml"), "--from-trial", "-1"));
        foreach (string part in (string[])["nowhere.yaml", "--parallel: is one of --parallel, --space; set one after the other", "--parallel: is 0", "--from-trial: is -1"])
            Assert.Contains(_cli.ErrorLines(), l => l.Contains(part, StringComparison.Ordinal));
    }
}
