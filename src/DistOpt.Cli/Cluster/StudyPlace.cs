using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt;

/// <summary>
/// Which study a command means: a path is a folder of this machine. A bare name is a study that has been run here (its folder has a journal); else, where a
/// cluster is named, the id of one there, whatever copy of it lies here; else the copy.
/// </summary>
internal static class StudyPlace
{
    /// <summary>Whether a folder is meant and no id.</summary>
    public static bool IsPath(string name) => name is "." or ".." || name.AsSpan().IndexOfAny('/', '\\') >= 0;

    /// <summary>The directory of a study on this machine; null where the name is none of one.</summary>
    /// <param name="name">Its path, or its folder's name below the studies.</param>
    /// <param name="console">Where studies are.</param>
    public static StudyDirectory? FindHere(string name, AppConsole console)
    {
        try
        {
            return StudyDirectory.Find(name, console.StudiesRoot);
        }
        catch (SpecException)
        {
            return null; // then it is something else, or the cluster knows it
        }
    }

    /// <summary>Whether a cluster is to be asked: not where the name is a folder's or a file's, such as a journal.</summary>
    /// <param name="name">What was typed.</param>
    /// <param name="cluster">Address of a cluster, which is always asked; null = the environment's.</param>
    /// <param name="console">Environment, and where studies are.</param>
    public static bool IsOfCluster(string name, string? cluster, AppConsole console) => cluster is not null
        || (console.Environment(ClusterClient.UrlVariable) is { Length: > 0 } && !IsPath(name) && !File.Exists(name)
            && FindHere(name, console) is not { IsOfHere: true });

    /// <summary>The study's directory where a process of this machine may run it; null where a cluster is to be asked.</summary>
    /// <param name="option">What errors call it.</param>
    /// <inheritdoc cref="IsOfCluster"/>
    /// <exception cref="SpecException">It is a copy, which nobody runs, or a path that is no study.</exception>
    public static StudyDirectory? RunHere(string name, string? cluster, AppConsole console, string option)
    {
        if (IsOfCluster(name, cluster, console)) return null;
        var found = IsPath(name) ? StudyDirectory.Find(name, console.StudiesRoot, option) : FindHere(name, console);
        if (found is null or { IsOfHere: true }) return found;
        throw new SpecException(option, $"'{found.Path}' is a copy of a study on a cluster, which nobody runs here: {AskCluster(found)}");
    }

    /// <summary>How to reach the study of which there is a copy here.</summary>
    public static string AskCluster(StudyDirectory copy) =>
        $"name the study by its id, such as {copy.Name}, and the cluster by {ClusterClient.UrlVariable} or --cluster";
}
