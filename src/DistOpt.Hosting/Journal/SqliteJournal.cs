using System.Data.Common;
using DistOpt.Protocol.Journal;
using LinqToDB;
using Microsoft.Data.Sqlite;

namespace DistOpt.Hosting.Journal;

/// <summary>
/// The journal in a SQLite file: write-ahead log, every commit flushed to the disk. It ties the coordinator to the machine of the file (never a
/// network file system). While a process has it, a lock file beside it keeps others out.
/// </summary>
internal sealed class SqliteJournal(string path) : SqlJournal
{
    private FileStream? _lock;

    public override string Place => path;

    /// <summary>Of its file.</summary>
    public string Folder => Path.GetDirectoryName(Path.GetFullPath(path))!;

    protected override string Provider => ProviderName.SQLiteMS;

    // 10 s: how long a statement waits for another connection's transaction
    protected override string ConnectionString => new SqliteConnectionStringBuilder { DataSource = path, DefaultTimeout = 10 }.ToString();

    protected override string Advice => "name a file in a folder that this user may write to, on a disk of this machine";

    /// <exception cref="IOException">Another coordinator has it.</exception>
    protected override void Take()
    {
        try
        {
            _lock ??= new FileStream(path + ".lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e)
        {
            throw new IOException($"{path} is in use by another job coordinator, which holds {path}.lock: stop that one, or give this node a data root of its own", e);
        }
        try
        {
            base.Take();
        }
        catch
        {
            Release();
            throw;
        }
    }

    public override void Release()
    {
        base.Release();
        // idle connections of the plug-in would keep the file open
        using (var connection = new SqliteConnection(ConnectionString)) SqliteConnection.ClearPool(connection);
        _lock?.Dispose();
        _lock = null;
    }

    /// <summary>A connection that may write while this process has the journal.</summary>
    internal SqliteConnection OpenConnection() => (SqliteConnection)Connect();

    protected override DbConnection Connect()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var connection = new SqliteConnection(ConnectionString);
        connection.Open();
        OnOpened(connection);
        return connection;
    }

    /// <summary>A connection that has no such function, another program's say, cannot change the journal at all.</summary>
    protected override void OnOpened(DbConnection connection)
    {
        ((SqliteConnection)connection).CreateFunction("distopt_epoch", () => Epoch);
        Execute(connection, "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 16777216;");
    }

    protected override void CreateMissing(DbConnection connection)
    {
        // stays in the file
        Execute(connection, "PRAGMA journal_mode = WAL;");
        using var transaction = connection.BeginTransaction();
        Execute(connection, $"""
            CREATE TABLE IF NOT EXISTS journal (
                ordering INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, created BIGINT NOT NULL, deleted BIT NOT NULL, persistence_id NVARCHAR(255) NOT NULL,
                sequence_number BIGINT NOT NULL, message BLOB NOT NULL, tags NVARCHAR(100), manifest NVARCHAR(500) NOT NULL, identifier INTEGER,
                writer_uuid NVARCHAR(128));
            CREATE UNIQUE INDEX IF NOT EXISTS journal_uq ON journal (persistence_id, sequence_number);
            CREATE TABLE IF NOT EXISTS snapshot (
                persistence_id NVARCHAR(255) NOT NULL, sequence_number BIGINT NOT NULL, created BIGINT NOT NULL, snapshot BLOB NOT NULL,
                manifest NVARCHAR(500) NOT NULL, serializer_id INTEGER, PRIMARY KEY (persistence_id, sequence_number));
            CREATE TABLE IF NOT EXISTS distopt_journal (
                one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL, format INTEGER NOT NULL, epoch INTEGER NOT NULL);
            INSERT OR IGNORE INTO distopt_journal VALUES (1, lower(hex(randomblob(8))), {JournalCodec.FormatVersion}, 0);
            {Guard("journal", "INSERT")}
            {Guard("journal", "UPDATE")}
            {Guard("journal", "DELETE")}
            {Guard("snapshot", "INSERT")}
            {Guard("snapshot", "UPDATE")}
            {Guard("snapshot", "DELETE")}
            """);
        transaction.Commit();
    }

    private static string Guard(string table, string change) => $"""
        CREATE TRIGGER IF NOT EXISTS distopt_{table}_{change.ToLowerInvariant()} BEFORE {change} ON {table}
        WHEN (SELECT epoch FROM distopt_journal WHERE one = 1) <> distopt_epoch()
        BEGIN SELECT RAISE(ABORT, '{Fenced}'); END;
        """;
}
