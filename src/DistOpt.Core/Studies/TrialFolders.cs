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
public sealed record TrialStart(TrainingSpec Spec, RunDirectory Directory, bool Resumes, bool IsOfAnother, IReadOnlyList<MetricRow> Rows);

/// <summary>
/// The files of a study's trials: run directories, and states from which trials go on. An attempt whose like was interrupted goes on from the newest checkpoint
/// that one has left in the run directory; every other one from the state that the study names, or from nothing.
/// </summary>
public sealed class TrialFolders(StudyDirectory study, TrialSpecs specs)
{
    private const string OriginFile = "attempt.txt";

    /// <exception cref="SpecException">The parameters do not go together, or a state cannot be read.</exception>
    public TrialStart Open(TrialOrder order)
    {
        ArgumentNullException.ThrowIfNull(order);
        int number = order.Id.Trial;
        var spec = specs.Of(number, order.Parameters.AsSpan(), order.Repeat);
        var directory = new RunDirectory(study.RunFolder(number, order.Repeat));
        var store = new CheckpointStore(directory.CheckpointFolder);
        string origin = Origin(order, spec), originFile = Path.Combine(directory.Path, OriginFile);
        bool goesOn = File.Exists(originFile) && File.ReadAllText(originFile) == origin && HasSound(store);
        if (!goesOn) Prepare(order, directory, store);
        Directory.CreateDirectory(directory.Path);
        AtomicFile.Write(originFile, Encoding.UTF8.GetBytes(origin));
        bool resumes = goesOn || order.From is not null;
        var rows = resumes && File.Exists(directory.SpecFile) ? new List<MetricRow>(RunDirectoryReader.Open(directory.Path).Rows()) : [];
        return new TrialStart(spec, directory, resumes, order.From is { } from && (from.Trial != number || !goesOn), rows);
    }

    /// <summary>Keeps the newest checkpoint of a run that has ended, for trials that may go on from it.</summary>
    /// <exception cref="SpecException">The run has left none.</exception>
    public void Keep(TrialOrder order, TrialCheckpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(order);
        var store = new CheckpointStore(new RunDirectory(study.RunFolder(order.Id.Trial, order.Repeat)).CheckpointFolder);
        long step = store.Steps().FirstOrDefault(-1);
        if (step < 0) throw new SpecException("study", $"trial {order.Id.Trial} was to be paused, but has left no checkpoint in '{store.Directory}'");
        string folder = study.StateFolder(checkpoint);
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        Copy(store.PathOf(step), Path.Combine(folder, Path.GetFileName(store.PathOf(step))));
    }

    /// <summary>Deletes a state that nobody needs.</summary>
    public void Delete(TrialCheckpoint checkpoint)
    {
        string folder = study.StateFolder(checkpoint);
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
    }

    private void Prepare(TrialOrder order, RunDirectory directory, CheckpointStore store)
    {
        if (order.From is not { } from)
        {
            Clear(directory.Path);
            return;
        }
        var kept = new CheckpointStore(study.StateFolder(from));
        long step = kept.Steps().FirstOrDefault(-1);
        if (step < 0) throw new SpecException("study", $"the state of trial {from.Trial} at {from.Resource} is not in '{kept.Directory}': bring it back, or cancel trial {order.Id.Trial}");
        if (Directory.Exists(store.Directory)) Directory.Delete(store.Directory, recursive: true);
        Copy(kept.PathOf(step), store.PathOf(step));
    }

    /// <summary>Of a trial with several runs, the first one's folder holds the others'.</summary>
    private static void Clear(string folder)
    {
        if (!Directory.Exists(folder)) return;
        foreach (string file in Directory.GetFiles(folder)) File.Delete(file);
        foreach (string inner in Directory.GetDirectories(folder))
            if (!Path.GetFileName(inner).StartsWith("repeat-", StringComparison.Ordinal)) Directory.Delete(inner, recursive: true);
    }

    private static bool HasSound(CheckpointStore store)
    {
        using var newest = store.OpenNewest([]);
        return newest is not null;
    }

    /// <summary>Attempts with the same one lead over the same states.</summary>
    private static string Origin(TrialOrder order, TrainingSpec spec)
    {
        string from = order.From is { } f ? string.Create(CultureInfo.InvariantCulture, $"{f.Trial} {f.Repeat} {f.Resource}") : "nothing";
        return $"from {from}\nspec {Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(SpecWriter.Write(spec))))}\n";
    }

    private static void Copy(string from, string to)
    {
        string unfinished = to + ".tmp";
        if (Directory.Exists(unfinished)) Directory.Delete(unfinished, recursive: true);
        Directory.CreateDirectory(unfinished);
        foreach (string file in Directory.GetFiles(from)) File.Copy(file, Path.Combine(unfinished, Path.GetFileName(file)));
        Directory.Move(unfinished, to);
    }
}
