using System.Text.Json;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Hosting.Journal;

namespace DistOpt;

/// <summary>
/// A study that a command reads: a folder of this machine, the journal of a study over a function, or what a cluster has told of one so far, which is
/// fetched for as long as the command needs it (the trials that have ended, not their runs).
/// </summary>
internal sealed class StudySource : IDisposable
{
    private readonly DirectoryInfo? _fetched;

    /// <summary>Of one of a cluster: whether more may become of it.</summary>
    private readonly bool _isLive;

    /// <summary>Of one that has a folder.</summary>
    private StudyDirectory? _directory;

    private StudySource(string path, DirectoryInfo? fetched, bool isLive = false) => (Path, _fetched, _isLive) = (path, fetched, isLive);

    /// <summary>A folder, or a file; once it was read where it is.</summary>
    public string Path { get; private set; }

    /// <summary>Whether it goes away with this.</summary>
    public bool IsFetched => _fetched is not null;

    /// <summary>Whether a file is a journal of studies, be it of one that can be read by itself or not.</summary>
    public static bool IsJournal(string path) => FunctionStudyFile.IsOne(path) || FunctionStudyFile.IsJournal(path);

    /// <param name="study">A folder, the name of one below studies/, the journal of a study over a function, or the id of a study on the cluster.</param>
    /// <param name="cluster">Address of a cluster; null = the environment's, where the study is not run here: see <see cref="StudyPlace"/>.</param>
    /// <exception cref="SpecException">The cluster does not know it or cannot be asked.</exception>
    public static async Task<StudySource> OpenAsync(CommandInvocation invocation, string study, string? cluster)
    {
        var console = invocation.Console;
        if (!StudyPlace.IsOfCluster(study, cluster, console)) return new StudySource(study, null);
        using var client = ClusterClient.Open(cluster, console);
        bool isLive;
        using (var found = await client.JobAsync(study, invocation.Interrupt).ConfigureAwait(false))
        {
            if (!StudyStatusText.IsStudy(found.RootElement))
                throw new SpecException("study", $"'{study}' is a job of the cluster and no study; for a job, 'distopt download {study}' first and name its folder");
            isLive = found.RootElement.GetProperty("status").GetString() is not ("completed" or "failed" or "cancelled");
        }
        var fetched = System.IO.Directory.CreateTempSubdirectory("distopt-study-");
        var source = new StudySource(System.IO.Path.Combine(fetched.FullName, study), fetched, isLive);
        try
        {
            // trials first: the space of one is written before it
            await source.FetchAsync(client, study, StudyDirectory.IsOfTrials, invocation.Interrupt).ConfigureAwait(false);
            if (await source.FetchAsync(client, study, StudyDirectory.IsOfSpec, invocation.Interrupt).ConfigureAwait(false) == 0)
                throw new SpecException("study", $"'{study}' has no files yet; try again once it has begun");
            return source;
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>The study with its trials: also those that have not ended, where its journal is here.</summary>
    /// <exception cref="SpecException">There is no study, or a file of it is damaged.</exception>
    public StudyReading Read(CommandInvocation invocation)
    {
        if (!IsFetched && File.Exists(Path))
        {
            var (declared, events) = StudyFiles.FunctionFile(Path, "study");
            return StudyReading.Of(System.IO.Path.GetFileNameWithoutExtension(Path), declared, events);
        }
        var study = StudyDirectoryReader.Open(Path, SpecFiles.Binder(invocation.App), invocation.Console.StudiesRoot,
            d => d.IsOfHere ? StudyJournalFile.Read(d.JournalFile, d.Name, "study").Select(e => e.Event) : []);
        (_directory, Path) = (study.Directory, study.Directory.Path);
        return study.Reading with { Brackets = StudySetup.Of(study.Spec, SpecFiles.Catalogs(invocation.App)).Brackets };
    }

    /// <summary>Where pictures of it go, if nobody says where: in the study's folder, beside a journal or to where the study would be downloaded.</summary>
    /// <param name="studies">Where studies are.</param>
    public string PlotFolder(string studies)
    {
        const string plots = "plots";
        if (IsFetched) return System.IO.Path.Combine(studies, $"{System.IO.Path.GetFileName(Path)}-{plots}");
        return _directory is not null ? System.IO.Path.Combine(Path, plots)
            : System.IO.Path.Combine(System.IO.Path.GetDirectoryName(Path)!, $"{System.IO.Path.GetFileNameWithoutExtension(Path)}-{plots}");
    }

    /// <summary>What a person is to be told of trials that have not ended; null = there are none.</summary>
    /// <param name="study">As <see cref="Read"/> gave it.</param>
    public string? NoteOf(StudyReading study)
    {
        if (study.NotEnded is not { } open)
        {
            bool mayHave = IsFetched ? _isLive : _directory is { IsOfHere: false } copy && !File.Exists(copy.SummaryFile);
            return !mayHave ? null : IsFetched ? "trials that are paused or running are not told: the study has not been opened, or is just ending"
                : "trials that are paused or running are not told: the study's folder has no journal, only those that have ended";
        }
        if (open.IsEmpty) return null;
        int paused = open.Count(t => t.State == TrialState.Paused);
        (int Count, string Name)[] kinds = [(paused, "paused"), (open.Length - paused, "under way")];
        string states = string.Join(", ", kinds.Where(k => k.Count > 0).Select(k => $"{Format.Count(k.Count)} {k.Name}"));
        return $"{Format.Plural(open.Length, "trial")} ha{(open.Length == 1 ? "s" : "ve")} not ended ({states}): where trials are compared at a step, what such a one reported there counts";
    }

    /// <summary>The field <c>not_ended</c>: how many trials are paused and how many under way; null where that is not known.</summary>
    public static void WriteNotEnded(Utf8JsonWriter json, StudyReading study)
    {
        if (study.NotEnded is not { } open)
        {
            json.WriteNull("not_ended");
            return;
        }
        int paused = open.Count(t => t.State == TrialState.Paused);
        json.WriteStartObject("not_ended");
        json.WriteNumber("paused", paused);
        json.WriteNumber("under_way", open.Length - paused);
        json.WriteEndObject();
    }

    public void Dispose() => _fetched?.Delete(recursive: true);

    private async Task<int> FetchAsync(ClusterClient client, string study, Func<string, bool> isMeant, CancellationToken ct)
    {
        // a study that ends meanwhile has no file of trials that have not
        var files = (await client.FilesAsync(study, ct).ConfigureAwait(false)).Where(f => isMeant(f.Path)).ToList();
        int fetched = 0;
        foreach (var file in files)
            if (await DownloadCommand.FetchAsync(client, study, file, "", Path, ct).ConfigureAwait(false)) fetched++;
        return fetched;
    }
}
