using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt;

/// <summary>
/// A study that a command reads: a folder of this machine, or what a cluster has told of one so far, which is fetched for as long as the command needs
/// it (the trials that have ended, not their runs).
/// </summary>
internal sealed class StudySource : IDisposable
{
    private readonly DirectoryInfo? _fetched;

    private StudySource(string path, DirectoryInfo? fetched) => (Path, _fetched) = (path, fetched);

    /// <summary>As <see cref="StudyDirectoryReader.Open"/> takes it.</summary>
    public string Path { get; }

    /// <summary>Whether it goes away with this.</summary>
    public bool IsFetched => _fetched is not null;

    /// <param name="study">A folder, the name of one below studies/, or the id of a study on the cluster.</param>
    /// <param name="cluster">Address of a cluster; null = the environment's, where the study is not run here: see <see cref="StudyPlace"/>.</param>
    /// <exception cref="SpecException">The cluster does not know it or cannot be asked.</exception>
    public static async Task<StudySource> OpenAsync(CommandInvocation invocation, string study, string? cluster)
    {
        var console = invocation.Console;
        if (!StudyPlace.IsOfCluster(study, cluster, console)) return new StudySource(study, null);
        using var client = ClusterClient.Open(cluster, console);
        using (var found = await client.JobAsync(study, invocation.Interrupt).ConfigureAwait(false))
        {
            if (!StudyStatusText.IsStudy(found.RootElement))
                throw new SpecException("study", $"'{study}' is a job of the cluster and no study; for a job, 'distopt download {study}' first and name its folder");
        }
        var fetched = System.IO.Directory.CreateTempSubdirectory("distopt-study-");
        var source = new StudySource(System.IO.Path.Combine(fetched.FullName, study), fetched);
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

    public void Dispose() => _fetched?.Delete(recursive: true);

    private async Task<int> FetchAsync(ClusterClient client, string study, Func<string, bool> isMeant, CancellationToken ct)
    {
        var files = (await client.FilesAsync(study, ct).ConfigureAwait(false)).Where(f => isMeant(f.Path)).ToList();
        foreach (var file in files) await DownloadCommand.FetchAsync(client, study, file, "", Path, ct).ConfigureAwait(false);
        return files.Count;
    }
}
