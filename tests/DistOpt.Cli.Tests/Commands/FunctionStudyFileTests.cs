using System.Text.Json;
using DistOpt.Cli.Tests.Exchange;
using DistOpt.Cli.Tests.Support;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Exchange;
using DistOpt.Core.Studies.Functions;
using DistOpt.Core.Tests.Studies.Exchange;
using DistOpt.Hosting.Journal;
using Microsoft.Data.Sqlite;

namespace DistOpt.Cli.Tests.Commands;

/// <summary>Commands that read the journal of a study over a function.</summary>
public sealed class FunctionStudyFileTests : IDisposable
{
    private const string Reread = """
        study = optuna.load_study(study_name="curves", storage=RDBStorage("sqlite:///" + sys.argv[1], skip_compatibility_check=True))
        print(json.dumps([[t.state.name, len(t.params), len(t.intermediate_values), t.user_attrs.get("error"),
            t.datetime_start is not None, t.datetime_complete is not None] for t in study.trials]))
        """;

    private static readonly FunctionStudyOptions s_defined =
        new() { Trials = 12, Seed = 3, Pruner = new("threshold", new Core.Pruners.ThresholdOptions { Upper = 50 }) };

    private readonly CliRun _cli = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _cli.Dispose();

    [Fact]
    public async Task A_study_that_is_being_run_is_exported_to_every_format_with_all_that_its_trials_have_told()
    {
        string file = _cli.In("curves.db");
        using var journal = StudyJournal.Open(file);
        var study = new FunctionStudy(s_defined, journal);
        await study.RunAsync(Curve, trials: 9, cancellationToken: Token);
        study.Ask()!.SuggestFloat("rate", 1, 50);
        var expected = study.Export("curves");

        ExchangedState[] states = [ExchangedState.Complete, ExchangedState.Pruned, ExchangedState.Fail];
        Assert.Equal([.. states, .. states, .. states, ExchangedState.Running], expected.Trials.Select(t => t.State));
        Assert.All(expected.Trials.Take(9), t => Assert.Equal([1, 2, 3], t.Intermediate.Select(r => r.Step)));
        Assert.All(expected.Trials.Take(9), t => Assert.InRange(t.Ended!.Value, t.Started!.Value, DateTime.UtcNow));
        // a name that a program uses, too, has the user's value
        Assert.All(expected.Trials.Take(9), t => Assert.Equal("mine", Assert.Single(t.Attributes, a => a.Key == "error").Value));
        // bounds change from trial to trial
        Assert.Equal(9 + 1, expected.Trials.Select(t => t.Parameters.Single(p => p.Name == "rate").Domain).Distinct().Count());
        foreach (string to in (string[])["t.csv", "t.parquet", "t.sqlite", "t.log"])
        {
            Assert.True(await _cli.RunAsync("export", file, "--to", _cli.In(to)) == 0, _cli.Error);
            Assert.Contains("study curves, 10 trials (1 RUNNING, 3 COMPLETE, 3 PRUNED, 3 FAIL)", _cli.Out);
            bool hasDomains = to is "t.sqlite" or "t.log";
            Assert.Equal(ExchangeFixture.Text(expected, hasDomains), ExchangeFixture.Text(await StudyFiles.ReadAsync(_cli.In(to)), hasDomains));
        }
        Assert.Equal(ExchangeFixture.Text(expected), ExchangeFixture.Text(await StudyFiles.ReadAsync(file)));

        var found = OptunaPeer.Run(Reread, _cli.In("t.sqlite"));
        Assert.Equal(
        [
            """["COMPLETE",1,3,"mine",true,true]""", """["PRUNED",2,3,"mine",true,true]""", """["FAIL",2,3,"mine",true,true]""",
            """["RUNNING",1,0,null,true,false]""",
        ], found.EnumerateArray().Select(t => JsonSerializer.Serialize(t)).Distinct());
    }

    [Fact]
    public async Task A_declared_space_is_exported_with_conditions_constraints_and_several_objectives()
    {
        string file = _cli.In("two.db");
        var options = new FunctionStudyOptions
        {
            Space = new SearchSpace([new("kind", new ChoiceDomain([Kind.Plain, Kind.Fast], true)), new("x", new FloatDomain(0, 1)),
                new("n", new IntDomain(1, 9), new Condition("kind", Among: [1]))]),
            Directions = [Direction.Minimize, Direction.Maximize],
            Trials = 20,
            Seed = 5,
            Sampler = new("random"),
        };
        using (var journal = StudyJournal.Open(file))
        {
            var study = new FunctionStudy(options, journal);
            while (study.Ask() is { } trial)
            {
                trial.SetConstraints(trial.Float("x") - 0.5);
                study.Tell(trial, trial.Float("x"), trial.Has("n") ? trial.Int("n") : 0);
            }
        }
        var exported = StudyFiles.Of(file);
        Assert.Equal(("two", 20), (exported.Name, exported.Trials.Length));
        Assert.Equal([Direction.Minimize, Direction.Maximize], exported.Directions.Select(d => d!.Value));
        Assert.Equal([new("seed", 5L), new("stop_reason", "trials")], exported.Attributes);
        foreach (var trial in exported.Trials)
        {
            var named = trial.Parameters.ToDictionary(p => p.Name, p => p.Value);
            double x = (double)named["x"]!;
            Assert.Equal([x, named.TryGetValue("n", out object? n) ? (long)n! : 0], trial.Values);
            Assert.Equal(x - 0.5, Assert.Single(trial.Constraints));
            // members of an enum are their names
            Assert.Equal(n is null ? "Plain" : "Fast", named["kind"]);
        }
        Assert.True(await _cli.RunAsync("export", file, "--to", _cli.In("t.csv")) == 0, _cli.Error);
    }

    [Fact]
    public async Task What_is_no_such_journal_or_an_earlier_version_s_is_refused_in_one_line()
    {
        string file = _cli.In("old.db"), to = _cli.In("t.csv");
        void Open()
        {
            using var journal = StudyJournal.Open(file);
            new FunctionStudy(s_defined, journal).Ask()!.SuggestFloat("rate", 1, 2);
        }
        Open();
        // as before what is searched was stored for programs, too
        using (var journal = StudyJournal.Open(file)) Execute(file, "DROP TABLE distopt_function_study_declaration");
        await RefusedAsync($"study: '{file}' was written by an earlier version, which did not store there what is searched", file, to);
        // its program stores it when it goes on
        Open();
        Assert.True(await _cli.RunAsync("export", file, "--to", to) == 0, _cli.Error);
        Assert.Equal(2, await _cli.RunAsync("export", file, "--to", file, "--overwrite"));
        Assert.Contains($"--to: '{file}' is the study itself", Assert.Single(_cli.ErrorLines()));

        string empty = _cli.In("empty.db");
        StudyJournal.Open(empty).Dispose();
        await RefusedAsync($"study: '{empty}' has nothing of its study yet", empty, _cli.In("e.csv"));
        Execute(empty, "DROP TABLE distopt_function_study");
        await RefusedAsync($"study: '{empty}' is the journal of a sweep or of a cluster's jobs: name the study's folder", empty, _cli.In("e.csv"));
        await RefusedAsync("is no study: name the folder of one, or the journal of one over a function", to, _cli.In("e.csv"));
    }

    private async Task RefusedAsync(string why, string file, string to)
    {
        Assert.Equal(2, await _cli.RunAsync("export", file, "--to", to));
        Assert.Contains(why, Assert.Single(_cli.ErrorLines()));
        Assert.False(File.Exists(to));
    }

    private static double Curve(FunctionTrial trial)
    {
        double rate = trial.SuggestFloat("rate", 1, 2 + trial.Number);
        if (trial.Number % 3 > 0) trial.SuggestCategorical("method", "plain", "momentum");
        trial.SetUserAttribute("error", "mine");
        for (int step = 1; step <= 3; step++) trial.Report(trial.Number % 3 == 1 && step == 3 ? 100 : rate / step, step);
        if (trial.ShouldPrune()) throw new TrialPrunedException();
        return trial.Number % 3 == 2 ? throw new InvalidOperationException("no") : rate;
    }

    private static void Execute(string file, string sql)
    {
        using var connection = new SqliteConnection($"Data Source={file};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    private enum Kind
    {
        Plain,
        Fast,
    }
}
