using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Hosting.Journal;
using DistOpt.Hosting.Local;

namespace DistOpt;

/// <summary>How a study in code is set up.</summary>
public sealed record TuningOptions
{
    /// <summary>The study's directory; null = <c>studies/&lt;name&gt;-&lt;id&gt;</c>.</summary>
    public string? Out { get; init; }

    /// <summary>Trials of another study that the sampler is given at the beginning (<see cref="Core.Studies.Exchange.StudyImport"/>); has no meaning for one
    /// that is gone on with.</summary>
    public IReadOnlyList<ImportedTrial> Imported { get; init; } = [];

    /// <summary>How many trials a study that is gone on with is to have in all, at least those that have begun; null = as it was. One that has ended since it
    /// had had them all goes on by it.</summary>
    public int? Trials { get; init; }

    /// <summary>Trials of a study that is gone on with that run at a time from now on; null = as it was.</summary>
    public int? Parallel { get; init; }

    /// <summary>Whether a study that is gone on with takes user code that has changed since, as <c>--accept-new-code</c>; it is refused otherwise.</summary>
    public bool AcceptNewCode { get; init; }

    /// <summary>Given the study before it begins: what it is told to do waits until it has.</summary>
    public Action<TuningStudy>? Starting { get; init; }

    /// <summary>Told of each trial that has ended, in that order, on a thread of the study. Must not block.</summary>
    public Action<TrialRecord>? TrialEnded { get; init; }

    /// <summary>Told where the study stands, many times a second, on a thread of the study. Must not block.</summary>
    public IProgress<StudyStatus>? Progress { get; init; }

    public TimeProvider Time { get; init; } = TimeProvider.System;
}

/// <summary>
/// Studies over training specs from code, as <c>sweep</c> runs them: in this process, with a directory from which they can be gone on with. Nothing here writes
/// to the console, hooks Ctrl-C or exits the process, and no thread outlives the returned task. A study over any other function is a
/// <see cref="Core.Studies.Functions.FunctionStudy"/>.
/// </summary>
public static class Tuning
{
    /// <summary>Runs a study and waits for its end.</summary>
    /// <param name="training">What is not searched; defaults are filled in.</param>
    /// <param name="study">What is looked for, by whom and how long.</param>
    /// <param name="space">Parameters by their paths in the training spec, such as <c>optimizer.learning_rate</c>.</param>
    /// <param name="app">Catalogue; null = the built-in one.</param>
    /// <param name="options">Directory and the like.</param>
    /// <param name="cancellationToken">Ends running trials with a checkpoint: the result has no <see cref="StudyStatus.End"/>, and
    /// <see cref="ResumeAsync"/> goes on.</param>
    /// <exception cref="SpecException">Bad input, all violations at once; nothing has been written.</exception>
    public static Task<StudySummary> RunAsync(TrainingSpec training, StudySection study, IEnumerable<KeyValuePair<string, ParameterSpec>> space,
        DistOptAppDefinition? app = null, TuningOptions? options = null, CancellationToken cancellationToken = default)
    {
        var (definition, given) = (app ?? DistOptApp.Define(), options ?? new TuningOptions());
        var spec = SpecFiles.Binder(definition).CheckStudy(training, study, space);
        var directory = StudyDirectory.Plan(given.Out, spec.Name, Training.NewId(given.Time));
        return RunAsync(directory.Name, spec, directory, definition, given with { Trials = null, Parallel = null }, cancellationToken);
    }

    /// <summary>Goes on with a study that was interrupted, by whatever; one that has ended is told once more.</summary>
    /// <param name="study">Its directory, or that one's name below <c>studies</c>.</param>
    /// <param name="app">Catalogue; the one that it was begun with.</param>
    /// <param name="options">Of these, <see cref="TuningOptions.Out"/> and <see cref="TuningOptions.Imported"/> have no meaning here.</param>
    /// <param name="cancellationToken">Ends running trials with a checkpoint.</param>
    /// <exception cref="SpecException">There is no such study, it has no journal to go on from, another process runs it, or its code has changed.</exception>
    public static Task<StudySummary> ResumeAsync(string study, DistOptAppDefinition? app = null, TuningOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        var definition = app ?? DistOptApp.Define();
        var directory = StudyDirectory.Find(study);
        string id = StudyJournalFile.IdToResume(directory);
        var spec = directory.ReadSpec(SpecFiles.Binder(definition));
        return RunAsync(id, spec, directory, definition, options ?? new TuningOptions(), cancellationToken);
    }

    private static Task<StudySummary> RunAsync(string id, StudySpec spec, StudyDirectory directory, DistOptAppDefinition app, TuningOptions options,
        CancellationToken cancellationToken)
    {
        var commands = new StudyCommands();
        var runtimes = Hosts.Runtimes(app, Hosts.Data());
        options.Starting?.Invoke(new TuningStudy(commands, directory.Path));
        return StudyRunner.RunAsync(new StudyPlan
        {
            Id = id,
            Spec = spec,
            App = app,
            Runtimes = runtimes,
            Directory = directory,
            Imported = options.Imported,
            Trials = options.Trials,
            Parallel = options.Parallel,
            AcceptsNewCode = options.AcceptNewCode,
            Display = new Told(options),
            Time = options.Time,
            Commands = commands,
        }, cancellationToken);
    }

    private sealed class Told(TuningOptions options) : IStudyDisplay
    {
        public void Began(StudyPlan plan, IReadOnlyList<TrialRecord> before) { }

        public void Ended(TrialRecord trial, StudySpec spec) => options.TrialEnded?.Invoke(trial);

        public void Widened(StudyEvent.SpaceWidened widened) { }

        public void Stands(Func<StudyStatus> status)
        {
            if (options.Progress is { } progress) progress.Report(status());
        }
    }
}
