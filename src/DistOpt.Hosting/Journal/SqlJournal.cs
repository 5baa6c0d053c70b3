using System.Data.Common;
using Akka.Configuration;
using Akka.Persistence.Sql;
using Akka.Persistence.Sql.Config;
using DistOpt.Actors.Serialization;
using DistOpt.Actors.Training;
using DistOpt.Core.Specs;
using DistOpt.Hosting.Cluster;
using DistOpt.Protocol.Journal;
using LinqToDB;
using LinqToDB.Interceptors;

namespace DistOpt.Hosting.Journal;

/// <summary>
/// The job coordinator's journal in a database, by Akka.Persistence.Sql. A row of the database holds the journal's epoch; whoever takes the
/// journal raises it, and a trigger compares it with the writer's in every transaction that changes the journal, so that a coordinator that
/// was thought dead cannot write any more.
/// </summary>
internal abstract class SqlJournal : IJobJournal
{
    /// <summary>What a write with an old epoch fails with.</summary>
    public const string Fenced = "fenced: another job coordinator has taken the journal";

    private long _epoch;
    private long _latest;

    /// <summary>Epoch under which this process writes; 0 = it may not.</summary>
    public long Epoch => Volatile.Read(ref _epoch);

    /// <summary>
    /// Called when another coordinator has taken the journal from this one. This process must not take it back: it is on the wrong side of a
    /// split, or was thought dead.
    /// </summary>
    public Action? OnLost { get; set; }

    /// <summary>For people; no password.</summary>
    public abstract string Place { get; }

    /// <summary>Name that linq2db has for the database.</summary>
    protected abstract string Provider { get; }

    protected abstract string ConnectionString { get; }

    /// <summary>The journal that the settings name; null where nothing is kept.</summary>
    public static SqlJournal? Of(NodeOptions options)
    {
        if (!options.Roles.Contains(NodeOptions.Coordinator)) return null;
        string text = options.Journal ?? Path.Combine(options.DataRoot ?? ".", "coordinator", "journal.db");
        if (text == NodeOptions.NoJournal) return null;
        return PostgresJournal.Describes(text) ? new PostgresJournal(text) : new SqliteJournal(Path.GetFullPath(text));
    }

    /// <summary>Creates what is missing in the database and reads its id: nodes with the same one may take over from each other.</summary>
    /// <exception cref="SpecException">It cannot be opened, or a newer version wrote it.</exception>
    public string Prepare()
    {
        try
        {
            using var connection = Connect();
            CreateMissing(connection);
            (string id, long format) = Identity(connection);
            CheckFormat(format);
            return id;
        }
        catch (Exception e) when (e is DbException or IOException or UnauthorizedAccessException or TimeoutException or System.Net.Sockets.SocketException)
        {
            throw new SpecException("journal", $"{Place} cannot be opened ({e.Message}): {Advice}");
        }
    }

    // databases are asked synchronously, on a thread that may wait
    public Task TakeAsync() => Task.Run(() =>
    {
        if (Volatile.Read(ref _latest) != 0 && !IsHeld()) throw Lost();
        Take();
    });

    public Task<bool> IsHeldAsync() => Task.Run(() =>
    {
        if (IsHeld()) return true;
        Lost();
        return false;
    });

    protected virtual void Take()
    {
        using var connection = Connect();
        CheckFormat(Identity(connection).Format);
        // under the condition that nobody else had it since; the first time, whoever had it is dead or will notice
        long latest = Volatile.Read(ref _latest);
        long epoch = Scalar<long>(connection, latest == 0 ? "UPDATE distopt_journal SET epoch = epoch + 1 WHERE one = 1 RETURNING epoch"
            : $"UPDATE distopt_journal SET epoch = epoch + 1 WHERE one = 1 AND epoch = {latest} RETURNING epoch");
        if (epoch == 0) throw Lost();
        Volatile.Write(ref _latest, epoch);
        Volatile.Write(ref _epoch, epoch);
    }

    private bool IsHeld()
    {
        using var connection = Connect();
        return Scalar<long>(connection, "SELECT epoch FROM distopt_journal WHERE one = 1") == Volatile.Read(ref _latest);
    }

    private InvalidOperationException Lost()
    {
        OnLost?.Invoke();
        return new InvalidOperationException($"another job coordinator has taken {Place}");
    }

    public virtual void Release() => Volatile.Write(ref _epoch, 0);

    /// <summary>What makes the plug-in of an actor system use it, beside <see cref="Hocon"/>.</summary>
    public DataOptionsSetup Connections() => new(new DataOptions().UseConnectionString(Provider, ConnectionString).UseInterceptor(new Opened(this)));

    protected abstract string Advice { get; }

    /// <summary>An open connection.</summary>
    protected abstract DbConnection Connect();

    /// <summary>Tables of the plug-in, the row with the epoch, and the triggers that guard it.</summary>
    protected abstract void CreateMissing(DbConnection connection);

    /// <summary>Tells a connection of the plug-in the epoch of this process.</summary>
    protected abstract void OnOpened(DbConnection connection);

    protected static void Execute(DbConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    protected static T Scalar<T>(DbConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        // no row at all is the type's zero
        return (T)Convert.ChangeType(command.ExecuteScalar() ?? default(T)!, typeof(T), System.Globalization.CultureInfo.InvariantCulture);
    }

    private static (string Id, long Format) Identity(DbConnection connection) =>
        (Scalar<string>(connection, "SELECT id FROM distopt_journal WHERE one = 1"), Scalar<long>(connection, "SELECT format FROM distopt_journal WHERE one = 1"));

    private void CheckFormat(long format)
    {
        if (format > JournalCodec.FormatVersion)
        {
            throw new SpecException("journal", $"{Place} has format {format}, but this build reads up to {JournalCodec.FormatVersion}: "
                + "a newer version wrote it; run that version or a later one");
        }
    }

    /// <summary>
    /// Settings of the plug-in. Those of the connection, a password perhaps among them, never stand in the configuration, which may be logged.
    /// </summary>
    public static Config Hocon => ConfigurationFactory.ParseString("""
        akka.persistence {
          journal {
            plugin = "akka.persistence.journal.sql"
            sql {
              tag-write-mode = Csv
              parallelism = 1
              batch-size = 200
              auto-initialize = off
              use-clone-connection = off
              circuit-breaker.call-timeout = 20s
              replay-filter.mode = fail
            }
          }
          snapshot-store {
            plugin = "akka.persistence.snapshot-store.sql"
            sql {
              auto-initialize = off
              use-clone-connection = off
            }
          }
        }
        """).WithFallback(ConfigurationFactory.ParseString(JournalSerializer.Hocon)).WithFallback(SqlPersistence.DefaultConfiguration);

    private sealed class Opened(SqlJournal journal) : ConnectionInterceptor
    {
        public override void ConnectionOpened(ConnectionEventData eventData, DbConnection connection) => journal.OnOpened(connection);

        public override Task ConnectionOpenedAsync(ConnectionEventData eventData, DbConnection connection, CancellationToken cancellationToken)
        {
            journal.OnOpened(connection);
            return Task.CompletedTask;
        }
    }
}
