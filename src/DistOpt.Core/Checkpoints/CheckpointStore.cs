using System.Globalization;
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
/// One writer at a time; on shared storage servers write the files, and one coordinator completes them.
/// </summary>
/// <param name="directory">Folder of the checkpoints; made when the first one is written, unless it is shared.</param>
/// <param name="fault">For tests: called before every operation on the disk with its name; what it throws ends the writer there.</param>
/// <param name="isShared">
/// Whether the folder is one that several machines see: it is never made here, since where it is missing it is not mounted; and nothing is removed that
/// could be a later coordinator's.
/// </param>
public sealed class CheckpointStore(string directory, Action<string>? fault = null, bool isShared = false)
{
    private const string Prefix = "step-";
    private const string Unfinished = ".unfinished-";
    private const string Discarded = ".discarded-";

    /// <summary>Folder of a run's checkpoints within its run directory.</summary>
    public const string FolderName = "checkpoints";

    public string Directory { get; } = directory;

    public string PathOf(long step) => Path.Combine(Directory, Prefix + step.ToString("D12", CultureInfo.InvariantCulture));

    /// <summary>Folder of a job's checkpoints on shared storage: one for each job, named by its id.</summary>
    /// <param name="path"><c>storage.path</c>.</param>
    public static string SharedFolder(string path, string job) => Path.Combine(path, Uri.EscapeDataString(job));

    /// <summary>The checkpoints of a job on shared storage.</summary>
    /// <param name="path"><c>storage.path</c>.</param>
    public static CheckpointStore Shared(string path, string job) => new(SharedFolder(path, job), isShared: true);

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
    public CheckpointDraft Begin(int jobEpoch, long step, StateLayout layout)
    {
        At("create the folder");
        if (!isShared) System.IO.Directory.CreateDirectory(Directory);
        CheckShared();
        string path = UnfinishedPathOf(jobEpoch, step);
        RemoveLeftOvers(isShared ? (jobEpoch, step) : (int.MaxValue, 0), except: path);
        System.IO.Directory.CreateDirectory(path);
        return new CheckpointDraft(this, path, layout);
    }

    /// <summary>Begins a server's part of a checkpoint on shared storage.</summary>
    /// <exception cref="DirectoryNotFoundException">The job's folder is not there.</exception>
    public CheckpointSlices BeginSlices(int jobEpoch, long step, StateLayout layout)
    {
        CheckShared();
        string path = UnfinishedPathOf(jobEpoch, step);
        At("create the unfinished folder");
        System.IO.Directory.CreateDirectory(path);
        return new CheckpointSlices(this, path, layout);
    }

    /// <summary>Removes what former writers left unfinished, where it is known that none of them writes any more.</summary>
    public void RemoveLeftOvers() => RemoveLeftOvers((int.MaxValue, 0), except: null);

    /// <exception cref="DirectoryNotFoundException">It is to be shared and is not there.</exception>
    public void CheckShared()
    {
        if (isShared && !System.IO.Directory.Exists(Directory)) throw new DirectoryNotFoundException($"'{Directory}' is not there: is the shared folder mounted?");
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
    /// that was given up because they are not sound. On shared storage later ones that are sound stay: they are those of another coordinator, which has
    /// taken this one's place.
    /// </summary>
    public void Prune(long newest, int keep)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(keep, 1);
        var steps = Steps();
        var later = steps.Where(s => s > newest && !(isShared && IsSound(PathOf(s))));
        foreach (long step in later.Concat(steps.Where(s => s <= newest).Skip(keep))) Discard(PathOf(step));
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

    /// <param name="before">Job epoch and step: what is not before them stays, since servers may write to it.</param>
    private void RemoveLeftOvers((int Epoch, long Step) before, string? except)
    {
        foreach (string path in System.IO.Directory.EnumerateDirectories(Directory, ".*").ToList())
        {
            string name = Path.GetFileName(path);
            if (path == except || !(name.StartsWith(Unfinished, StringComparison.Ordinal) || name.StartsWith(Discarded, StringComparison.Ordinal))) continue;
            if (PlaceOf(name).CompareTo(before) >= 0) continue;
            At("delete what was left over");
            System.IO.Directory.Delete(path, recursive: true);
        }
    }

    /// <summary>Job epoch and step of an unfinished checkpoint; 0 where the name tells none.</summary>
    private static (int Epoch, long Step) PlaceOf(string name)
    {
        if (!name.StartsWith(Unfinished, StringComparison.Ordinal)) return default;
        var rest = name.AsSpan(Unfinished.Length);
        int end = rest.IndexOf('-');
        return end > 0 && int.TryParse(rest[..end], NumberStyles.None, CultureInfo.InvariantCulture, out int epoch)
            && long.TryParse(rest[(end + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out long step) ? (epoch, step) : default;
    }
}
