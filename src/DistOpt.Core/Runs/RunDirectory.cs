using System.Globalization;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Runs;

/// <summary>
/// The paths of one run's files (DESIGN section 7). Planning checks that the place is free and creates nothing, so bad input leaves no
/// directory behind; <see cref="Create"/> is called when the job really starts.
/// </summary>
public sealed class RunDirectory
{
    internal const string LogName = "log.jsonl";

    /// <summary>Folder that holds run directories unless <c>--out</c> says otherwise, below the current one.</summary>
    public const string DefaultRoot = "runs";

    public RunDirectory(string path) => Path = path;

    /// <summary>The directory as the user named it, or <c>runs/&lt;name&gt;-&lt;id&gt;</c>.</summary>
    public string Path { get; }

    public string SpecFile => In("spec.yaml");

    public string MetricsFile => In("metrics.jsonl");

    public string LogFile => In(LogName);

    public string SummaryFile => In("summary.json");

    /// <summary>The selected weights.</summary>
    public string ModelFile => In("model.safetensors");

    public string LastModelFile => In("last.safetensors");

    /// <summary>The running average of the last step; absent where weights are not averaged, or none had entered the average.</summary>
    public string LastAverageFile => In("last-average.safetensors");

    /// <summary>Where <c>evaluate.metrics</c> has confusion-matrix: of the selected weights, on the test part or else the validation part.</summary>
    public string ConfusionFile => In("confusion.csv");

    public string InferenceFile => In("inference.json");

    /// <summary>Folder of the run's checkpoints.</summary>
    public string CheckpointFolder => In(Checkpoints.CheckpointStore.FolderName);

    /// <summary>Names the job whose checkpoints are on shared storage, which is how they are found again; absent where they are here.</summary>
    public string SharedJobFile => System.IO.Path.Combine(CheckpointFolder, "shared-job.txt");

    /// <summary>Held open by the process that writes the run, so that no two do.</summary>
    public string LockFile => In(".lock");

    /// <summary>An id that sorts by time: UTC to the second and 16 random bits, as in <c>20260124-153012-4f2a</c>.</summary>
    public static string NewId(DateTimeOffset now, ushort random) =>
        now.UtcDateTime.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture) + "-" + random.ToString("x4", CultureInfo.InvariantCulture);

    /// <summary>The directory of a new run; checks that it can become one.</summary>
    /// <param name="outPath">What the user gave as <c>--out</c>, or null for <c>runs/&lt;name&gt;-&lt;id&gt;</c>.</param>
    /// <param name="name">The spec's name.</param>
    /// <param name="id">See <see cref="NewId"/>.</param>
    /// <param name="root">Where run directories go when the user names none.</param>
    /// <exception cref="SpecException">The path is a file, or a directory that is not empty.</exception>
    public static RunDirectory Plan(string? outPath, string name, string id, string root = DefaultRoot)
    {
        if (outPath is not null && string.IsNullOrWhiteSpace(outPath))
            throw new SpecException("--out", "the path is empty; name a folder, or leave --out away for runs/<name>-<id>");
        string path = outPath ?? System.IO.Path.Combine(root, $"{name}-{id}");
        if (File.Exists(path))
            throw new SpecException("--out", $"'{path}' is a file; name a folder that does not exist yet or is empty");
        if (Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any())
        {
            throw new SpecException("--out",
                $"'{path}' is not empty; name another folder (to go on with what was interrupted there, use --resume instead of --out)");
        }
        return new RunDirectory(path);
    }

    public void Create() => Directory.CreateDirectory(Path);

    /// <summary>Makes this process the writer of the run, until the result is disposed. The directory exists.</summary>
    /// <exception cref="SpecException">Another process writes it.</exception>
    public IDisposable Lock()
    {
        try
        {
            return new FileStream(LockFile, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (IOException e) when (e is not (DirectoryNotFoundException or PathTooLongException))
        {
            throw new SpecException("--resume", $"'{Path}' is being written by another process; wait for its end, or stop it");
        }
    }

    private string In(string file) => System.IO.Path.Combine(Path, file);
}
