using System.Globalization;
using DistOpt.Core.Parameters;
using DistOpt.Core.Runs;

namespace DistOpt.Core.Checkpoints;

/// <summary>A checkpoint that could not be used, and why.</summary>
public sealed record SkippedCheckpoint(string Path, string Reason)
{
    public override string ToString() => $"checkpoint {Path} is skipped: {Reason}";
}

/// <summary>
/// The checkpoints of one run: directories <c>step-N</c> in one folder. A checkpoint is written under another name and renamed once it is
/// complete and on the disk, so that whatever dies at whatever moment, a directory of that name is complete or is found to be altered.
/// One writer at a time.
/// </summary>
/// <param name="directory">Folder of the checkpoints; made when the first one is written.</param>
/// <param name="fault">For tests: called before every operation on the disk with its name; what it throws ends the writer there.</param>
public sealed class CheckpointStore(string directory, Action<string>? fault = null)
{
    private const string Prefix = "step-";
    private const string Unfinished = ".unfinished-";
    private const string Discarded = ".discarded-";

    /// <summary>Folder of a run's checkpoints within its run directory.</summary>
    public const string FolderName = "checkpoints";

    public string Directory { get; } = directory;

    public string PathOf(long step) => Path.Combine(Directory, Prefix + step.ToString("D12", CultureInfo.InvariantCulture));

    /// <summary>Where a checkpoint of a step is gathered before it is complete; with shared storage every server writes there.</summary>
    public string UnfinishedPathOf(int jobEpoch, long step) =>
        Path.Combine(Directory, string.Create(CultureInfo.InvariantCulture, $"{Unfinished}{jobEpoch}-{step:D12}"));

    /// <summary>Steps of which there is a checkpoint, the newest first; whether they are sound is found out when they are opened.</summary>
    public IReadOnlyList<long> Steps()
    {
        if (!System.IO.Directory.Exists(Directory)) return [];
        return [.. System.IO.Directory.EnumerateDirectories(Directory, Prefix + "*")
            .Select(d => long.TryParse(Path.GetFileName(d).AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out long step) ? step : -1)
            .Where(step => step >= 0).OrderDescending()];
    }

    /// <summary>Opens the newest checkpoint that is sound.</summary>
    /// <param name="skipped">Receives the newer ones that are not, with the reasons.</param>
    /// <returns>Null where none is left.</returns>
    public Checkpoint? OpenNewest(ICollection<SkippedCheckpoint> skipped)
    {
        foreach (long step in Steps())
        {
            try
            {
                var checkpoint = Checkpoint.Open(PathOf(step));
                if (checkpoint.Step == step) return checkpoint;
                skipped.Add(new SkippedCheckpoint(checkpoint.Path, $"it holds step {checkpoint.Step}"));
                checkpoint.Dispose();
            }
            catch (Exception e) when (e is InvalidDataException or IOException or UnauthorizedAccessException)
            {
                skipped.Add(new SkippedCheckpoint(PathOf(step), e.Message));
            }
        }
        return null;
    }

    /// <summary>Begins a checkpoint. What an earlier writer left unfinished is removed.</summary>
    /// <param name="slots">Names of the optimizer's slots.</param>
    public CheckpointDraft Begin(int jobEpoch, long step, ParameterLayout layout, IReadOnlyList<string> slots)
    {
        At("create the folder");
        System.IO.Directory.CreateDirectory(Directory);
        string path = UnfinishedPathOf(jobEpoch, step);
        RemoveLeftOvers(except: path);
        System.IO.Directory.CreateDirectory(path);
        return new CheckpointDraft(this, path, layout, slots);
    }

    internal void At(string operation) => fault?.Invoke(operation);

    /// <summary>Puts a complete directory in its place. A sound one that is there already is the same state and stays.</summary>
    internal string Commit(string unfinished, long step)
    {
        string target = PathOf(step);
        if (System.IO.Directory.Exists(target))
        {
            if (IsSound(target))
            {
                Discard(unfinished);
                return target;
            }
            Discard(target);
        }
        At("rename into place");
        System.IO.Directory.Move(unfinished, target);
        At("flush the folder");
        AtomicFile.FlushDirectory(Directory);
        return target;
    }

    /// <summary>
    /// Removes all but the newest <paramref name="keep"/> checkpoints up to a step, and those of later steps: they belong to a course
    /// that was given up because they are not sound.
    /// </summary>
    public void Prune(long newest, int keep)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(keep, 1);
        var steps = Steps();
        foreach (long step in steps.Where(s => s > newest).Concat(steps.Where(s => s <= newest).Skip(keep))) Discard(PathOf(step));
    }

    private static bool IsSound(string path)
    {
        try
        {
            Checkpoint.Open(path).Dispose();
            return true;
        }
        catch (Exception e) when (e is InvalidDataException or IOException)
        {
            return false; // it is about to be replaced
        }
    }

    private void Discard(string path)
    {
        At("rename to discard");
        string aside = Path.Combine(Directory, Discarded + Path.GetFileName(path));
        if (System.IO.Directory.Exists(aside)) System.IO.Directory.Delete(aside, recursive: true);
        System.IO.Directory.Move(path, aside);
        At("delete");
        System.IO.Directory.Delete(aside, recursive: true);
    }

    private void RemoveLeftOvers(string except)
    {
        foreach (string path in System.IO.Directory.EnumerateDirectories(Directory, ".*").ToList())
        {
            string name = Path.GetFileName(path);
            if (path == except || !(name.StartsWith(Unfinished, StringComparison.Ordinal) || name.StartsWith(Discarded, StringComparison.Ordinal))) continue;
            At("delete what was left over");
            System.IO.Directory.Delete(path, recursive: true);
        }
    }
}
