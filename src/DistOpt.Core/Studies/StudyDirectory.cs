using System.Globalization;
using System.Text;
using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Studies;

/// <summary>The paths of one study's files (DESIGN section 7). Planning checks that the place is free and creates nothing.</summary>
public sealed class StudyDirectory(string path)
{
    /// <summary>Folder that holds study directories unless <c>--out</c> says otherwise, below the current one.</summary>
    public const string DefaultRoot = "studies";

    /// <summary>Folder of the trials' runs.</summary>
    internal const string TrialsFolder = "trials";

    private const string SpecName = "study.yaml";
    private const string TrialsName = "trials.jsonl";
    private const string AttributesName = "attributes.jsonl";

    /// <summary>See <see cref="OpenFile"/>.</summary>
    public const string OpenName = "open.jsonl";

    /// <summary>Begins the names of the folders of a trial's runs but the first, which holds them.</summary>
    internal const string RepeatPrefix = "repeat-";

    public string Path { get; } = path;

    /// <summary>Its last part, by which the study is known: <c>name-id</c> unless the user named another folder.</summary>
    public string Name => System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(Path)));

    /// <summary>The study spec, as it can be read again.</summary>
    public string SpecFile => In(SpecName);

    /// <summary>The same as it was at the beginning: nobody is to change it.</summary>
    internal string BegunFile => In("." + SpecName);

    /// <summary>The space by which the one of <see cref="SpecFile"/> was replaced while the study went on; made from the journal.</summary>
    /// <param name="version">From 1.</param>
    public string SpaceFile(int version) => In(FormattableString.Invariant($"space-{version}.yaml"));

    /// <summary>One line for each trial that has ended, in the order in which they did.</summary>
    public string TrialsFile => In(TrialsName);

    /// <summary>
    /// What users want to be known of the study and its trials, a line for each: of two of a name the last one holds. No file where there is none.
    /// </summary>
    public string AttributesFile => In(AttributesName);

    /// <summary>
    /// Of a copy that was made while the study went on: the trials that had not ended then, as far as they had come, a line each as in
    /// <see cref="TrialsFile"/>.
    /// </summary>
    public string OpenFile => In(OpenName);

    /// <summary>Trials of another study that the sampler was given at the beginning; where there are none there is no file.</summary>
    public string ImportedFile => In("imported.jsonl");

    public string SummaryFile => In("summary.json");

    /// <summary>Why the study has ended, as its summary has it; null = it has not, it was interrupted, or it has no summary.</summary>
    /// <exception cref="SpecException">The summary is damaged.</exception>
    public StudyStopReason? ReadEnd()
    {
        if (!File.Exists(SummaryFile)) return null;
        try
        {
            using var summary = JsonDocument.Parse(File.ReadAllText(SummaryFile));
            string? reason = summary.RootElement.TryGetProperty("stop_reason", out var text) ? text.GetString() : null;
            foreach (var end in Enum.GetValues<StudyStopReason>())
                if (RunJson.Name(end) == reason) return end;
            return null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new SpecException(SummaryFile, $"is damaged: {e.Message}");
        }
    }

    /// <summary>The training spec of the best trial.</summary>
    public string BestSpecFile => In("best.yaml");

    /// <summary>With several objectives: the training specs of the trials that no other one dominates.</summary>
    public string FrontFolder => In("front");

    /// <summary>The training spec of one of them.</summary>
    public string FrontSpecFile(int trial) => System.IO.Path.Combine(FrontFolder, FormattableString.Invariant($"{trial}.yaml"));

    /// <summary>The run directory of the best trial, its selected weights measured on the test part.</summary>
    public string BestFolder => In("best");

    /// <summary>The study's events: what it goes on from.</summary>
    public string JournalFile => In("journal.db");

    /// <summary>Whether the study's events are here too, from which it goes on; else it is one of a cluster, or a copy of one.</summary>
    public bool IsOfHere => File.Exists(JournalFile);

    /// <summary>Held open by the process that runs the study, so that no two do.</summary>
    public string LockFile => In(".lock");

    /// <summary>There while a process runs the study: whoever finds it, and may run the study, knows that the one before died over it.</summary>
    public string RunningFile => In(".running");

    /// <summary>Says where the process that runs the study takes commands, while it does.</summary>
    public string ControlFile => In(".control");

    /// <summary>There while the best trial of a study on a cluster is measured: whoever finds it knows that this has ended the process.</summary>
    public string MeasuringFile => In(".measuring");

    /// <summary>Folder of the trials' run directories.</summary>
    internal string RunsFolder => In(TrialsFolder);

    /// <summary>Folder of the states.</summary>
    internal string StatesFolder => In("states");

    /// <summary>The run directory of one of a trial's runs.</summary>
    /// <param name="trial">Its number.</param>
    /// <param name="repeat">Which of <c>study.repeats</c>, from 0.</param>
    public string RunFolder(int trial, int repeat = 0)
    {
        string folder = System.IO.Path.Combine(In(TrialsFolder), trial.ToString(CultureInfo.InvariantCulture));
        return repeat == 0 ? folder : System.IO.Path.Combine(folder, FormattableString.Invariant($"{RepeatPrefix}{repeat}"));
    }

    /// <summary>Where the state of a trial is kept from which trials may go on.</summary>
    public string StateFolder(Engine.TrialCheckpoint checkpoint) =>
        System.IO.Path.Combine(StatesFolder, FormattableString.Invariant($"{checkpoint.Trial}-{checkpoint.Repeat}-{checkpoint.Resource}"));

    /// <summary>The lines of <see cref="TrialsFile"/> that are whole; it may be written to meanwhile.</summary>
    public IReadOnlyList<string> TrialLines() => [.. RunDirectoryReader.Lines(TrialsFile, line => line)];

    /// <summary>Whether a file of a study's directory says which trials have ended, or what is to be known of them.</summary>
    public static bool IsOfTrials(string file) => file is TrialsName or AttributesName or OpenName;

    /// <summary>Whether a file of a study's directory says what is searched: its spec, or a space by which the first one was replaced.</summary>
    public static bool IsOfSpec(string file) => file == SpecName
        || (file.StartsWith("space-", StringComparison.Ordinal) && file.EndsWith(".yaml", StringComparison.Ordinal));

    /// <summary>The directory of a new study; checks that it can become one.</summary>
    /// <exception cref="SpecException">The path is a file, or a directory that is not empty.</exception>
    public static StudyDirectory Plan(string? outPath, string name, string id, string root = DefaultRoot)
    {
        if (outPath is not null && string.IsNullOrWhiteSpace(outPath))
            throw new SpecException("--out", "the path is empty; name a folder, or leave --out away for studies/<name>-<id>");
        return new(RunDirectory.Plan(outPath, name, id, root).Path);
    }

    /// <summary>The directory of a study that is gone on with.</summary>
    /// <param name="study">Its path, or its folder's name below <paramref name="root"/>.</param>
    /// <param name="root">Where study directories are.</param>
    /// <param name="path">What errors call it.</param>
    /// <exception cref="SpecException">There is no study.</exception>
    public static StudyDirectory Find(string study, string root = DefaultRoot, string path = "--resume")
    {
        if (string.IsNullOrWhiteSpace(study)) throw new SpecException(path, "the path is empty; name the folder of a study");
        string below = System.IO.Path.Combine(root, study);
        foreach (string folder in (string[])[study, below])
            if (File.Exists(new StudyDirectory(folder).SpecFile)) return new StudyDirectory(folder);
        throw new SpecException(path, $"'{study}' is no study: there is no study.yaml in it, nor in {below}; name the folder of a study");
    }

    /// <summary>Makes it the directory of a study, which can be gone on with from then on.</summary>
    /// <param name="spec">The study; a directory that has one keeps it.</param>
    /// <param name="imported">Trials that its sampler is given at the beginning; with a study that is there they have no meaning.</param>
    /// <param name="hasJournal">Whether its events are to be in <see cref="JournalFile"/>, which is there from then on (<see cref="IsOfHere"/>).</param>
    public void Create(StudySpec spec, IReadOnlyList<Engine.ImportedTrial>? imported = null, bool hasJournal = false)
    {
        Directory.CreateDirectory(Path);
        if (File.Exists(SpecFile)) return;
        // it is there before the study can be gone on with: its journal may not have taken it all
        if (imported is { Count: > 0 }) AtomicFile.Write(ImportedFile, Encoding.UTF8.GetBytes(Exchange.ImportedTrials.Write(spec, imported)));
        if (hasJournal) new FileStream(JournalFile, FileMode.OpenOrCreate).Dispose();
        byte[] text = Encoding.UTF8.GetBytes(StudySpecWriter.Write(spec));
        if (hasJournal) AtomicFile.Write(BegunFile, text);
        AtomicFile.Write(SpecFile, text);
    }

    /// <summary>
    /// The spec with which the study is gone on with. What its trials were drawn from and measured by stays: <see cref="SpecFile"/> is to say the same as it
    /// did at the beginning.
    /// </summary>
    /// <param name="binder">With the models, data and metrics of the study's program.</param>
    /// <exception cref="SpecException">It is no spec of a study, or has been changed.</exception>
    public StudySpec ReadSpec(SpecBinder binder)
    {
        ArgumentNullException.ThrowIfNull(binder);
        var spec = binder.ReadStudy(SpecFile);
        // there is none where the study is one of an earlier version
        if (!File.Exists(BegunFile)) return spec;
        string[] now = StudySpecWriter.Write(spec).Split('\n'), begun = StudySpecWriter.Write(binder.ReadStudy(BegunFile)).Split('\n');
        if (now.SequenceEqual(begun)) return spec;
        int line = Enumerable.Range(0, Math.Max(now.Length, begun.Length)).First(i => now.ElementAtOrDefault(i) != begun.ElementAtOrDefault(i));
        throw new SpecException("--resume", $"'{SpecFile}' was changed: it says '{now.ElementAtOrDefault(line)?.Trim()}' where the study began with "
            + $"'{begun.ElementAtOrDefault(line)?.Trim()}', by which its trials were drawn and measured; 'cp {BegunFile} {SpecFile}' brings it back, 'distopt set' changes what "
            + "can be changed of a study, and 'distopt sweep SPEC --import DIR' begins another one that knows the trials of this one");
    }

    /// <summary>Makes this process the one that runs the study, until the result is disposed. The directory exists.</summary>
    /// <exception cref="SpecException">Another process runs it.</exception>
    public IDisposable Lock()
    {
        try
        {
            return new FileStream(LockFile, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (IOException e) when (e is not (DirectoryNotFoundException or PathTooLongException))
        {
            throw new SpecException("--resume", $"'{Path}' is being run by another process; wait for its end, or stop it");
        }
    }

    private string In(string file) => System.IO.Path.Combine(Path, file);
}
