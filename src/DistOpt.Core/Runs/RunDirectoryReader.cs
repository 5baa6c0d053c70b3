using System.Text.Json;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Runs;

/// <summary>Reads a run directory, finished or still being written.</summary>
public sealed class RunDirectoryReader
{
    private RunDirectoryReader(RunDirectory directory) => Directory = directory;

    public RunDirectory Directory { get; }

    /// <summary>Finds a run by its path, or by its name, id, or the end of its id below <paramref name="root"/>.</summary>
    /// <param name="run">A path such as <c>runs/digits-mlp-20260124-153012-4f2a</c>, or <c>20260124-153012-4f2a</c>, or <c>4f2a</c>.</param>
    /// <exception cref="SpecException">No such run, several of them, or a folder that is no run.</exception>
    public static RunDirectoryReader Open(string run, string root = RunDirectory.DefaultRoot)
    {
        if (System.IO.Directory.Exists(run)) return Checked(run);
        if (System.IO.Directory.Exists(root) && run.Length > 0 && run.AsSpan().IndexOfAny('/', '\\') < 0)
        {
            string[] found = [.. System.IO.Directory.EnumerateDirectories(root).Where(d => Matches(Path.GetFileName(d), run)).Order(StringComparer.Ordinal)];
            if (found.Length == 1) return Checked(found[0]);
            if (found.Length > 1)
                throw new SpecException("", $"'{run}' is one of {found.Length} runs; name one of: {string.Join(", ", found.Take(10))}");
        }
        throw new SpecException("", $"run '{run}' does not exist; give its folder (such as {root}/<name>-<id>) or its id below {root}/");
    }

    /// <summary>Whether <see cref="Open"/> finds one run of this name.</summary>
    public static bool IsRun(string run, string root = RunDirectory.DefaultRoot)
    {
        try
        {
            Open(run, root);
            return true;
        }
        catch (SpecException)
        {
            return false; // whoever wants to know why opens it
        }
    }

    /// <summary>The resolved spec as YAML text.</summary>
    public string SpecText() => File.ReadAllText(Directory.SpecFile);

    /// <summary>The summary, or null while the run goes on (or when it died).</summary>
    /// <exception cref="SpecException">The file is damaged.</exception>
    public RunSummary? Summary()
    {
        if (!File.Exists(Directory.SummaryFile)) return null;
        try
        {
            return RunJson.ParseSummary(File.ReadAllText(Directory.SummaryFile));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            throw new SpecException(Directory.SummaryFile, $"is damaged: {e.Message}");
        }
    }

    /// <summary>Id of the job whose checkpoints are on shared storage; null where they are in the run directory.</summary>
    public string? SharedJob() => File.Exists(Directory.SharedJobFile) ? File.ReadAllText(Directory.SharedJobFile).Trim() : null;

    /// <summary>All metric rows so far. A last line without its end is being written and is left out.</summary>
    /// <exception cref="SpecException">A line is damaged; the message names it.</exception>
    public IEnumerable<MetricRow> Rows() => Lines(Directory.MetricsFile, RunJson.ParseRow);

    /// <summary>All log lines so far; see <see cref="Rows"/>.</summary>
    /// <exception cref="SpecException">A line is damaged; the message names it.</exception>
    public IEnumerable<LogLine> Logs() => Lines(Directory.LogFile, RunJson.ParseLogLine);

    private static bool Matches(string folder, string run) =>
        folder == run || folder.EndsWith("-" + run, StringComparison.Ordinal);

    private static RunDirectoryReader Checked(string path)
    {
        var directory = new RunDirectory(path);
        if (!File.Exists(directory.SpecFile))
            throw new SpecException("", $"'{path}' is no run directory: it has no spec.yaml");
        return new RunDirectoryReader(directory);
    }

    /// <summary>The lines of a file that may be written to meanwhile.</summary>
    internal static IEnumerable<T> Lines<T>(string path, Func<string, T> parse)
    {
        if (!File.Exists(path)) yield break;
        string text;
        using (var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete))
        using (var reader = new StreamReader(stream))
            text = reader.ReadToEnd();
        int begin = 0;
        for (int number = 1; text.IndexOf('\n', begin) is var end and >= 0; number++, begin = end + 1)
        {
            if (end == begin) continue;
            yield return Parsed(path, number, text[begin..end], parse);
        }
    }

    /// <summary>Lines that were read before.</summary>
    /// <inheritdoc cref="Lines"/>
    internal static IEnumerable<T> Parsed<T>(string path, IEnumerable<string> lines, Func<string, T> parse) =>
        lines.Select((line, i) => Parsed(path, i + 1, line, parse));

    private static T Parsed<T>(string path, int number, string line, Func<string, T> parse)
    {
        try
        {
            return parse(line);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or IndexOutOfRangeException or SpecException)
        {
            throw new SpecException(path, $"line {number} is damaged: {e.Message}");
        }
    }
}
