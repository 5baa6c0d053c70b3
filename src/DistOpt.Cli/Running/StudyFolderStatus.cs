using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Hosting.Journal;

namespace DistOpt;

/// <summary>How a study stands by what is in its directory, where no process speaks for it.</summary>
internal static class StudyFolderStatus
{
    /// <summary>Its summary where it has ended or was interrupted in good order; else what its journal says, or of a copy its trials that have ended.</summary>
    /// <param name="study">The directory, in which nothing is changed.</param>
    /// <param name="app">Catalogue; the one that it was begun with.</param>
    /// <param name="note">What a person is to be told beside it; null = nothing.</param>
    /// <returns>With the fields of a study that is live, and status <c>stopped</c> or <c>copy</c>; or its summary.</returns>
    /// <exception cref="SpecException">A file is damaged.</exception>
    public static JsonDocument Read(StudyDirectory study, DistOptAppDefinition app, out string? note)
    {
        note = null;
        if (File.Exists(study.SummaryFile))
        {
            var summary = JsonDocument.Parse(File.ReadAllText(study.SummaryFile));
            if (study.IsOfHere && summary.RootElement.TryGetProperty("no_best", out _) && study.ReadEnd() == StudyStopReason.Trials)
                note = StudyText.MoreTrials(study.Path);
            return summary;
        }
        note = study.IsOfHere ? $"no process of yours on this machine runs it: 'distopt sweep --resume {study.Path}' goes on with it"
            : $"a copy of a study on a cluster, with the trials that had ended when it was made; to see how it stands, {StudyPlace.AskCluster(study)}";
        var (spec, status) = Stands(study, app);
        return JsonDocument.Parse(RunJson.Text(false, json =>
        {
            json.WriteStartObject();
            json.WriteString("name", spec.Name);
            json.WriteString("kind", "study");
            json.WriteString("status", study.IsOfHere ? "stopped" : "copy");
            json.WriteString("run", study.Path);
            StudyStatusJson.WriteFields(json, spec.Outline, status);
            json.WriteEndObject();
        }));
    }

    /// <summary>How a study over a function stands by its journal, which another process may be writing.</summary>
    /// <param name="path">The journal's file.</param>
    /// <returns>With the fields of a study that is live, and status <c>ended</c> or <c>open</c>: whether a process runs it now, it does not say.</returns>
    /// <exception cref="SpecException">It is none, or cannot be read.</exception>
    public static JsonDocument OfFunction(string path)
    {
        var (declared, events) = StudyFiles.FunctionFile(path, "run");
        var study = StudyReading.Of(Path.GetFileNameWithoutExtension(path), declared, events);
        return JsonDocument.Parse(RunJson.Text(false, json =>
        {
            json.WriteStartObject();
            json.WriteString("name", study.Outline.Name);
            json.WriteString("kind", "study");
            json.WriteString("status", study.End is null ? "open" : "ended");
            if (study.End is { } end) json.WriteString("stop_reason", RunJson.Name(end));
            json.WriteString("run", path);
            StudyStatusJson.WriteFields(json, study.Outline, study.Status());
            json.WriteEndObject();
        }));
    }

    private static (StudySpec Spec, StudyStatus Status) Stands(StudyDirectory study, DistOptAppDefinition app)
    {
        var binder = SpecFiles.Binder(app);
        StudyEvent[] events = study.IsOfHere ? [.. StudyJournalFile.Read(study.JournalFile, study.Name, "run").Select(e => e.Event)] : [];
        if (events.Length == 0)
        {
            var reader = StudyDirectoryReader.Open(study.Path, binder);
            return (reader.Spec, reader.Status());
        }
        var spec = binder.ReadStudy(study.SpecFile);
        // as it would be gone on with: attempts that were under way wait for another one
        var engine = StudyEngine.Restore(StudySetup.Of(spec, SpecFiles.Catalogs(app)), events, _ => { });
        engine.Reopen(_ => false);
        return (engine.Spec ?? spec, engine.Status());
    }
}
