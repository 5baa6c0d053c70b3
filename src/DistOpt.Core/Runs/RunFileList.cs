namespace DistOpt.Core.Runs;

/// <summary>A file of a run directory.</summary>
/// <param name="Path">Relative to the directory, with '/'.</param>
public sealed record RunFile(string Path, long Bytes);

/// <summary>What of a run directory can be handed on: all of it but the checkpoints, which only a run that goes on needs.</summary>
public static class RunFileList
{
    /// <summary>The files that a prediction or another training needs: the selected weights and what they mean.</summary>
    public static bool IsOfBest(string path) => path is "model.safetensors" or "inference.json" or "spec.yaml" or "summary.json";

    /// <param name="directory">A run directory; one that does not exist yet has no files.</param>
    public static IReadOnlyList<RunFile> Of(string directory)
    {
        var root = new DirectoryInfo(directory);
        if (!root.Exists) return [];
        return [.. root.EnumerateFiles().Where(f => f.LinkTarget is null && f.Name[0] != '.' && !f.Name.EndsWith(".tmp", StringComparison.Ordinal))
            .Select(f => new RunFile(f.Name, f.Length)).OrderBy(f => f.Path, StringComparer.Ordinal)];
    }
}
