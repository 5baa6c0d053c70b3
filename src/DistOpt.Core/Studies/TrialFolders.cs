using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Training;

namespace DistOpt.Core.Studies;

/// <summary>What an attempt at a trial begins from.</summary>
/// <param name="Spec">The trial's resolved spec.</param>
/// <param name="Directory">Its run directory.</param>
/// <param name="Resumes">Whether it goes on from the newest checkpoint there.</param>
/// <param name="IsOfAnother">Whether that may be one of another spec.</param>
/// <param name="Rows">Rows of the run up to there, and maybe beyond.</param>
public sealed record TrialStart(TrainingSpec Spec, RunDirectory Directory, bool Resumes, bool IsOfAnother, IReadOnlyList<MetricRow> Rows)
{
    /// <summary>Parameters of the space that may change of what a state consists: those of the model, of the optimizer and of the average.</summary>
    public ImmutableArray<string> Structural { get; init; } = [];

    /// <summary>What is wrong with the spec, as the study's file has it.</summary>
    public Func<SpecException, SpecException> Blamed { get; init; } = e => e;
}

/// <summary>
/// The files of a study's trials: run directories, and states from which trials go on. An attempt whose like was interrupted goes on from the newest sound
/// checkpoint that one has left in the run directory; every other one from the state that the study names, or from nothing. A state is a checkpoint with
/// the rows that led to it, which a run directory takes over with it, so that its rows are those of the weights that it has. Whenever the process
/// is killed, nothing that is half done is taken for whole.
/// </summary>
public sealed class TrialFolders(StudyDirectory study, TrialSpecs specs)
{
    private const string OriginFile = "attempt.txt";
    private const string NodesFile = "nodes.txt";
    private const string Unfinished = ".tmp";
    private const string Replaced = ".old";
    private const string Gone = ".gone";

    /// <exception cref="SpecException">The parameters do not go together, or a state cannot be read.</exception>
    public TrialStart Open(TrialOrder order)
    {
        ArgumentNullException.ThrowIfNull(order);
        int number = order.Id.Trial;
        var own = order.Study is { } over ? specs.Over(over) : specs;
        var spec = own.Of(number, order.Parameters.AsSpan(), order.Repeat);
        var directory = new RunDirectory(study.RunFolder(number, order.Repeat));
        var store = new CheckpointStore(directory.CheckpointFolder);
        string origin = Origin(order, spec), originFile = Path.Combine(directory.Path, OriginFile);
        Directory.CreateDirectory(directory.Path);
        string? before = File.Exists(originFile) ? File.ReadAllText(originFile) : null;
        bool goesOn = before == origin && HasSound(store);
        if (!goesOn && order is { From: { } from, MayBeginAnew: true } && from.Trial == number && !HasState(from))
        {
            // its deletion was stored no more, or what was kept is not whole
            order = order with { From = null };
            origin = Origin(order, spec);
            goesOn = before == origin && HasSound(store);
        }
        if (!goesOn)
        {
            // first of all, so that what is prepared half is nobody's
            File.Delete(originFile);
            Prepare(order, directory, store);
            AtomicFile.Write(directory.SpecFile, Encoding.UTF8.GetBytes(SpecWriter.Write(spec)));
            AtomicFile.Write(originFile, Encoding.UTF8.GetBytes(origin));
        }
        bool resumes = goesOn || order.From is not null;
        // also its own state may be one of another spec: its parameters change with the state of another trial, which may be gone by the time that it goes on
        return new TrialStart(spec, directory, resumes, order.From is not null, resumes ? Rows(directory, spec) : [])
        {
            Structural = Structural(),
            Blamed = specs.Study.Blamed,
        };
    }

    /// <summary>Keeps the newest checkpoint of a run that has ended, for trials that may go on from it, in place of what was kept by that name.</summary>
    /// <exception cref="SpecException">The run has left none that is sound.</exception>
    public void Keep(TrialOrder order, TrialCheckpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(order);
        var directory = new RunDirectory(study.RunFolder(order.Id.Trial, order.Repeat));
        var store = new CheckpointStore(directory.CheckpointFolder);
        var skipped = new List<SkippedCheckpoint>();
        using var newest = store.OpenNewest(skipped);
        if (newest is null)
            throw new SpecException("study", $"trial {order.Id.Trial} was to be paused, but has left no checkpoint in '{store.Directory}'{Why(skipped)}");
        string folder = study.StateFolder(checkpoint), unfinished = folder + Unfinished, replaced = folder + Replaced;
        Remove(unfinished);
        Copy(newest.Path, new CheckpointStore(unfinished).PathOf(newest.Step));
        if (File.Exists(directory.MetricsFile)) AtomicFile.Copy(directory.MetricsFile, new RunDirectory(unfinished).MetricsFile);
        if (Directory.Exists(folder))
        {
            Remove(replaced);
            Directory.Move(folder, replaced);
        }
        Directory.Move(unfinished, folder);
        AtomicFile.FlushDirectory(study.StatesFolder);
        Remove(replaced);
    }

    /// <summary>Notes where an attempt runs, beside its files.</summary>
    public void NoteNodes(TrialOrder order, IReadOnlyList<string> nodes)
    {
        ArgumentNullException.ThrowIfNull(order);
        AtomicFile.Write(Path.Combine(study.RunFolder(order.Id.Trial, order.Repeat), NodesFile), Encoding.UTF8.GetBytes(string.Join(',', nodes)));
    }

    /// <summary>Where the latest attempt at a trial's first run ran; null where none has begun.</summary>
    public string? NodesOf(int trial)
    {
        string file = Path.Combine(study.RunFolder(trial), NodesFile);
        return File.Exists(file) ? File.ReadAllText(file) : null;
    }

    /// <summary>Steps of the newest sound checkpoint that one of a trial's runs has left; 0 where there is none.</summary>
    public long Left(int trial, int repeat)
    {
        using var newest = new CheckpointStore(new RunDirectory(study.RunFolder(trial, repeat)).CheckpointFolder).OpenNewest([]);
        return newest?.Step ?? 0;
    }

    /// <summary>Deletes a state that nobody needs.</summary>
    public void Delete(TrialCheckpoint checkpoint)
    {
        string folder = study.StateFolder(checkpoint);
        foreach (string path in (string[])[folder, folder + Unfinished, folder + Replaced]) Remove(path);
    }

    /// <summary>Bytes that a state takes; 0 where there is none.</summary>
    public long Size(TrialCheckpoint checkpoint)
    {
        var folder = new DirectoryInfo(study.StateFolder(checkpoint));
        return folder.Exists ? folder.EnumerateFiles("*", SearchOption.AllDirectories).Sum(f => f.Length) : 0;
    }

    /// <summary>Deletes what a killed process has left: states that the study does not know, and checkpoints of runs that nobody goes on with.</summary>
    /// <param name="known">States that the study knows.</param>
    /// <param name="isDoneWith">Whether nobody goes on with a run of a trial: by the trial's number and the run's.</param>
    public void Sweep(IReadOnlyCollection<TrialCheckpoint> known, Func<int, int, bool> isDoneWith)
    {
        ArgumentNullException.ThrowIfNull(known);
        ArgumentNullException.ThrowIfNull(isDoneWith);
        var folders = known.Select(study.StateFolder).ToHashSet(StringComparer.Ordinal);
        foreach (string folder in Folders(study.StatesFolder))
        {
            bool isReplaced = folder.EndsWith(Replaced, StringComparison.Ordinal) && folders.Contains(folder[..^Replaced.Length]);
            if (!folders.Contains(folder) && !isReplaced) Remove(folder);
        }
        foreach (string folder in Folders(study.RunsFolder))
        {
            if (!int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out int trial)) continue;
            for (int repeat = 0; Directory.Exists(study.RunFolder(trial, repeat)); repeat++)
                if (isDoneWith(trial, repeat)) Trim(trial, repeat);
        }
    }

    /// <summary>Deletes the checkpoints of one of a trial's runs, which has ended or goes on from a state.</summary>
    public void Trim(int trial, int repeat) => Remove(new RunDirectory(study.RunFolder(trial, repeat)).CheckpointFolder);

    private ImmutableArray<string> Structural() => [.. specs.Study.Space.Space.Parameters
        .Where(p => !p.Domain.IsSingle && p.Name.Split('.', '[')[0] is "model" or "optimizer" or "averaging").Select(p => p.Name)];

    private void Prepare(TrialOrder order, RunDirectory directory, CheckpointStore store)
    {
        if (order.From is not { } from)
        {
            Clear(directory.Path);
            return;
        }
        string folder = study.StateFolder(from);
        // killed while it was replaced: the study has not heard of the new one
        if (!Directory.Exists(folder) && Directory.Exists(folder + Replaced)) Directory.Move(folder + Replaced, folder);
        var skipped = new List<SkippedCheckpoint>();
        using var kept = new CheckpointStore(folder).OpenNewest(skipped);
        if (kept is null)
        {
            throw new SpecException("study",
                $"the state of trial {from.Trial} at {from.Resource} is not in '{folder}'{Why(skipped)}: bring it back, or cancel trial {order.Id.Trial}");
        }
        Remove(store.Directory);
        Copy(kept.Path, store.PathOf(kept.Step));
        File.Delete(directory.MetricsFile);
        string rows = new RunDirectory(folder).MetricsFile;
        if (File.Exists(rows)) File.Copy(rows, directory.MetricsFile);
    }

    /// <summary>Of a trial with several runs, the first one's folder holds the others'.</summary>
    private static void Clear(string folder)
    {
        foreach (string file in Directory.GetFiles(folder)) File.Delete(file);
        foreach (string inner in Directory.GetDirectories(folder))
            if (!Path.GetFileName(inner).StartsWith(StudyDirectory.RepeatPrefix, StringComparison.Ordinal)) Directory.Delete(inner, recursive: true);
    }

    private static List<MetricRow> Rows(RunDirectory directory, TrainingSpec spec)
    {
        // without it the directory would be none of a run
        if (!File.Exists(directory.SpecFile)) AtomicFile.Write(directory.SpecFile, Encoding.UTF8.GetBytes(SpecWriter.Write(spec)));
        return [.. RunDirectoryReader.Open(directory.Path).Rows()];
    }

    private bool HasState(TrialCheckpoint checkpoint)
    {
        string folder = study.StateFolder(checkpoint);
        return HasSound(new CheckpointStore(folder)) || HasSound(new CheckpointStore(folder + Replaced));
    }

    private static string[] Folders(string folder) => Directory.Exists(folder) ? Directory.GetDirectories(folder) : [];

    private static bool HasSound(CheckpointStore store)
    {
        using var newest = store.OpenNewest([]);
        return newest is not null;
    }

    private static string Why(List<SkippedCheckpoint> skipped) => skipped.Count == 0 ? "" : $" ({string.Join("; ", skipped)})";

    /// <summary>Attempts with the same one lead over the same states.</summary>
    private static string Origin(TrialOrder order, TrainingSpec spec)
    {
        string from = order.From is { } f ? string.Create(CultureInfo.InvariantCulture, $"{f.Trial} {f.Repeat} {f.Resource}") : "nothing";
        return $"from {from}\nspec {Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(SpecWriter.Write(spec))))}\n";
    }

    private static void Copy(string from, string to)
    {
        string unfinished = to + Unfinished;
        Remove(unfinished);
        Directory.CreateDirectory(unfinished);
        foreach (string file in Directory.GetFiles(from)) AtomicFile.Copy(file, Path.Combine(unfinished, Path.GetFileName(file)));
        Directory.Move(unfinished, to);
        // what it was copied of may be deleted as soon as it is there
        AtomicFile.FlushDirectory(Path.GetDirectoryName(to)!);
    }

    /// <summary>Whoever still writes there, for a run that is over, finds it no more and makes nothing new in what is being deleted.</summary>
    private static void Remove(string folder)
    {
        string gone = folder + Gone;
        if (Directory.Exists(gone)) Directory.Delete(gone, recursive: true);
        if (!Directory.Exists(folder)) return;
        Directory.Move(folder, gone);
        Directory.Delete(gone, recursive: true);
    }
}
