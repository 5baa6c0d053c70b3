using System.Data.Common;
using System.Globalization;
using DistOpt.Core.Specs;
using DistOpt.Protocol.Journal;
using LinqToDB;
using Npgsql;

namespace DistOpt.Hosting.Journal;

/// <summary>The journal in a PostgreSQL database, which lets the coordinator move to another machine.</summary>
internal sealed class PostgresJournal(string connectionString) : SqlJournal
{
    /// <summary>Key of the lock under which tables are created.</summary>
    private const long CreationLock = 7_426_180_453;

    public override string Place
    {
        get
        {
            var parts = new NpgsqlConnectionStringBuilder(connectionString);
            return $"PostgreSQL at {parts.Host}:{parts.Port}, database {parts.Database ?? parts.Username}";
        }
    }

    protected override string Provider => ProviderName.PostgreSQL15;

    protected override string ConnectionString => connectionString;

    protected override string Advice => "check the connection string, that the server runs, and that this user may create tables in the database";

    /// <summary>Whether the setting is a connection string and not the path of a file.</summary>
    public static bool Describes(string text) => text.Split(';').Any(part => part.TrimStart().StartsWith("Host=", StringComparison.OrdinalIgnoreCase)
        || part.TrimStart().StartsWith("Server=", StringComparison.OrdinalIgnoreCase));

    /// <summary>What is wrong with the connection string; null = nothing.</summary>
    public static SpecViolation? Check(string text)
    {
        if (text.StartsWith("postgres://", StringComparison.Ordinal) || text.StartsWith("postgresql://", StringComparison.Ordinal))
            return new SpecViolation("journal", "is a URL, but must be keywords: Host=db;Port=5432;Database=distopt;Username=distopt;Password=...");
        if (!Describes(text)) return null;
        try
        {
            _ = new NpgsqlConnectionStringBuilder(text);
            return null;
        }
        catch (Exception e) when (e is ArgumentException or FormatException)
        {
            return new SpecViolation("journal", $"is no PostgreSQL connection string ({e.Message}): write Host=db;Port=5432;Database=distopt;Username=distopt;Password=...");
        }
    }

    protected override DbConnection Connect()
    {
        var connection = new NpgsqlConnection(connectionString);
        connection.Open();
        return connection;
    }

    protected override void OnOpened(DbConnection connection) =>
        Execute(connection, $"SELECT set_config('distopt.epoch', '{Epoch.ToString(CultureInfo.InvariantCulture)}', false)");

    protected override void CreateMissing(DbConnection connection)
    {
        // a node that only stands by must not wait for, or disturb, the one that writes
        if (Scalar<bool>(connection, "SELECT to_regclass('distopt_journal') IS NOT NULL")) return;
        using var transaction = connection.BeginTransaction();
        Execute(connection, $"SELECT pg_advisory_xact_lock({CreationLock})");
        Execute(connection, $"""
            CREATE TABLE IF NOT EXISTS journal (
                ordering BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, created BIGINT NOT NULL, deleted BOOLEAN NOT NULL, persistence_id VARCHAR(255) NOT NULL,
                sequence_number BIGINT NOT NULL, message BYTEA NOT NULL, tags VARCHAR(100), manifest VARCHAR(500) NOT NULL, identifier INTEGER,
                writer_uuid VARCHAR(128), CONSTRAINT journal_uq UNIQUE (persistence_id, sequence_number));
            CREATE TABLE IF NOT EXISTS snapshot (
                persistence_id VARCHAR(255) NOT NULL, sequence_number BIGINT NOT NULL, created BIGINT NOT NULL, snapshot BYTEA NOT NULL,
                manifest VARCHAR(500) NOT NULL, serializer_id INTEGER, PRIMARY KEY (persistence_id, sequence_number));
            CREATE TABLE IF NOT EXISTS distopt_journal (
                one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL, format INTEGER NOT NULL, epoch BIGINT NOT NULL);
            INSERT INTO distopt_journal VALUES (1, substr(md5(random()::text || clock_timestamp()::text), 1, 16), {JournalCodec.FormatVersion}, 0)
                ON CONFLICT DO NOTHING;
            CREATE OR REPLACE FUNCTION distopt_guard() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                -- FOR SHARE: whoever raises the epoch waits for this transaction, and none with the old epoch commits after that
                PERFORM 1 FROM distopt_journal WHERE one = 1 AND epoch::text = current_setting('distopt.epoch', true) FOR SHARE;
                IF NOT FOUND THEN RAISE EXCEPTION '{Fenced}'; END IF;
                RETURN NULL;
            END $$;
            CREATE OR REPLACE TRIGGER distopt_guard BEFORE INSERT OR UPDATE OR DELETE ON journal FOR EACH STATEMENT EXECUTE FUNCTION distopt_guard();
            CREATE OR REPLACE TRIGGER distopt_guard BEFORE INSERT OR UPDATE OR DELETE ON snapshot FOR EACH STATEMENT EXECUTE FUNCTION distopt_guard();
            """);
        transaction.Commit();
    }
}
