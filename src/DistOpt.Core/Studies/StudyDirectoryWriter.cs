using System.Collections.Immutable;
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
    private readonly StudyResults _results = new(spec.Directions, new StudyStopSection());

    /// <summary>The trials of which there are specs in <see cref="StudyDirectory.FrontFolder"/>.</summary>
    private readonly HashSet<int> _front = [];

    /// <summary>What trials have copied of others whose specs may still have to be written, by number.</summary>
    private readonly Dictionary<int, ImmutableArray<TrialExploit>> _exploits = [];

    /// <summary>The trial of <see cref="StudyDirectory.BestSpecFile"/>.</summary>
    private int? _best;
    private StreamWriter? _trials;
    private StreamWriter? _attributes;

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
        // how it stood when it was interrupted is no longer true: specs and attributes are made from the events
        File.Delete(directory.SummaryFile);
        var ended = before.Select(Follow).OfType<TrialRecord>().ToList();
        AtomicFile.Write(directory.TrialsFile, Encoding.UTF8.GetBytes(string.Concat(ended.Select(Line))));
        _trials = Appended(directory.TrialsFile);
        var attributes = before.OfType<StudyEvent.AttributeSet>().ToList();
        if (attributes.Count == 0) File.Delete(directory.AttributesFile);
        else AtomicFile.Write(directory.AttributesFile, Encoding.UTF8.GetBytes(string.Concat(attributes.Select(a => StudyJson.AttributeLine(a) + "\n"))));
        if (Directory.Exists(directory.FrontFolder)) Directory.Delete(directory.FrontFolder, recursive: true);
        KeepSpecs();
        return ended;
    }

    private static StreamWriter Appended(string file) => new(new FileStream(file, FileMode.Append, FileAccess.Write, FileShare.Read)) { AutoFlush = true };

    /// <summary>Takes the next event, which is stored.</summary>
    /// <returns>The trial that ends with it, if one does.</returns>
    public TrialRecord? Add(StudyEvent e)
    {
        var trials = _trials ?? throw new InvalidOperationException("the study has not begun");
        if (e is StudyEvent.AttributeSet attribute) (_attributes ??= Appended(directory.AttributesFile)).Write(StudyJson.AttributeLine(attribute) + "\n");
        if (Follow(e) is not { } ended) return null;
        trials.Write(Line(ended));
        KeepSpecs();
        return ended;
    }

    /// <summary>
    /// Trials that have not ended, as far as they have come: lines as those of <see cref="StudyDirectory.TrialsFile"/>; null where the study has not begun.
    /// </summary>
    public IReadOnlyList<string>? OpenLines() => _trials is null ? null : [.. _records.Open.Select(t => Text(t))];

    /// <summary>
    /// Writes the specs of the trials that are the best ones by now, those of them that are not there, and removes those of others: they are there whenever the
    /// study ends, by whatever.
    /// </summary>
    private void KeepSpecs()
    {
        if (_results.Best is { } best && best.Number != _best)
        {
            WriteSpec(directory.BestSpecFile, best);
            _best = best.Number;
        }
        if (spec.Directions.Length > 1) KeepFront();
        _exploits.Clear();
    }

    private void KeepFront()
    {
        var front = _results.Front;
        foreach (int gone in _front.Except(front.Select(f => f.Number)).ToList())
        {
            File.Delete(directory.FrontSpecFile(gone));
            _front.Remove(gone);
        }
        if (front.Length > _front.Count) Directory.CreateDirectory(directory.FrontFolder);
        foreach (var trial in front)
            if (_front.Add(trial.Number)) WriteSpec(directory.FrontSpecFile(trial.Number), trial);
    }

    private void WriteSpec(string file, TrialResult trial) => AtomicFile.Write(file,
        Encoding.UTF8.GetBytes(_versions.Specs(trial.SpaceVersion).BestYaml(trial.Number, trial.Own.AsSpan(), trial.Values.AsSpan(),
            exploits: _exploits.GetValueOrDefault(trial.Number))));

    /// <summary>The study has ended, or was interrupted.</summary>
    public void End(StudySummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        AtomicFile.Write(directory.SummaryFile, Encoding.UTF8.GetBytes(RunJson.Text(indented: true, json => StudyJson.WriteSummary(json, summary)) + "\n"));
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

    public void Dispose()
    {
        _trials?.Dispose();
        _attributes?.Dispose();
    }

    private TrialRecord? Follow(StudyEvent e)
    {
        if (e is StudyEvent.SpaceWidened widened)
        {
            var wider = _versions.Add(widened);
            AtomicFile.Write(directory.SpaceFile(widened.Version), Encoding.UTF8.GetBytes(
                $"# Space {widened.Version} of the study, made from its journal\n{wider.Write(widened.FromTrial)}"));
        }
        var ended = _records.Add(e);
        if (ended is not { IsFeasible: true }) return ended;
        if (!ended.Exploits.IsEmpty) _exploits[ended.Number] = ended.Exploits;
        _results.Offer(new TrialResult(ended.Number, ended.Parameters, ended.Values) { SpaceVersion = ended.SpaceVersion });
        return ended;
    }

    private string Line(TrialRecord trial) => Text(trial) + "\n";

    private string Text(TrialRecord trial) => StudyJson.TrialLine(trial, _versions[trial.SpaceVersion], nodeOf is null ? "local" : nodeOf(trial.Number));
}
