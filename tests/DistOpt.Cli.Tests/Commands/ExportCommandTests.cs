using DistOpt.Cli.Tests.Exchange;
using DistOpt.Cli.Tests.Support;
using DistOpt.Core.Studies.Exchange;
using DistOpt.Core.Tests.Studies.Exchange;

namespace DistOpt.Cli.Tests.Commands;

/// <summary><c>export</c>, and <c>sweep --import</c> of what it writes.</summary>
public sealed class ExportCommandTests : IDisposable
{
    private const string Study = """
        name: small
        data: { name: digits, validation_fraction: 0.15, test_fraction: 0.15 }
        model: { kind: mlp, hidden: [8] }
        training: { epochs: 2, workers: 1 }
        study: { metric: validation.accuracy, sampler: tpe, trials: 4, parallel: 2, pruner: { kind: threshold, lower: 0.2 } }
        space:
          optimizer.learning_rate: { float: [1e-6, 3e-2], log: true }
          optimizer.kind: { choices: [adam, sgd] }
          optimizer.momentum: { float: [0, 0.9], step: 0.1, when: { optimizer.kind: sgd } }
          model.hidden: { list: { length: { int: [1, 2] }, each: { int: [8, 64], log: true } } }
          batch.size: { choices: [32, 64], ordered: true }
        """;

    private const string Best = """
        study = optuna.load_study(study_name=sys.argv[2], storage=RDBStorage("sqlite:///" + sys.argv[1], skip_compatibility_check=True))
        print(json.dumps([len(study.trials), study.best_trial.number, study.best_value, len(study.best_trial.intermediate_values)]))
        """;

    private readonly CliRun _cli = new() { UsesRealHost = true };

    public void Dispose() => _cli.Dispose();

    [Fact]
    public async Task A_study_is_exported_to_every_format_and_another_one_begins_from_each()
    {
        Assert.True(await _cli.RunAsync("sweep", _cli.Write("study.yaml", Study), "--out", _cli.In("studies/first"), "--format", "json") == 0, _cli.Error);
        var best = _cli.Json().GetProperty("best");
        var expected = StudyFiles.Of("first", root: _cli.In("studies"));
        Assert.Equal(4, expected.Trials.Length);
        Assert.All(expected.Trials, t => Assert.InRange(t.Ended!.Value, t.Started!.Value, DateTime.UtcNow));

        string[]? imported = null;
        foreach (string file in (string[])["t.csv", "t.parquet", "t.db", "t.log"])
        {
            // a study is found by its folder's name below studies, too
            Assert.True(await _cli.RunAsync("export", "first", "--to", _cli.In(file)) == 0, _cli.Error);
            Assert.StartsWith($"written: {_cli.In(file)} (", _cli.Out);
            Assert.Contains("study first, 4 trials (", _cli.Out);
            bool hasDomains = file is "t.db" or "t.log";
            Assert.Equal(ExchangeFixture.Text(expected, hasDomains), ExchangeFixture.Text(await StudyFiles.ReadAsync(_cli.In(file)), hasDomains));

            imported = await BegunFromAsync(_cli.In(file), imported, expected.Trials.Length);
        }
        await BegunFromAsync(_cli.In("studies/first"), imported, expected.Trials.Length);

        var found = OptunaPeer.Run(Best, _cli.In("t.db"), "first");
        Assert.Equal((4, best.GetProperty("number").GetInt32()), (found[0].GetInt32(), found[1].GetInt32()));
        Assert.Equal((best.GetProperty("value").GetDouble(), 2), (found[2].GetDouble(), found[3].GetInt32()));
    }

    /// <summary>As when the process was killed before its first event was stored.</summary>
    [Fact]
    public async Task A_study_that_goes_on_knows_what_it_was_given_though_its_journal_had_none_of_it()
    {
        string spec = _cli.Write("study.yaml", Study.Replace(", pruner: { kind: threshold, lower: 0.2 }", "", StringComparison.Ordinal));
        _cli.Write("t.csv", "state,value,params_optimizer.learning_rate,params_optimizer.kind,params_model.hidden.length,params_model.hidden[0],params_batch.size\n"
            + "COMPLETE,0.5,0.001,adam,1,16,32\nCOMPLETE,0.75,0.01,adam,1,16,64\n");
        Assert.True(await _cli.RunAsync("sweep", spec, "--import", _cli.In("t.csv"), "--trials", "1", "--out", _cli.In("calm")) == 0, _cli.Error);
        Assert.Contains($"the sampler begins with 2 trials of {_cli.In("t.csv")}", _cli.Out);
        Assert.Contains("1 trial (1 complete), beside 2 imported trials in ", _cli.Out);
        string trials = Trials("calm");
        Directory.CreateDirectory(_cli.In("killed"));
        // killed before its journal had taken anything
        File.WriteAllBytes(_cli.In("killed/journal.db"), []);
        foreach (string file in (string[])["study.yaml", "imported.jsonl"]) File.Copy(_cli.In($"calm/{file}"), _cli.In($"killed/{file}"));

        Assert.True(await _cli.RunAsync("sweep", "--resume", _cli.In("killed"), "--format", "json") == 0, _cli.Error);
        Assert.Equal(2, _cli.Json().GetProperty("imported").GetInt32());
        Assert.Equal(trials, Trials("killed"));
        // and when it is told once more
        Assert.True(await _cli.RunAsync("sweep", "--resume", _cli.In("killed"), "--format", "json") == 0, _cli.Error);
        Assert.Equal(2, _cli.Json().GetProperty("imported").GetInt32());

        string Trials(string folder)
        {
            var trial = System.Text.Json.Nodes.JsonNode.Parse(Assert.Single(File.ReadAllLines(_cli.In($"{folder}/trials.jsonl"))))!.AsObject();
            foreach (string ofThisRun in (string[])["seconds", "spans", "started", "ended"]) Assert.True(trial.Remove(ofThisRun));
            return trial.ToJsonString();
        }
    }

    [Fact]
    public async Task What_does_not_fit_is_named_and_the_rest_is_taken()
    {
        string spec = _cli.Write("study.yaml", Study);
        _cli.Write("t.csv", "state,value,params_lr,params_optimizer.kind,params_model.hidden.length,params_model.hidden[0],params_batch.size\n"
            + "COMPLETE,0.5,0.001,adam,1,16,32\nCOMPLETE,0.5,0.9,adam,1,16,32\nCOMPLETE,0.5,0.9,adam,3,16,16\nFAIL,,0.001,adam,1,16,32\n");
        string[] command = ["sweep", spec, "--import", _cli.In("t.csv"), "--import-as", "lr=optimizer.learning_rate", "--dry-run"];
        Assert.True(await _cli.RunAsync(command) == 0, _cli.Error);
        Assert.Equal(
        [
            "warning: --import: left out: batch.size is 16, but must be one of 32, 64 (trial 2)",
            "warning: --import: left out: model.hidden.length is 3, but must be between 1 and 2 (trial 2)",
            "warning: --import: left out: optimizer.learning_rate is 0.9, but must be between 1.0e-06 and 0.03 (trials 1-2)",
            "warning: --import: left out: state FAIL: there is nothing to learn from it (trial 3)",
        ], _cli.ErrorLines().Order(StringComparer.Ordinal));

        Assert.Equal(2, await _cli.RunAsync("sweep", spec, "--import", _cli.In("t.csv"), "--trials", "0", "--out", _cli.In("none")));
        Assert.Contains(_cli.ErrorLines(), l => l.Contains("study.trials", StringComparison.Ordinal));
        Assert.Equal(2, await _cli.RunAsync("sweep", spec, "--import", _cli.In("t.csv"), "--out", _cli.In("none")));
        Assert.Contains(_cli.ErrorLines(), l => l.Contains("fits the study", StringComparison.Ordinal));
        Assert.False(Directory.Exists(_cli.In("none")));
    }

    [Fact]
    public async Task All_that_is_wrong_is_named_at_once_and_nothing_is_written()
    {
        _cli.Write("taken.foo", "mine");
        Assert.Equal(2, await _cli.RunAsync("export", "nowhere", "--to", _cli.In("taken.foo"), "--schema", "v9"));
        foreach (string part in (string[])["error: study: 'nowhere' is no study", "does not tell a format by its name", "--schema: 'v9' is not known", "is there already"])
            Assert.Contains(_cli.ErrorLines(), l => l.Contains(part, StringComparison.Ordinal));
        Assert.Equal("mine", File.ReadAllText(_cli.In("taken.foo")));
        Assert.Equal(2, await _cli.RunAsync("export", "nowhere", "--to", _cli.In("no/t.csv"), "--as", "cvs"));
        Assert.Contains("'cvs' is not known; did you mean 'csv'?", _cli.Error);
        Assert.Contains("is in a folder that is not there", _cli.Error);
        Assert.Equal(2, await _cli.RunAsync("export", "nowhere", "--to", _cli.In("t.csv"), "--schema", "v3.0.0.d"));
        Assert.Contains("--schema: is for Optuna's database", _cli.Error);
        Assert.Equal(2, await _cli.RunAsync("sweep", "--import-study", "s", "--import-as", "lr", "--import-as", "a=b"));
        foreach (string part in (string[])["--import-study: is 's', but there is no --import", "--import-as: is 'lr', but must be theirs=ours", "--import-as: is given, but", "spec: is missing"])
            Assert.Contains(_cli.ErrorLines(), l => l.Contains(part, StringComparison.Ordinal));
    }

    private async Task<string[]> BegunFromAsync(string file, string[]? before, int count)
    {
        string folder = _cli.In(Guid.NewGuid().ToString("n"));
        await _cli.RunAsync("sweep", _cli.In("study.yaml"), "--import", file, "--trials", "1", "--out", folder, "--format", "json");
        Assert.Equal(count, _cli.Json().GetProperty("imported").GetInt32());
        // where it is from apart, all formats tell the same
        string[] lines = [.. File.ReadLines(Path.Combine(folder, "imported.jsonl")).Select(l => l[l.IndexOf(", trial ", StringComparison.Ordinal)..])];
        Assert.Equal(before ?? lines, lines);
        return lines;
    }
}
