using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Exchange;
using DistOpt.Protocol.Journal;
using Microsoft.Data.Sqlite;

namespace DistOpt.Hosting.Journal;

/// <summary>Reads the events of a study from its journal, which another process may be writing.</summary>
internal static class StudyJournalFile
{
    /// <summary>Begins the persistence id of a study's events.</summary>
    public const string Prefix = "study-";

    /// <summary>Of several studies that of the folder's name, else the latest one.</summary>
    private const string Chosen = "SELECT persistence_id FROM journal WHERE persistence_id LIKE $any ORDER BY persistence_id <> $study, ordering DESC LIMIT 1";

    /// <summary>The id under which a study is gone on with: that of its journal, whatever the folder is called by now.</summary>
    /// <param name="directory">The study's directory; nothing in it is changed.</param>
    /// <exception cref="SpecException">It is a copy without a journal, or its journal has nothing of the trials there: the study would begin anew.</exception>
    public static string IdToResume(StudyDirectory directory)
    {
        ArgumentNullException.ThrowIfNull(directory);
        string path = directory.Path, instead = $"'distopt sweep {directory.SpecFile} --import {path}' begins a new one that knows its trials";
        if (!File.Exists(directory.JournalFile))
        {
            throw new SpecException("--resume", $"'{path}' has no {Path.GetFileName(directory.JournalFile)}, from which a study goes on: it is a copy of one on a cluster, "
                + $"where 'distopt resume {directory.Name}' goes on with it if it is paused; {instead}");
        }
        if (Opened(directory.JournalFile, "--resume", connection => IdIn(connection, directory.Name)) is { } id) return id[Prefix.Length..];
        if (new FileInfo(directory.TrialsFile) is not { Exists: true, Length: > 0 }) return directory.Name;
        throw new SpecException("--resume", $"'{path}' has trials in {Path.GetFileName(directory.TrialsFile)}, but its journal, {directory.JournalFile}, has nothing of them: "
            + $"bring back the journal that belongs to it, or {instead}");
    }

    /// <summary>The study's events so far, with the times at which they were stored; none where nothing was stored yet.</summary>
    /// <param name="path">The journal's file.</param>
    /// <param name="study">The study's id; where the journal has no such one, as when its folder has another name now, the one that it has is read.</param>
    /// <param name="option">What errors call it.</param>
    /// <exception cref="SpecException">It cannot be read, or is of a newer version.</exception>
    public static IReadOnlyList<TimedEvent> Read(string path, string study, string option)
    {
        if (!File.Exists(path)) throw new SpecException(option, $"has no journal, {path}: nothing of the study was stored");
        return Opened(path, option, connection => EventsIn(connection, study));
    }

    /// <inheritdoc cref="Read"/>
    /// <param name="connection">Open.</param>
    /// <param name="study">The study's id.</param>
    internal static List<TimedEvent> EventsIn(SqliteConnection connection, string study)
    {
        var events = new List<TimedEvent>();
        if (IdIn(connection, study) is not { } id) return events;
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT created, manifest, message FROM journal WHERE deleted = 0 AND persistence_id = $id ORDER BY sequence_number";
        command.Parameters.AddWithValue("$id", id);
        using var reader = command.ExecuteReader();
        while (reader.Read())
        {
            var e = StudyJournalCodec.Read(reader.GetString(1), reader.GetFieldValue<byte[]>(2));
            events.Add(new TimedEvent(e, new DateTime(reader.GetInt64(0), DateTimeKind.Utc)));
        }
        return events;
    }

    /// <summary>The persistence id of the study's events; null where there are none.</summary>
    private static string? IdIn(SqliteConnection connection, string study)
    {
        using var command = connection.CreateCommand();
        // of one that was killed in its first moment there may not even be tables
        if (!HasTable(connection, "journal")) return null;
        command.CommandText = Chosen;
        command.Parameters.AddWithValue("$any", Prefix + "%");
        command.Parameters.AddWithValue("$study", Prefix + study);
        return (string?)command.ExecuteScalar();
    }

    internal static bool HasTable(SqliteConnection connection, string table)
    {
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $name";
        command.Parameters.AddWithValue("$name", table);
        return (long)command.ExecuteScalar()! > 0;
    }

    internal static T Opened<T>(string path, string option, Func<SqliteConnection, T> read)
    {
        try
        {
            var builder = new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadOnly, Pooling = false };
            using var connection = new SqliteConnection(builder.ToString());
            connection.Open();
            return read(connection);
        }
        catch (Exception e) when (e is SqliteException or JournalException or IOException)
        {
            throw new SpecException(option, $"has a journal that cannot be read, {path}: {e.Message}");
        }
    }
}
