using DistOpt.Cli.Tests.Support;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Exchange;
using DistOpt.Core.Tests.Studies.Exchange;
using Microsoft.Data.Sqlite;

namespace DistOpt.Cli.Tests.Exchange;

public sealed class StudyFilesTests : IDisposable
{
    private readonly CliRun _cli = new();

    public static TheoryData<StudyFormat, string?> Formats() =>
        [.. Enum.GetValues<StudyFormat>().SelectMany(f => f == StudyFormat.Optuna ? StudyFiles.Schemas.Select(s => (f, (string?)s)) : [(f, null)])];

    public void Dispose() => _cli.Dispose();

    /// <summary>Whatever the file is called: its content tells its format.</summary>
    [Theory]
    [MemberData(nameof(Formats))]
    public async Task A_study_comes_back_from_every_format_as_it_was_written(StudyFormat format, string? schema)
    {
        bool hasDomains = format is StudyFormat.Optuna or StudyFormat.OptunaJournal;
        var one = ExchangeFixture.Pareto with { Trials = ExchangeFixture.Pareto.Trials[..1] };
        foreach (var study in (ExchangedStudy[])[ExchangeFixture.Study, ExchangeFixture.Pareto, one])
        {
            await StudyFiles.WriteAsync(_cli.In("file"), study, format, schema);
            var read = await StudyFiles.ReadAsync(_cli.In("file"));
            Assert.Equal(ExchangeFixture.Text(study, hasDomains), ExchangeFixture.Text(read, hasDomains));
            if (hasDomains) Assert.Equal(study.Directions, read.Directions);
            if (hasDomains || study.Directions.Length > 1) Assert.Equal(study.Metrics, read.Metrics);
            Assert.Equal(study.Constraints, read.Constraints);
        }
        Assert.Equal([_cli.In("file")], Directory.GetFiles(_cli.Folder));
    }

    /// <summary>As of a cluster, whose coordinator keeps the events.</summary>
    [Fact]
    public async Task A_study_without_its_events_is_told_by_its_trials_that_have_ended()
    {
        var spec = ExampleStudy.Parse(ExampleStudy.Spec);
        var trials = ExampleStudy.Trials(spec, 18).ToList();
        var study = StudyFiles.Of(ExampleStudy.Write(_cli.In("made"), spec, trials));

        Assert.Equal("made", study.Name);
        Assert.Equal(["validation.accuracy"], study.Metrics);
        Assert.Equal(trials.Select(t => t.State.ToString()), study.Trials.Select(t => t.State.ToString()));
        // one that was pruned has what it reported last
        Assert.Equal(trials.Select(t => t.State == TrialState.Complete ? t.Values[0] : t.Reports[^1].Value), study.Trials.Select(t => t.Values[0]));
        Assert.Equal(trials.Select(t => t.Parameters[0]), study.Trials.Select(t => (double)t.Parameters[0].Value!));
        Assert.Equal(trials.Select(t => t.Reports.Length), study.Trials.Select(t => t.Intermediate.Length));
        Assert.All(study.Trials, t => Assert.Equal((null, null), (t.Started, t.Ended)));
        // a table has no domains: its 0 may be a whole number
        foreach (var (format, schema) in Formats().Select(f => f.Data).Where(f => f.Item1 is StudyFormat.Optuna or StudyFormat.OptunaJournal))
        {
            await StudyFiles.WriteAsync(_cli.In("file"), study, format, schema);
            Assert.Equal(ExchangeFixture.Text(study, true), ExchangeFixture.Text(await StudyFiles.ReadAsync(_cli.In("file")), true));
        }
    }

    /// <summary>As Optuna 5 has them: each an attribute of its own.</summary>
    [Fact]
    public async Task Constraints_by_name_are_read_from_a_database_in_the_order_of_their_names()
    {
        await StudyFiles.WriteAsync(_cli.In("o.db"), ExchangeFixture.Study, StudyFormat.Optuna);
        Assert.Equal([-0.5, 0], (await StudyFiles.ReadAsync(_cli.In("o.db"))).Trials[0].Constraints);
        Change("o.db", "UPDATE trial_system_attributes SET \"key\" = 'constraints:size', value_json = '0.25'");
        Change("o.db", "INSERT INTO trial_system_attributes (trial_id, \"key\", value_json) SELECT trial_id, 'constraints:latency', '-2' FROM trial_system_attributes");
        Change("o.db", "INSERT INTO trial_system_attributes (trial_id, \"key\", value_json) VALUES (1, 'constraints_', '7')");
        var read = await StudyFiles.ReadAsync(_cli.In("o.db"));
        Assert.Equal([-2, 0.25], read.Trials[0].Constraints);
        Assert.Equal(["latency", "size"], read.Constraints);
    }

    [Fact]
    public async Task A_database_that_is_none_of_Optuna_or_of_another_schema_is_refused()
    {
        await StudyFiles.WriteAsync(_cli.In("o.db"), ExchangeFixture.Study, StudyFormat.Optuna);
        Change("o.db", "UPDATE alembic_version SET version_num = 'v2.6.0.a'");
        Assert.Contains("schema 'v2.6.0.a', but only v3.2.0.a and v3.0.0.d can be read", await ErrorAsync("o.db"));
        Change("o.db", "DROP TABLE alembic_version");
        Assert.Contains("is a SQLite database, but none of Optuna", await ErrorAsync("o.db"));

        await StudyFiles.WriteAsync(_cli.In("p.db"), ExchangeFixture.Study, StudyFormat.Optuna);
        Change("p.db", "UPDATE trial_params SET distribution_json = '{\"name\": \"Gaussian\", \"attributes\": {}}'");
        Assert.Contains("'Gaussian' is no distribution that is known", await ErrorAsync("p.db"));
        Change("p.db", "DELETE FROM studies");
        Assert.Contains("has no study", await ErrorAsync("p.db"));
        byte[] content = File.ReadAllBytes(_cli.In("p.db"));
        File.WriteAllBytes(_cli.In("cut.db"), content[..200]);
        Assert.Contains("cannot be read as a database of Optuna", await ErrorAsync("cut.db"));
    }

    [Fact]
    public async Task What_is_no_file_of_a_study_is_refused()
    {
        File.WriteAllBytes(_cli.In("weights"), [1, 2, 0, 4]);
        Assert.Contains("is of no format that is known", await ErrorAsync("weights"));
        _cli.Write("cut.parquet", "PAR1 and no more");
        Assert.Contains("cannot be read as Parquet", await ErrorAsync("cut.parquet"));
        _cli.Write("text", "name: small\n");
        Assert.Contains("is no table of trials: it has no column state", await ErrorAsync("text"));
        _cli.Write("json", "{\"name\": 1}\n");
        Assert.Contains("is no journal of Optuna: the line has no op_code", await ErrorAsync("json"));
        Assert.Contains("is not there", await ErrorAsync("nowhere"));
        Directory.CreateDirectory(_cli.In("empty"));
        Assert.Contains("is no study", await ErrorAsync("empty"));
        _cli.Write("t.csv", "state,value,params_x\nCOMPLETE,1,1\n");
        Assert.Contains("has one study only", string.Join(' ', (await Assert.ThrowsAsync<SpecException>(() => StudyFiles.ReadAsync(_cli.In("t.csv"), "s"))).Violations));
    }

    private async Task<string> ErrorAsync(string name) =>
        Assert.Single((await Assert.ThrowsAsync<SpecException>(() => StudyFiles.ReadAsync(_cli.In(name)))).Violations).ToString();

    private void Change(string file, string sql)
    {
        using var connection = new SqliteConnection($"Data Source={_cli.In(file)};Pooling=False;Foreign Keys=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }
}
