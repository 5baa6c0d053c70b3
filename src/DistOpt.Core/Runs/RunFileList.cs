using System.Globalization;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Runs;

/// <summary>A file of a run directory.</summary>
/// <param name="Path">Relative to the directory, with '/'.</param>
public sealed record RunFile(string Path, long Bytes);

/// <summary>What of a run directory can be handed on: all of it but the checkpoints, which only a run that goes on needs.</summary>
public static class RunFileList
{
    /// <summary>The selected weights.</summary>
    public const string Model = "model.safetensors";

    private const string BestName = "best", FrontName = "front";

    /// <summary>The files that a prediction or another training needs: the selected weights and what they mean.</summary>
    public static bool IsOfBest(string path) => path is Model or "inference.json" or "spec.yaml" or "summary.json";

    /// <summary>The files of a study: its own, those of its best trial or its front, and those of all trials' runs.</summary>
    /// <param name="directory">A study directory; one that does not exist yet has no files.</param>
    public static IReadOnlyList<RunFile> OfStudy(string directory)
    {
        var study = new StudyDirectory(directory);
        var files = new List<RunFile>(Of(directory));
        AddBelow(study.BestFolder, BestName);
        AddBelow(study.FrontFolder, FrontName);
        string trials = Path.Combine(directory, StudyDirectory.TrialsFolder);
        if (!Directory.Exists(trials)) return files;
        foreach (string trial in Directory.GetDirectories(trials).OrderBy(t => t, StringComparer.Ordinal))
        {
            string name = $"{StudyDirectory.TrialsFolder}/{Path.GetFileName(trial)}";
            AddBelow(trial, name);
            foreach (string repeat in Directory.GetDirectories(trial, StudyDirectory.RepeatPrefix + "*").OrderBy(r => r, StringComparer.Ordinal))
                AddBelow(repeat, $"{name}/{Path.GetFileName(repeat)}");
        }
        return files;

        void AddBelow(string folder, string name) => files.AddRange(Of(folder).Select(f => f with { Path = $"{name}/{f.Path}" }));
    }

    /// <summary>Whether a list of files has this one: only its own folder is looked at.</summary>
    /// <param name="directory">A study directory or run directory.</param>
    /// <param name="path">As the list has it.</param>
    /// <param name="isStudy">Whether it is a study's (<see cref="OfStudy"/>).</param>
    public static bool Has(string directory, string path, bool isStudy)
    {
        ArgumentNullException.ThrowIfNull(path);
        int end = path.LastIndexOf('/');
        if (end < 0) return Of(directory).Any(f => f.Path == path);
        string[] folders = path[..end].Split('/');
        bool isOfStudy = isStudy && folders switch
        {
            [BestName or FrontName] => true,
            [StudyDirectory.TrialsFolder, var trial] => IsName(trial),
            [StudyDirectory.TrialsFolder, var trial, var repeat] => IsName(trial) && IsName(repeat)
                && repeat.StartsWith(StudyDirectory.RepeatPrefix, StringComparison.Ordinal),
            _ => false,
        };
        return isOfStudy && Of(Path.Combine([directory, .. folders])).Any(f => f.Path == path[(end + 1)..]);
    }

    /// <summary>Of a folder in this one.</summary>
    private static bool IsName(string name) => name.Length > 0 && name[0] != '.' && Path.GetFileName(name) == name;

    /// <summary>The trial and the repeat whose log a file of a study is; null where it is another file, or the log of the best one's copy.</summary>
    /// <param name="path">As <see cref="OfStudy"/> has it.</param>
    public static (int Trial, int Repeat)? TrialOfLog(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        string[] parts = path.Split('/');
        if (parts[0] != StudyDirectory.TrialsFolder || parts[^1] != RunDirectory.LogName || parts.Length is not (3 or 4)) return null;
        if (!int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int trial)) return null;
        if (parts.Length == 3) return (trial, 0);
        return parts[2].StartsWith(StudyDirectory.RepeatPrefix, StringComparison.Ordinal)
            && int.TryParse(parts[2].AsSpan(StudyDirectory.RepeatPrefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int repeat)
            ? (trial, repeat) : null;
    }

    /// <param name="directory">A run directory; one that does not exist yet has no files.</param>
    public static IReadOnlyList<RunFile> Of(string directory)
    {
        var root = new DirectoryInfo(directory);
        if (!root.Exists) return [];
        return [.. root.EnumerateFiles().Where(f => f.LinkTarget is null && f.Name[0] != '.' && !f.Name.EndsWith(".tmp", StringComparison.Ordinal))
            .Select(f => new RunFile(f.Name, f.Length)).OrderBy(f => f.Path, StringComparer.Ordinal)];
    }
}
