using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Exchange;
using DistOpt.Protocol.Journal;
using Microsoft.Data.Sqlite;

namespace DistOpt.Hosting.Journal;

/// <summary>Reads the events of a study from its journal, which another process may be writing.</summary>
internal static class StudyJournalFile
{
    private const string Prefix = "study-";

    /// <summary>The study's events so far, with the times at which they were stored.</summary>
    /// <param name="path">The journal's file.</param>
    /// <param name="study">The study's id; where the journal has no such one, as when its folder has another name now, the one that it has is read.</param>
    /// <param name="option">What errors call it.</param>
    /// <exception cref="SpecException">It cannot be read, or is of a newer version.</exception>
    public static IReadOnlyList<TimedEvent> Read(string path, string study, string option)
    {
        if (!File.Exists(path)) throw new SpecException(option, $"has no journal, {path}: nothing of the study was stored");
        try
        {
            var builder = new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadOnly, Pooling = false };
            using var connection = new SqliteConnection(builder.ToString());
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = """
                SELECT created, manifest, message FROM journal WHERE deleted = 0 AND persistence_id = (
                    SELECT persistence_id FROM journal WHERE persistence_id LIKE $any ORDER BY persistence_id <> $study, ordering DESC LIMIT 1)
                ORDER BY sequence_number
                """;
            command.Parameters.AddWithValue("$any", Prefix + "%");
            command.Parameters.AddWithValue("$study", Prefix + study);
            using var reader = command.ExecuteReader();
            var events = new List<TimedEvent>();
            while (reader.Read())
            {
                var e = StudyJournalCodec.Read(reader.GetString(1), reader.GetFieldValue<byte[]>(2));
                events.Add(new TimedEvent(e, new DateTime(reader.GetInt64(0), DateTimeKind.Utc)));
            }
            return events;
        }
        catch (Exception e) when (e is SqliteException or JournalException or IOException)
        {
            throw new SpecException(option, $"has a journal that cannot be read, {path}: {e.Message}");
        }
    }
}
