using System.Collections.Immutable;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Exchange;

namespace DistOpt.Core.Studies;

/// <summary>A study's directory as it is read: its spec, the trials that have ended so far, and where its events are at hand the others too.</summary>
/// <param name="Directory">Where it is.</param>
/// <param name="Spec">What it searches: the widest space, where that was replaced while the study went on.</param>
/// <param name="Trials">Those that have ended, by number, all in that space: what earlier ones are taken to have had is filled in.</param>
public sealed record StudyDirectoryReader(StudyDirectory Directory, StudySpec Spec, ImmutableArray<TrialRecord> Trials)
{
    /// <summary>
    /// Trials that are paused, under way or waiting for a slot, by number, as far as they have come (<see cref="TrialRecords.Open"/>); null = the study's
    /// events are not at hand, so that nothing is known of them.
    /// </summary>
    public ImmutableArray<TrialRecord>? NotEnded { get; init; }

    /// <summary>What users want to be known of the study and its trials.</summary>
    public ToldAttributes Attributes { get; init; } = new([]);

    /// <summary>All trials that are known, by number.</summary>
    public ImmutableArray<TrialRecord> All => NotEnded is { IsEmpty: false } open ? [.. Trials.Concat(open).OrderBy(t => t.Number)] : Trials;

    /// <summary>The study with its trials, to be explained and drawn.</summary>
    public StudyReading Reading => new(Spec.Outline, Trials, NotEnded) { Attributes = Attributes };

    /// <summary>Whether a path, or a name below <paramref name="root"/>, is the directory of a study.</summary>
    public static bool IsStudy(string study, string root = StudyDirectory.DefaultRoot) =>
        study.Length > 0 && (File.Exists(new StudyDirectory(study).SpecFile) || File.Exists(new StudyDirectory(Path.Combine(root, study)).SpecFile));

    /// <summary>Reads a study, one that runs or one that has ended. A last line without its end is being written and is left out.</summary>
    /// <param name="study">Its path, or its folder's name below <paramref name="root"/>.</param>
    /// <param name="binder">With the catalogues of the program that ran it.</param>
    /// <param name="root">Where study directories are.</param>
    /// <param name="journal">
    /// The study's events so far, from which all its trials are read then; none, or null = those are read that its directory says have ended.
    /// </param>
    /// <exception cref="SpecException">There is no study, or a file of it is damaged.</exception>
    public static StudyDirectoryReader Open(string study, SpecBinder binder, string root = StudyDirectory.DefaultRoot,
        Func<StudyDirectory, IEnumerable<StudyEvent>>? journal = null)
    {
        ArgumentNullException.ThrowIfNull(binder);
        var directory = StudyDirectory.Find(study, root, "study");
        var spec = binder.ReadStudy(directory.SpecFile);
        if (journal?.Invoke(directory).ToList() is { Count: > 0 } events) return Of(directory, new StudyVersions(new TrialSpecs(binder, spec)), events);
        // before the spaces: a trial of one is written after it
        var lines = directory.TrialLines();
        var versions = new StudyVersions(new TrialSpecs(binder, spec));
        for (int version = 1; File.Exists(directory.SpaceFile(version)); version++) Add(versions, directory.SpaceFile(version));
        ImmutableArray<TrialRecord> trials =
            [.. RunDirectoryReader.Parsed(directory.TrialsFile, lines, line => StudyJson.ParseTrial(line, versions)).OrderBy(t => t.Number)];
        var ended = trials.Select(t => t.Number).ToHashSet();
        return new StudyDirectoryReader(directory, versions.Newest, trials)
        {
            // some of them have ended since
            NotEnded = !File.Exists(directory.OpenFile) ? null
                : [.. RunDirectoryReader.Lines(directory.OpenFile, line => StudyJson.ParseTrial(line, versions)).Where(t => !ended.Contains(t.Number))],
            Attributes = new ToldAttributes(RunDirectoryReader.Lines(directory.AttributesFile, StudyJson.ParseAttribute)),
        };
    }

    /// <summary>
    /// How the study stands by its trials that have ended, which is all that a copy tells: nothing is known of those under way, and time is up to the latest
    /// end of an attempt.
    /// </summary>
    public StudyStatus Status() => Reading.Status() with { Trials = Spec.Study.Trials, Parallel = Spec.Study.Parallel, Spec = Spec };

    private static StudyDirectoryReader Of(StudyDirectory directory, StudyVersions versions, IEnumerable<StudyEvent> events)
    {
        var (records, trials, attributes) = (new TrialRecords(), new List<TrialRecord>(), new List<StudyEvent.AttributeSet>());
        foreach (var e in events)
        {
            if (e is StudyEvent.SpaceWidened widened) versions.Add(widened);
            if (e is StudyEvent.AttributeSet attribute) attributes.Add(attribute);
            if (records.Add(e) is { } ended) trials.Add(ended);
        }
        var all = trials.Concat(records.Open).OrderBy(t => t.Number)
            .Select(t => t with { Parameters = versions.ToNewest(t.Parameters, t.SpaceVersion) }).ToLookup(t => t.HasEnded);
        return new StudyDirectoryReader(directory, versions.Newest, [.. all[true]])
        {
            NotEnded = [.. all[false]],
            Attributes = new ToldAttributes(attributes),
        };
    }

    private static void Add(StudyVersions versions, string file)
    {
        try
        {
            versions.Add(SpecFile.Read(file));
        }
        catch (SpecException e)
        {
            throw new SpecException(e.Violations.Select(v => v with { Path = v.Path.Length == 0 ? file : $"{file}: {v.Path}" }));
        }
    }
}
