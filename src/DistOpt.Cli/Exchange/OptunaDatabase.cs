using System.Collections.Immutable;
using System.Globalization;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Exchange;
using Microsoft.Data.Sqlite;

namespace DistOpt;

/// <summary>
/// The SQLite database of Optuna's <c>RDBStorage</c>. States, directions and kinds of values are names; a parameter is a float64, a choice by its index;
/// infinities and NaN are null with their kind beside them. Times are UTC, as Optuna 5 has them; Optuna 3 and 4 take them for local ones.
/// </summary>
internal static class OptunaDatabase
{
    /// <summary>Schemas that can be written, the default first. Both are version 12; the newer one has an index more.</summary>
    public static readonly IReadOnlyList<string> Schemas = ["v3.2.0.a", "v3.0.0.d"];

    private const string Finite = "FINITE", Positive = "INF_POS", Negative = "INF_NEG", NotANumber = "NAN";

    private const string Tables = """
        CREATE TABLE studies (study_id INTEGER NOT NULL PRIMARY KEY, study_name VARCHAR(512) NOT NULL);
        CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
        CREATE TABLE version_info (version_info_id INTEGER NOT NULL PRIMARY KEY, schema_version INTEGER, library_version VARCHAR(256),
            CHECK (version_info_id = 1));
        CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
        CREATE TABLE study_directions (study_direction_id INTEGER NOT NULL PRIMARY KEY, direction VARCHAR(8) NOT NULL,
            study_id INTEGER NOT NULL REFERENCES studies (study_id), objective INTEGER NOT NULL, UNIQUE (study_id, objective));
        CREATE TABLE study_user_attributes (study_user_attribute_id INTEGER NOT NULL PRIMARY KEY, study_id INTEGER REFERENCES studies (study_id),
            "key" VARCHAR(512), value_json TEXT, UNIQUE (study_id, "key"));
        CREATE TABLE study_system_attributes (study_system_attribute_id INTEGER NOT NULL PRIMARY KEY, study_id INTEGER REFERENCES studies (study_id),
            "key" VARCHAR(512), value_json TEXT, UNIQUE (study_id, "key"));
        CREATE TABLE trials (trial_id INTEGER NOT NULL PRIMARY KEY, number INTEGER, study_id INTEGER REFERENCES studies (study_id), state VARCHAR(8) NOT NULL,
            datetime_start DATETIME, datetime_complete DATETIME);
        CREATE TABLE trial_user_attributes (trial_user_attribute_id INTEGER NOT NULL PRIMARY KEY, trial_id INTEGER REFERENCES trials (trial_id),
            "key" VARCHAR(512), value_json TEXT, UNIQUE (trial_id, "key"));
        CREATE TABLE trial_system_attributes (trial_system_attribute_id INTEGER NOT NULL PRIMARY KEY, trial_id INTEGER REFERENCES trials (trial_id),
            "key" VARCHAR(512), value_json TEXT, UNIQUE (trial_id, "key"));
        CREATE TABLE trial_params (param_id INTEGER NOT NULL PRIMARY KEY, trial_id INTEGER REFERENCES trials (trial_id), param_name VARCHAR(512),
            param_value FLOAT, distribution_json TEXT, UNIQUE (trial_id, param_name));
        CREATE TABLE trial_values (trial_value_id INTEGER NOT NULL PRIMARY KEY, trial_id INTEGER NOT NULL REFERENCES trials (trial_id),
            objective INTEGER NOT NULL, value FLOAT, value_type VARCHAR(7) NOT NULL, UNIQUE (trial_id, objective));
        CREATE TABLE trial_intermediate_values (trial_intermediate_value_id INTEGER NOT NULL PRIMARY KEY,
            trial_id INTEGER NOT NULL REFERENCES trials (trial_id), step INTEGER NOT NULL, intermediate_value FLOAT, intermediate_value_type VARCHAR(7) NOT NULL, UNIQUE (trial_id, step));
        CREATE TABLE trial_heartbeats (trial_heartbeat_id INTEGER NOT NULL PRIMARY KEY, trial_id INTEGER NOT NULL UNIQUE REFERENCES trials (trial_id),
            heartbeat DATETIME NOT NULL);
        """;

    /// <summary>Makes a database with one study.</summary>
    /// <param name="path">A file that is not there.</param>
    /// <param name="study">The study.</param>
    /// <param name="schema">One of <see cref="Schemas"/>.</param>
    public static void Write(string path, ExchangedStudy study, string schema)
    {
        using var connection = Open(path, SqliteOpenMode.ReadWriteCreate);
        using var transaction = connection.BeginTransaction();
        Execute(connection, Tables);
        if (schema == Schemas[0]) Execute(connection, "CREATE INDEX ix_trials_study_id ON trials (study_id)");
        Execute(connection, "INSERT INTO alembic_version VALUES ($0)", schema);
        // the first release that has the schema
        Execute(connection, "INSERT INTO version_info VALUES (1, 12, $0)", schema[1..^2]);
        Execute(connection, "INSERT INTO studies VALUES (1, $0)", study.Name);
        for (int i = 0; i < study.Directions.Length; i++)
        {
            string direction = study.Directions[i] switch { Direction.Minimize => "MINIMIZE", Direction.Maximize => "MAXIMIZE", _ => "NOT_SET" };
            Execute(connection, "INSERT INTO study_directions (direction, study_id, objective) VALUES ($0, 1, $1)", direction, i);
        }
        foreach (var (key, value) in study.Attributes)
            Execute(connection, "INSERT INTO study_user_attributes (study_id, \"key\", value_json) VALUES (1, $0, $1)", key, OptunaJson.Text(value));
        foreach (var (key, names) in (ReadOnlySpan<(string, ImmutableArray<string>)>)
            [(OptunaJournal.MetricNames, study.Metrics), (OptunaJournal.ConstraintNames, study.Constraints)])
        {
            if (names.IsEmpty) continue;
            Execute(connection, "INSERT INTO study_system_attributes (study_id, \"key\", value_json) VALUES (1, $0, $1)", key, OptunaJson.Text(names));
        }
        WriteTrials(connection, study);
        transaction.Commit();
    }

    /// <summary>Names of the studies of a database, in the order in which they were made.</summary>
    /// <exception cref="SpecException">It is no database of Optuna, or of a schema that is not read.</exception>
    public static IReadOnlyList<string> Names(string path) => Guarded(path, connection =>
    {
        string[] tables = [.. Query(connection, "SELECT name FROM sqlite_master WHERE type = 'table'", r => r.GetString(0))];
        if (!tables.Contains("studies") || !tables.Contains("alembic_version"))
            throw new SpecException(path, "is a SQLite database, but none of Optuna: it lacks the tables studies and alembic_version");
        string? schema = Query(connection, "SELECT version_num FROM alembic_version", r => r.GetString(0)).FirstOrDefault();
        if (!Schemas.Contains(schema))
        {
            throw new SpecException(path, $"is a database of Optuna with schema '{schema}', but only {string.Join(" and ", Schemas)} can be read; "
                + "'optuna storage upgrade' brings an older one up to date");
        }
        return Query(connection, "SELECT study_name FROM studies ORDER BY study_id", r => r.GetString(0)).ToList();
    });

    /// <summary>A study of a database.</summary>
    /// <exception cref="SpecException">It is damaged.</exception>
    public static ExchangedStudy Read(string path, string name) => Guarded(path, connection =>
    {
        long id = Query(connection, "SELECT study_id FROM studies WHERE study_name = $0", r => r.GetInt64(0), name).Single();
        var directions = Query(connection, "SELECT direction FROM study_directions WHERE study_id = $0 ORDER BY objective", r => r.GetString(0), id)
            .Select(d => d switch { "MINIMIZE" => Direction.Minimize, "MAXIMIZE" => Direction.Maximize, _ => (Direction?)null });
        var study = new OptunaStudy(name, [.. directions]);
        foreach (var (key, json) in Query(connection, "SELECT \"key\", value_json FROM study_system_attributes WHERE study_id = $0 AND \"key\" IN ($1, $2)",
            r => (r.GetString(0), r.GetString(1)), id, OptunaJournal.MetricNames, OptunaJournal.ConstraintNames))
        {
            using var names = OptunaJson.Parse(json);
            study.SetSystemAttribute(key, names.RootElement);
        }
        foreach (var (key, json) in Query(connection, "SELECT \"key\", value_json FROM study_user_attributes WHERE study_id = $0",
            r => (r.GetString(0), r.GetString(1)), id))
        {
            using var value = OptunaJson.Parse(json);
            study.SetAttribute(key, value.RootElement);
        }
        var trials = new Dictionary<long, OptunaTrial>();
        foreach (var (trial, state) in Query(connection, "SELECT trial_id, state FROM trials WHERE study_id = $0 ORDER BY number, trial_id",
            r => (r.GetInt64(0), r.GetString(1)), id))
        {
            var read = new OptunaTrial(study.Trials.Count) { State = Enum.Parse<ExchangedState>(state, ignoreCase: true) };
            trials.Add(trial, read);
            study.Trials.Add(read);
        }
        const string of = "JOIN trials USING (trial_id) WHERE study_id = $0";
        foreach (var (trial, parameter, value, json) in Query(connection, $"SELECT trial_id, param_name, param_value, distribution_json FROM trial_params {of}",
            r => (r.GetInt64(0), r.GetString(1), r.GetDouble(2), r.GetString(3)), id))
            trials[trial].Set(parameter, OptunaJson.Distribution(json), value);
        foreach (var (trial, value) in Query(connection, $"SELECT trial_id, value, value_type FROM trial_values {of} ORDER BY objective",
            r => (r.GetInt64(0), Number(r, 1)), id))
            trials[trial].Values = trials[trial].Values.Add(value);
        foreach (var (trial, step, value) in Query(connection,
            $"SELECT trial_id, step, intermediate_value, intermediate_value_type FROM trial_intermediate_values {of}",
            r => (r.GetInt64(0), r.GetInt64(1), Number(r, 2)), id))
            trials[trial].Report(step, value);
        foreach (var (trial, key, json) in Query(connection, $"""
            SELECT trial_id, "key", value_json FROM trial_system_attributes {of} AND ("key" = $1 OR substr("key", 1, {OptunaJournal.NamedConstraint.Length}) = $2)
            """, r => (r.GetInt64(0), r.GetString(1), r.GetString(2)), id, OptunaJournal.Constraints, OptunaJournal.NamedConstraint))
        {
            using var value = OptunaJson.Parse(json);
            trials[trial].SetSystemAttribute(key, value.RootElement);
        }
        return study.Study();
    });

    private static void WriteTrials(SqliteConnection connection, ExchangedStudy study)
    {
        using var trials = new Insertion(connection, "trials (trial_id, number, study_id, state, datetime_start, datetime_complete)");
        using var parameters = new Insertion(connection, "trial_params (trial_id, param_name, param_value, distribution_json)");
        using var values = new Insertion(connection, "trial_values (trial_id, objective, value, value_type)");
        using var reports = new Insertion(connection, "trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type)");
        using var user = new Insertion(connection, "trial_user_attributes (trial_id, \"key\", value_json)");
        using var system = new Insertion(connection, "trial_system_attributes (trial_id, \"key\", value_json)");
        foreach (var trial in study.Trials)
        {
            int id = trial.Number + 1;
            trials.Add(id, trial.Number, 1, trial.State.ToString().ToUpperInvariant(), Time(trial.Started), Time(trial.Ended));
            foreach (var parameter in trial.Parameters) parameters.Add(id, parameter.Name, parameter.Internal, OptunaJson.Distribution(parameter.Domain!));
            for (int i = 0; i < trial.Values.Length; i++) values.Add(id, i, Stored(trial.Values[i]), Kind(trial.Values[i]));
            foreach (var (step, value) in trial.Intermediate) reports.Add(id, step, Stored(value), Kind(value));
            foreach (var (key, value) in OptunaJournal.UserAttributes(trial)) user.Add(id, key, OptunaJson.Text(value));
            if (!trial.Constraints.IsEmpty) system.Add(id, OptunaJournal.Constraints, OptunaJson.Text(trial.Constraints));
        }
    }

    private static string? Time(DateTime? time) => time?.ToString("yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture);

    private static double? Stored(double value) => double.IsFinite(value) ? value : null;

    private static string Kind(double value) => double.IsNaN(value) ? NotANumber : double.IsFinite(value) ? Finite : value > 0 ? Positive : Negative;

    /// <summary>A value and its kind in the column after it.</summary>
    private static double Number(SqliteDataReader row, int column) => row.GetString(column + 1) switch
    {
        Positive => double.PositiveInfinity,
        Negative => double.NegativeInfinity,
        NotANumber => double.NaN,
        _ => row.GetDouble(column),
    };

    private static T Guarded<T>(string path, Func<SqliteConnection, T> read)
    {
        try
        {
            using var connection = Open(path, SqliteOpenMode.ReadOnly);
            return read(connection);
        }
        catch (Exception e) when (e is SqliteException or FormatException or InvalidOperationException or ArgumentException or KeyNotFoundException)
        {
            throw new SpecException(path, $"cannot be read as a database of Optuna: {e.Message}");
        }
    }

    private static SqliteConnection Open(string path, SqliteOpenMode mode)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Mode = mode, Pooling = false }.ToString());
        connection.Open();
        return connection;
    }

    private static void Execute(SqliteConnection connection, string sql, params ReadOnlySpan<object?> values)
    {
        using var command = Command(connection, sql, values);
        command.ExecuteNonQuery();
    }

    private static List<T> Query<T>(SqliteConnection connection, string sql, Func<SqliteDataReader, T> row, params ReadOnlySpan<object?> values)
    {
        using var command = Command(connection, sql, values);
        using var reader = command.ExecuteReader();
        var rows = new List<T>();
        while (reader.Read()) rows.Add(row(reader));
        return rows;
    }

    private static SqliteCommand Command(SqliteConnection connection, string sql, ReadOnlySpan<object?> values)
    {
        var command = connection.CreateCommand();
        command.CommandText = sql;
        for (int i = 0; i < values.Length; i++) command.Parameters.AddWithValue(FormattableString.Invariant($"${i}"), values[i] ?? DBNull.Value);
        return command;
    }

    /// <summary>Many rows for one table.</summary>
    private sealed class Insertion : IDisposable
    {
        private readonly SqliteCommand _command;

        /// <param name="connection">The database.</param>
        /// <param name="table">The table and its columns in parentheses.</param>
        public Insertion(SqliteConnection connection, string table)
        {
            _command = connection.CreateCommand();
            int columns = table.Count(c => c == ',') + 1;
            string[] names = [.. Enumerable.Range(0, columns).Select(i => FormattableString.Invariant($"${i}"))];
            _command.CommandText = $"INSERT INTO {table} VALUES ({string.Join(", ", names)})";
            foreach (string name in names) _command.Parameters.AddWithValue(name, DBNull.Value);
        }

        public void Add(params ReadOnlySpan<object?> row)
        {
            for (int i = 0; i < row.Length; i++) _command.Parameters[i].Value = row[i] ?? DBNull.Value;
            _command.ExecuteNonQuery();
        }

        public void Dispose() => _command.Dispose();
    }
}
