using System.Text;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Studies;

/// <summary>
/// Writes the files of a study's directory beside its trials' and its journal: what they say is what the journal says, and is made anew from it when the study
/// is gone on with. One thread at a time.
/// </summary>
/// <param name="directory">The study's directory.</param>
/// <param name="spec">The study.</param>
/// <param name="specs">Makes the spec of the best trial.</param>
/// <param name="nodeOf">Where a trial ran; null = nobody knows. Null = all of them in one process.</param>
public sealed class StudyDirectoryWriter(StudyDirectory directory, StudySpec spec, TrialSpecs specs, Func<int, string?>? nodeOf = null) : IDisposable
{
    private readonly TrialRecords _records = new();
    private readonly StudyVersions _versions = new(specs);
    private StreamWriter? _trials;
    private TrialResult? _best;

    /// <summary>The study over each of its spaces.</summary>
    public StudyVersions Versions => _versions;

    /// <summary>The study begins, or goes on from these events.</summary>
    /// <returns>The trials that had ended, in the order in which they did.</returns>
    /// <exception cref="SpecException">There are no events, but trials in the directory: those are not overwritten.</exception>
    public IReadOnlyList<TrialRecord> Begin(IReadOnlyList<StudyEvent> before)
    {
        ArgumentNullException.ThrowIfNull(before);
        if (before.Count == 0 && directory.TrialLines().Count > 0)
            throw new SpecException("study", $"'{directory.Path}' has trials already, of which the study's journal has nothing: they are not overwritten");
        directory.Create(spec);
        // how it stood when it was interrupted is no longer true
        File.Delete(directory.SummaryFile);
        var ended = before.Select(Follow).OfType<TrialRecord>().ToList();
        AtomicFile.Write(directory.TrialsFile, Encoding.UTF8.GetBytes(string.Concat(ended.Select(Line))));
        _trials = new StreamWriter(new FileStream(directory.TrialsFile, FileMode.Append, FileAccess.Write, FileShare.Read)) { AutoFlush = true };
        return ended;
    }

    /// <summary>Takes the next event, which is stored.</summary>
    /// <returns>The trial that ends with it, if one does.</returns>
    public TrialRecord? Add(StudyEvent e)
    {
        if (Follow(e) is not { } ended) return null;
        (_trials ?? throw new InvalidOperationException("the study has not begun")).Write(Line(ended));
        return ended;
    }

    /// <summary>Writes the spec of the best trial where it is another one than before.</summary>
    public void Best(TrialResult? best)
    {
        if (best is null || best.Number == _best?.Number) return;
        _best = best;
        string yaml = _versions.Specs(best.SpaceVersion).BestYaml(best.Number, best.Own.AsSpan(), best.Values.AsSpan());
        AtomicFile.Write(directory.BestSpecFile, Encoding.UTF8.GetBytes(yaml));
    }

    /// <summary>The study has ended, or was interrupted.</summary>
    public void End(StudySummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        Best(summary.Status.Best);
        if (summary.Spec.Study.Objectives.Length > 1) WriteFront(summary.Status);
        AtomicFile.Write(directory.SummaryFile, Encoding.UTF8.GetBytes(RunJson.Text(indented: true, json => StudyJson.WriteSummary(json, summary)) + "\n"));
    }

    private void WriteFront(StudyStatus status)
    {
        if (Directory.Exists(directory.FrontFolder)) Directory.Delete(directory.FrontFolder, recursive: true);
        Directory.CreateDirectory(directory.FrontFolder);
        foreach (var trial in status.Front)
        {
            string yaml = _versions.Specs(trial.SpaceVersion).BestYaml(trial.Number, trial.Own.AsSpan(), trial.Values.AsSpan());
            AtomicFile.Write(directory.FrontSpecFile(trial.Number), Encoding.UTF8.GetBytes(yaml));
        }
    }

    /// <summary>Copies the run of the best trial, but for its checkpoints, to <see cref="StudyDirectory.BestFolder"/>.</summary>
    public void KeepBest(int trial)
    {
        string from = directory.RunFolder(trial), unfinished = directory.BestFolder + ".tmp";
        if (Directory.Exists(unfinished)) Directory.Delete(unfinished, recursive: true);
        Directory.CreateDirectory(unfinished);
        foreach (string file in Directory.GetFiles(from)) File.Copy(file, Path.Combine(unfinished, Path.GetFileName(file)));
        if (Directory.Exists(directory.BestFolder)) Directory.Delete(directory.BestFolder, recursive: true);
        Directory.Move(unfinished, directory.BestFolder);
    }

    public void Dispose() => _trials?.Dispose();

    private TrialRecord? Follow(StudyEvent e)
    {
        if (e is StudyEvent.SpaceWidened widened)
        {
            var wider = _versions.Add(widened);
            AtomicFile.Write(directory.SpaceFile(widened.Version), Encoding.UTF8.GetBytes(
                $"# Space {widened.Version} of the study, made from its journal\n{wider.Write(widened.FromTrial)}"));
        }
        return _records.Add(e);
    }

    private string Line(TrialRecord trial) => StudyJson.TrialLine(trial, _versions[trial.SpaceVersion], nodeOf is null ? "local" : nodeOf(trial.Number)) + "\n";
}
