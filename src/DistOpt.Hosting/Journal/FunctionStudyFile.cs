using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Exchange;
using DistOpt.Core.Studies.Functions;
using DistOpt.Protocol.Journal;
using Microsoft.Data.Sqlite;

namespace DistOpt.Hosting.Journal;

/// <summary>What a <see cref="StudyJournal"/> has stored of a study over a function, which another process may be running.</summary>
/// <param name="Study">What is searched.</param>
/// <param name="Events">All so far, with the times at which they were stored.</param>
internal sealed record FunctionStudyFile(StudyDeclaration Study, IReadOnlyList<TimedEvent> Events)
{
    /// <summary>The table that tells people what is searched.</summary>
    public const string Lines = "distopt_function_study";

    /// <summary>The table that tells programs.</summary>
    public const string Declaration = "distopt_function_study_declaration";

    /// <summary>Whether a file is a SQLite database with the journal of such a study, of whatever version.</summary>
    public static bool IsOne(string path) => Has(path, Lines);

    /// <summary>Whether a file is a SQLite database with the journal of a study or of jobs.</summary>
    public static bool IsJournal(string path) => Has(path, "distopt_journal");

    /// <summary>Reads it; nothing in it is changed, and whoever runs the study is not kept from it.</summary>
    /// <param name="path">A file that <see cref="IsOne"/>.</param>
    /// <param name="option">What errors call it.</param>
    /// <exception cref="SpecException">It cannot be read, is of a newer or an earlier version, or has nothing yet.</exception>
    public static FunctionStudyFile Read(string path, string option) => StudyJournalFile.Opened(path, option, connection =>
    {
        // both of one moment
        using var transaction = connection.BeginTransaction(deferred: true);
        var events = StudyJournalFile.EventsIn(connection, Path.GetFileNameWithoutExtension(path));
        if (events.Count == 0) throw new SpecException(option, $"'{path}' has nothing of its study yet: wait until its first trial has begun");
        if (DeclarationIn(connection) is { } study) return new FunctionStudyFile(study, events);
        throw new SpecException(option, $"'{path}' was written by an earlier version, which did not store there what is searched: open the study once more by "
            + $"its program, which stores it, or write it from there ({nameof(FunctionStudy)}.{nameof(FunctionStudy.Export)})");
    });

    internal static StudyDeclaration? DeclarationIn(SqliteConnection connection)
    {
        if (!StudyJournalFile.HasTable(connection, Declaration)) return null;
        using var command = connection.CreateCommand();
        command.CommandText = $"SELECT manifest, body FROM {Declaration}";
        using var reader = command.ExecuteReader();
        return reader.Read() ? StudyJournalCodec.ReadDeclaration(reader.GetString(0), reader.GetFieldValue<byte[]>(1)) : null;
    }

    private static bool Has(string path, string table)
    {
        if (!File.Exists(path)) return false;
        Span<byte> begin = stackalloc byte[16];
        using (var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete))
            if (stream.ReadAtLeast(begin, begin.Length, throwOnEndOfStream: false) < begin.Length || !begin.SequenceEqual("SQLite format 3\0"u8)) return false;
        try
        {
            return StudyJournalFile.Opened(path, "study", connection => StudyJournalFile.HasTable(connection, table));
        }
        catch (SpecException)
        {
            // a damaged one is nobody's: whoever reads it as something else says what is wrong
            return false;
        }
    }
}
