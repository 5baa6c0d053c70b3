using System.Text;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Exchange;
using DistOpt.Hosting.Journal;

namespace DistOpt;

/// <summary>What studies can be written as and read from.</summary>
public enum StudyFormat
{
    /// <summary>A table with a row for each trial, as text.</summary>
    Csv,

    /// <summary>The same table as Parquet.</summary>
    Parquet,

    /// <summary>A SQLite database of Optuna.</summary>
    Optuna,

    /// <summary>A log of Optuna's journal storage.</summary>
    OptunaJournal,
}

/// <summary>Studies as files of other programs.</summary>
public static class StudyFiles
{
    /// <summary>Schemas of Optuna's database that can be written and read, the default first.</summary>
    public static IReadOnlyList<string> Schemas => OptunaDatabase.Schemas;

    /// <summary>A study with what has happened in it so far; another process may be running it.</summary>
    /// <param name="study">Its directory, or that one's name below <paramref name="root"/>; or the journal of a study over a function, a file.</param>
    /// <param name="app">Catalogue; the one that it was begun with.</param>
    /// <param name="root">Where study directories are.</param>
    /// <exception cref="SpecException">There is no such study, or it cannot be read.</exception>
    public static ExchangedStudy Of(string study, DistOptAppDefinition? app = null, string root = StudyDirectory.DefaultRoot) =>
        File.Exists(study) ? OfFunction(study, "study") : Of(StudyDirectory.Find(study, root, "study"), app ?? DistOptApp.Define(), "study");

    /// <summary>Writes a study; a file of that name is replaced as a whole.</summary>
    /// <param name="path">The file.</param>
    /// <param name="study">The study.</param>
    /// <param name="format">What it is written as.</param>
    /// <param name="schema">For a database of Optuna: one of <see cref="Schemas"/>; null = the first.</param>
    public static async Task WriteAsync(string path, ExchangedStudy study, StudyFormat format, string? schema = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(study);
        if (format == StudyFormat.Optuna)
        {
            string unfinished = path + ".tmp";
            File.Delete(unfinished);
            OptunaDatabase.Write(unfinished, study, schema ?? Schemas[0]);
            File.Move(unfinished, path, overwrite: true);
            return;
        }
        using var content = new MemoryStream();
        if (format == StudyFormat.Parquet) await StudyParquet.WriteAsync(content, study).ConfigureAwait(false);
        else
        {
            await using var writer = new StreamWriter(content, new UTF8Encoding(false), leaveOpen: true);
            if (format == StudyFormat.Csv) StudyCsv.Write(writer, study);
            else OptunaJournal.Write(writer, study);
        }
        AtomicFile.Write(path, content.GetBuffer().AsSpan(0, (int)content.Length));
    }

    /// <summary>The study of a file, whose format is known by what is in it, be it a study's journal; or of a study's directory.</summary>
    /// <param name="path">The file.</param>
    /// <param name="name">Of several studies in a file of Optuna the one to read; null = the only one.</param>
    /// <param name="app">Catalogue, for a study's directory.</param>
    /// <exception cref="SpecException">It is none, or has no such study.</exception>
    public static async Task<ExchangedStudy> ReadAsync(string path, string? name = null, DistOptAppDefinition? app = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (Directory.Exists(path)) return WithoutName(Of(StudyDirectory.Find(path, path: "--import"), app ?? DistOptApp.Define(), "--import"));
        try
        {
            switch (FormatOf(path))
            {
                case StudyFormat.Optuna when FunctionStudyFile.IsJournal(path):
                    return WithoutName(OfFunction(path, "--import"));
                case StudyFormat.Optuna:
                    return OptunaDatabase.Read(path, Chosen(OptunaDatabase.Names(path)));
                case StudyFormat.OptunaJournal:
                    using (var reader = new StreamReader(path))
                    {
                        var studies = OptunaJournal.Read(reader, path);
                        string chosen = Chosen([.. studies.Select(s => s.Name)]);
                        return studies.First(s => s.Name == chosen);
                    }
                case StudyFormat.Parquet:
                    return WithoutName(await StudyParquet.ReadAsync(path).ConfigureAwait(false));
                default:
                    using (var reader = new StreamReader(path)) return WithoutName(StudyCsv.Read(reader, path));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SpecException("--import", $"'{path}' cannot be read: {e.Message}");
        }

        string Chosen(IReadOnlyList<string> names)
        {
            if (names.Count == 0) throw new SpecException("--import", $"'{path}' has no study");
            string known = string.Join(", ", names.Take(20)) + (names.Count > 20 ? ", ..." : "");
            if (name is null && names.Count > 1)
                throw new SpecException("--import-study", $"is needed, since '{path}' has {names.Count} studies; name one of {known}");
            if (name is null || names.Contains(name)) return name ?? names[0];
            string near = Nearest.Of(name, names) is { } nearest ? $"; did you mean '{nearest}'?" : $"; there are {known}";
            throw new SpecException("--import-study", $"'{name}' is no study of '{path}'{near}");
        }

        ExchangedStudy WithoutName(ExchangedStudy study) => name is null ? study
            : throw new SpecException("--import-study", $"'{name}' is given, but '{path}' has one study only; leave it away");
    }

    private static ExchangedStudy Of(StudyDirectory directory, DistOptAppDefinition app, string option)
    {
        // a study of a cluster has its events there; its directory tells of the trials that have ended
        IReadOnlyList<TimedEvent> events = directory.IsOfHere ? StudyJournalFile.Read(directory.JournalFile, directory.Name, option) : [];
        if (events.Count == 0) return StudyExport.Of(StudyDirectoryReader.Open(directory.Path, SpecFiles.Binder(app)));
        return StudyExport.Of(directory.Name, SpecFiles.Binder(app).ReadStudy(directory.SpecFile), events);
    }

    private static ExchangedStudy OfFunction(string path, string option)
    {
        var (study, events) = FunctionFile(path, option);
        return StudyExport.Of(Path.GetFileNameWithoutExtension(path), study, events);
    }

    /// <summary>What the journal of a study over a function has so far.</summary>
    /// <param name="path">A file that is there.</param>
    /// <param name="option">What errors call it.</param>
    /// <exception cref="SpecException">It is none, or cannot be read.</exception>
    internal static FunctionStudyFile FunctionFile(string path, string option)
    {
        if (FunctionStudyFile.IsOne(path)) return FunctionStudyFile.Read(path, option);
        throw new SpecException(option, FunctionStudyFile.IsJournal(path)
            ? $"'{path}' is the journal of a sweep or of a cluster's jobs: name the study's folder, or its id on the cluster"
            : $"'{path}' is no study: name the folder of one, or the journal of one over a function ({nameof(StudyJournal)}.{nameof(StudyJournal.Open)})");
    }

    private static StudyFormat FormatOf(string path)
    {
        if (!File.Exists(path))
        {
            throw new SpecException("--import",
                $"'{path}' is not there; name a file of Optuna, CSV, Parquet, a study's folder or the journal of one over a function");
        }
        byte[] begin = new byte[4096];
        int length;
        using (var stream = File.OpenRead(path)) length = stream.ReadAtLeast(begin, begin.Length, throwOnEndOfStream: false);
        var content = begin.AsSpan(0, length);
        if (content.StartsWith("SQLite format 3\0"u8)) return StudyFormat.Optuna;
        if (content.StartsWith("PAR1"u8)) return StudyFormat.Parquet;
        if (content.Contains((byte)0))
        {
            throw new SpecException("--import", $"'{path}' is of no format that is known: it must be a SQLite database or a journal of Optuna, "
                + "CSV or Parquet as 'distopt export' writes it, or a study's folder");
        }
        return content.TrimStart(" \r\n\t"u8) is [(byte)'{', ..] ? StudyFormat.OptunaJournal : StudyFormat.Csv;
    }
}
