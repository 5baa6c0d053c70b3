using System.CommandLine;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Exchange;

namespace DistOpt;

/// <summary><c>export STUDY --to FILE</c>.</summary>
internal sealed class ExportCommand
{
    private static readonly Dictionary<string, StudyFormat> Names = new(StringComparer.Ordinal)
    {
        ["csv"] = StudyFormat.Csv,
        ["parquet"] = StudyFormat.Parquet,
        ["optuna"] = StudyFormat.Optuna,
        ["optuna-journal"] = StudyFormat.OptunaJournal,
    };

    private static readonly Dictionary<string, StudyFormat> Extensions = new(StringComparer.OrdinalIgnoreCase)
    {
        [".csv"] = StudyFormat.Csv,
        [".parquet"] = StudyFormat.Parquet,
        [".db"] = StudyFormat.Optuna,
        [".sqlite"] = StudyFormat.Optuna,
        [".sqlite3"] = StudyFormat.Optuna,
        [".log"] = StudyFormat.OptunaJournal,
        [".journal"] = StudyFormat.OptunaJournal,
    };

    private readonly Argument<string> _study = new("study") { Description = "The folder of a study, that folder's name below studies/, the journal of one over a function (a file), or the id of one on the cluster; it may be running" };
    private readonly Option<string> _to = new("--to") { Description = "File to write", HelpName = "file", Required = true };

    private readonly Option<string> _as = new("--as")
    {
        Description = "csv, parquet, optuna (a SQLite database) or optuna-journal; default: by the file's name (.csv, .parquet, .db, .log)",
        HelpName = "format",
    };

    private readonly Option<string> _schema = new("--schema")
    {
        Description = $"Schema of Optuna's database: {string.Join(" or ", StudyFiles.Schemas)}; default: {StudyFiles.Schemas[0]}",
        HelpName = "version",
    };

    private readonly Option<bool> _overwrite = new("--overwrite") { Description = "Replace a file that is there" };

    private readonly Option<string> _cluster = GlobalOptions.Cluster();

    public static Command Create(Bind bind)
    {
        var export = new ExportCommand();
        var command = new Command("export", "Writes the trials of a study for other programs: CSV, Parquet, Optuna")
        {
            export._study, export._to, export._as, export._schema, export._overwrite, export._cluster,
        };
        bind(command, export.RunAsync);
        return command;
    }

    private async Task<int> RunAsync(CommandInvocation invocation)
    {
        var parse = invocation.Parse;
        string path = parse.GetRequiredValue(_to);
        var violations = new ViolationCollector();
        using var source = await StudySource.OpenAsync(invocation, parse.GetRequiredValue(_study), parse.GetValue(_cluster)).ConfigureAwait(false);
        var study = violations.Try(() => StudyFiles.Of(source.Path, invocation.App, invocation.Console.StudiesRoot));
        var format = FormatOf(path, parse.GetValue(_as), violations);
        if (parse.GetValue(_schema) is { } asked)
        {
            if (!StudyFiles.Schemas.Contains(asked)) violations.Add("--schema", $"'{asked}' is not known. Available: {string.Join(", ", StudyFiles.Schemas)}");
            if (format is not (null or StudyFormat.Optuna)) violations.Add("--schema", "is for Optuna's database (--as optuna); leave it away");
        }
        if (Directory.Exists(path)) violations.Add("--to", $"'{path}' is a folder; name a file in it");
        else if (File.Exists(source.Path) && Path.GetFullPath(path) == Path.GetFullPath(source.Path))
            violations.Add("--to", $"'{path}' is the study itself; name another file");
        else if (File.Exists(path) && !parse.GetValue(_overwrite))
            violations.Add("--to", $"'{path}' is there already; name another file, or add --overwrite to replace it");
        else if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder && !Directory.Exists(folder))
            violations.Add("--to", $"'{path}' is in a folder that is not there; make it first");
        violations.ThrowIfAny();

        string? schema = format == StudyFormat.Optuna ? parse.GetValue(_schema) ?? StudyFiles.Schemas[0] : null;
        await StudyFiles.WriteAsync(path, study!, format!.Value, schema).ConfigureAwait(false);
        string name = Names.First(n => n.Value == format).Key;
        invocation.Write(
            json =>
            {
                json.WriteStartObject();
                json.WriteString("file", path);
                json.WriteString("format", name);
                if (schema is not null) json.WriteString("schema", schema);
                json.WriteString("study", study!.Name);
                json.WriteNumber("trials", study.Trials.Length);
                json.WriteEndObject();
            },
            writer => writer.WriteLine($"written: {path} ({name}{(schema is null ? "" : $", schema {schema}")}): study {study!.Name}, {States(study)}"));
        return ExitCode.Done;
    }

    private static StudyFormat? FormatOf(string path, string? asked, ViolationCollector violations)
    {
        string extension = Path.GetExtension(path);
        if (asked is not null)
        {
            if (Names.TryGetValue(asked, out var given)) return given;
            string near = Nearest.Of(asked, Names.Keys) is { } nearest ? $"; did you mean '{nearest}'?" : $". Available: {string.Join(", ", Names.Keys)}";
            violations.Add("--as", $"'{asked}' is not known{near}");
            return null;
        }
        if (Extensions.TryGetValue(extension, out var named)) return named;
        violations.Add("--to", $"'{path}' does not tell a format by its name ({string.Join(", ", Extensions.Keys)}); let it, or give --as "
            + string.Join(", ", Names.Keys));
        return null;
    }

    private static string States(ExchangedStudy study)
    {
        if (study.Trials.IsEmpty) return "no trial";
        var states = study.Trials.GroupBy(t => t.State).OrderBy(g => g.Key).Select(g => $"{g.Count()} {g.Key.ToString().ToUpperInvariant()}");
        return $"{Format.Plural(study.Trials.Length, "trial")} ({string.Join(", ", states)})";
    }
}
