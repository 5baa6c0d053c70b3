using DistOpt.Actors.Studies;
using DistOpt.Actors.Trials;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Exchange;
using DistOpt.Core.Training;

namespace DistOpt.Hosting.Studies;

/// <summary>What any host of studies needs to know of the build.</summary>
/// <param name="Read">A resolved study spec from its text; throws <see cref="Core.Specs.SpecException"/>.</param>
/// <param name="Setup">What its engine is made of.</param>
/// <param name="Trials">Makes the specs of its trials.</param>
/// <param name="SpecText">A training spec as text.</param>
/// <param name="Test">Metrics of a model file's weights on the test part, which no trial has seen; null where there is none.</param>
public sealed record StudyParts(
    Func<string, StudySpec> Read,
    Func<StudySpec, StudySetup> Setup,
    Func<StudySpec, TrialSpecs> Trials,
    Func<TrainingSpec, string> SpecText,
    Func<TrainingSpec, string, CancellationToken, IReadOnlyDictionary<string, double>?> Test);

/// <summary>A study's directory while the study is run: its files, those of its trials, and the test of the best one.</summary>
public sealed class StudySession : IStudySession
{
    private readonly string _study;
    private readonly StudyDirectory _directory;
    private readonly StudyParts _parts;
    private readonly IDisposable _only;
    private readonly StudyDirectoryWriter _writer;
    private readonly TrialFolders _folders;

    /// <summary>Makes the directory one of the study, which can be gone on with from then on, and this process the one that runs it.</summary>
    /// <param name="study">Names its trials' jobs, and its events in the journal.</param>
    /// <param name="watch">Is told what is stored, beside the study's files; null = nobody is.</param>
    /// <exception cref="Core.Specs.SpecException">Another process runs it.</exception>
    public StudySession(string study, StudySpec spec, StudyDirectory directory, StudyParts parts, TimeProvider time, IStudyWatch? watch = null)
    {
        ArgumentNullException.ThrowIfNull(directory);
        ArgumentNullException.ThrowIfNull(parts);
        (_study, Spec, _directory, _parts) = (study, spec, directory, parts);
        var specs = parts.Trials(spec);
        directory.Create(spec);
        _only = directory.Lock();
        try
        {
            _folders = new TrialFolders(directory, specs);
            _writer = new StudyDirectoryWriter(directory, spec, specs, NodeOf);
            Run = new StudyRun
            {
                Id = study,
                Study = spec.Study,
                Setup = parts.Setup(spec),
                Imported = ImportedTrials.Read(spec, directory),
                Trials = new Runs(this, _folders, time),
                Sink = new Sink(_writer, watch),
                Time = time,
                HasDied = File.Exists(directory.RunningFile),
                Directory = Path.GetFullPath(directory.Path),
            };
            File.WriteAllBytes(directory.RunningFile, []);
        }
        catch
        {
            _only.Dispose();
            throw;
        }
    }

    /// <summary>As it began.</summary>
    public StudySpec Spec { get; }

    public StudyRun Run { get; }

    public string? NodeOf(int trial)
    {
        try
        {
            return _folders.NodesOf(trial);
        }
        catch (IOException)
        {
            return null; // another attempt is just being prepared
        }
    }

    public IReadOnlyList<string>? OpenTrials()
    {
        lock (_writer) return _writer.OpenLines();
    }

    /// <summary>How the study stands at its end, or where it was interrupted, with the best trial kept and measured; written to its directory.</summary>
    public StudySummary Summarize(StudyStatus status, CancellationToken stop)
    {
        ArgumentNullException.ThrowIfNull(status);
        return Written(status, Best(status) is { } best ? Test(best, stop) : null, null);
    }

    /// <summary>
    /// The same in a process that others need: user code that throws there costs the study its test and nothing else, and what ends the process (native code
    /// that aborts, memory that runs out) is not tried twice.
    /// </summary>
    public string End(StudyStatus status, CancellationToken stop)
    {
        ArgumentNullException.ThrowIfNull(status);
        var (test, why) = Best(status) is { } best ? Guarded(best, stop) : (null, null);
        var summary = Written(status, test, why);
        // whoever has it go on, to another end, may have that measured
        File.Delete(_directory.MeasuringFile);
        return RunJson.Text(false, json => StudyJson.WriteSummary(json, summary));
    }

    /// <summary>What is to be measured, which is kept.</summary>
    private TrialResult? Best(StudyStatus status)
    {
        if (status.End is null || status.Best is not { } best) return null;
        _writer.KeepBest(best.Number);
        return best;
    }

    private IReadOnlyDictionary<string, double>? Test(TrialResult best, CancellationToken stop)
    {
        var spec = _writer.Versions.Specs(best.SpaceVersion).Of(best.Number, best.Own.AsSpan());
        return _parts.Test(spec, new RunDirectory(_directory.BestFolder).ModelFile, stop);
    }

    private (IReadOnlyDictionary<string, double>? Test, string? Why) Guarded(TrialResult best, CancellationToken stop)
    {
        if (File.Exists(_directory.MeasuringFile)) return (null, "the coordinator's process ended while it measured this, and does not try it again");
        AtomicFile.Write(_directory.MeasuringFile, []);
        try
        {
            return (Test(best, stop), null);
        }
        catch (Exception e) when (e is not OperationCanceledException || !stop.IsCancellationRequested)
        {
            return (null, e.GetBaseException().Message);
        }
        finally
        {
            File.Delete(_directory.MeasuringFile);
        }
    }

    private StudySummary Written(StudyStatus status, IReadOnlyDictionary<string, double>? test, string? untested)
    {
        var summary = new StudySummary(status.Spec ?? Spec, _directory.Path, status, test) { Untested = untested };
        _writer.End(summary);
        return summary;
    }

    public void Dispose()
    {
        // whatever it ends by, it does not end with its process
        File.Delete(_directory.RunningFile);
        _writer.Dispose();
        _only.Dispose();
    }

    private sealed class Sink(StudyDirectoryWriter writer, IStudyWatch? watch) : IStudySink
    {
        public void Began(IReadOnlyList<StudyEvent> before)
        {
            IReadOnlyList<TrialRecord> ended;
            lock (writer) ended = writer.Begin(before);
            watch?.Began(ended);
        }

        public void Happened(StudyEvent e)
        {
            TrialRecord? ended;
            lock (writer) ended = writer.Add(e);
            if (ended is not null) watch?.Ended(ended, writer.Versions[ended.SpaceVersion]);
            if (e is StudyEvent.SpaceWidened widened) watch?.Widened(widened);
        }

        public void Stands(Func<StudyStatus> status) => watch?.Stands(status);
    }

    private sealed class Runs(StudySession session, TrialFolders folders, TimeProvider time) : ITrialRuns
    {
        public TrialRun Open(TrialOrder order)
        {
            var start = folders.Open(order);
            var (trial, attempt, number) = order.Id;
            string job = FormattableString.Invariant($"{session._study}-trial-{trial}-{order.Repeat}-{attempt}-{number}");
            return new TrialRun(job, start.Spec, runtime => new RunDirectoryWriter(start.Directory,
                new RunFiles(session._parts.SpecText, runtime.SaveModel, runtime.SaveInference), time), start.Directory.CheckpointFolder, start.Resumes,
                start.IsOfAnother, start.Rows)
            { Structural = start.Structural, Blamed = start.Blamed };
        }

        public void Began(TrialOrder order, IReadOnlyList<string> nodes) => folders.NoteNodes(order, nodes);

        public void Keep(TrialOrder order, TrialCheckpoint checkpoint) => folders.Keep(order, checkpoint);

        public void Delete(TrialCheckpoint checkpoint) => folders.Delete(checkpoint);

        public long Size(TrialCheckpoint checkpoint) => folders.Size(checkpoint);

        public void Trim(int trial, int repeat) => folders.Trim(trial, repeat);

        public long Left(int trial, int repeat) => folders.Left(trial, repeat);

        public void Sweep(IReadOnlyCollection<TrialCheckpoint> known, Func<int, int, bool> isDoneWith) => folders.Sweep(known, isDoneWith);
    }
}

/// <summary>Sees what happens in a study once it is stored. Called from one thread at a time; must not block.</summary>
public interface IStudyWatch
{
    /// <param name="before">Trials that had ended before it was gone on with.</param>
    void Began(IReadOnlyList<TrialRecord> before);

    /// <param name="trial">The trial.</param>
    /// <param name="spec">The study over the space that the trial was drawn from.</param>
    void Ended(TrialRecord trial, StudySpec spec);

    /// <summary>The space is another one from a trial on.</summary>
    void Widened(StudyEvent.SpaceWidened widened);

    /// <summary>Where it stands may have changed: many times a second.</summary>
    /// <param name="status">Tells where; costs what the study's live trials are.</param>
    void Stands(Func<StudyStatus> status);
}
