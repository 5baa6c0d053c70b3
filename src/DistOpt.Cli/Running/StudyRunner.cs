using DistOpt.Actors.Studies;
using DistOpt.Actors.Trials;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Exchange;
using DistOpt.Core.Training;
using DistOpt.Hosting.Local;
using DistOpt.Torch;

namespace DistOpt;

/// <summary>What a study needs beside its spec.</summary>
internal sealed record StudyPlan
{
    /// <summary>Names its trials' jobs, and its events in the journal.</summary>
    public required string Id { get; init; }

    public required StudySpec Spec { get; init; }

    public required DistOptAppDefinition App { get; init; }

    /// <summary>Opens model and data.</summary>
    public required IJobRuntimeFactory Runtimes { get; init; }

    public required StudyDirectory Directory { get; init; }

    /// <summary>Trials of another study that the sampler of a new one is given; one that is gone on with has those that it was given.</summary>
    public IReadOnlyList<ImportedTrial> Imported { get; init; } = [];

    /// <summary>Trials that run at a time from now on; null = as the spec or the latest command says.</summary>
    public int? Parallel { get; init; }

    /// <summary>What shows the study; null = nothing does.</summary>
    public IStudyDisplay? Display { get; init; }

    public TimeProvider Time { get; init; } = TimeProvider.System;
}

/// <summary>Shows a study that runs. Called from one thread at a time.</summary>
internal interface IStudyDisplay
{
    /// <param name="before">Trials that had ended before it was gone on with.</param>
    void Began(StudyPlan plan, IReadOnlyList<TrialRecord> before);

    void Ended(TrialRecord trial);

    void Stands(Func<StudyStatus> status);
}

/// <summary>Runs a study in this process, with everything that belongs to it: directory, journal, trials' runs, the test of the best one.</summary>
internal static class StudyRunner
{
    /// <exception cref="SpecException">Bad input.</exception>
    public static async Task<StudySummary> RunAsync(StudyPlan plan, CancellationToken interrupt)
    {
        var specs = new TrialSpecs(SpecFiles.Binder(plan.App), plan.Spec);
        // before anything else, so that a study which dies at whatever moment can be gone on with
        plan.Directory.Create(plan.Spec, plan.Imported);
        using var only = plan.Directory.Lock();
        using var writer = new StudyDirectoryWriter(plan.Directory, plan.Spec, specs);
        var run = new StudyRun
        {
            Id = plan.Id,
            Study = plan.Spec.Study,
            Setup = StudySetup.Of(plan.Spec, SpecFiles.Catalogs(plan.App)),
            Imported = ImportedTrials.Read(plan.Spec, plan.Directory),
            Trials = new StudyTrials(plan, new TrialFolders(plan.Directory, specs)),
            Sink = new StudySink(plan, writer),
            Time = plan.Time,
        };
        if (plan.Parallel is { } parallel) run = run with { Setup = run.Setup with { Parallel = parallel } };
        var parts = Hosts.Parts(plan.App, plan.Runtimes);
        var status = await LocalStudyHost.RunAsync(run, plan.Directory.JournalFile, parts, commands: null, interrupt).ConfigureAwait(false);
        IReadOnlyDictionary<string, double>? test = null;
        if (status.End is not null && status.Best is { } best)
        {
            writer.KeepBest(best.Number);
            test = Test(plan, specs.Of(best.Number, best.Parameters.AsSpan()), interrupt);
        }
        var summary = new StudySummary(plan.Spec, plan.Directory.Path, status, test);
        writer.End(summary);
        return summary;
    }

    /// <summary>The chosen trial's weights on the test part, which no trial has seen; null where there is none.</summary>
    private static Dictionary<string, double>? Test(StudyPlan plan, TrainingSpec spec, CancellationToken interrupt)
    {
        string model = new RunDirectory(plan.Directory.BestFolder).ModelFile;
        using (var runtime = plan.Runtimes.Open(spec))
            if (runtime.Data.Test == 0) return null;
        return Evaluator.Measure(plan.Runtimes, spec, model, DataSplit.Test, interrupt).Metrics.ToDictionary(m => m.Key, m => m.Value.Value);
    }

    private sealed class StudySink(StudyPlan plan, StudyDirectoryWriter writer) : IStudySink
    {
        public void Began(IReadOnlyList<StudyEvent> before)
        {
            var ended = writer.Begin(before);
            plan.Display?.Began(plan, ended);
        }

        public void Happened(StudyEvent e)
        {
            if (writer.Add(e) is { } ended) plan.Display?.Ended(ended);
        }

        public void Stands(Func<StudyStatus> status) => plan.Display?.Stands(status);
    }

    private sealed class StudyTrials(StudyPlan plan, TrialFolders folders) : ITrialRuns
    {
        public TrialRun Open(TrialOrder order)
        {
            var start = folders.Open(order);
            var (trial, attempt, session) = order.Id;
            string job = FormattableString.Invariant($"{plan.Id}-trial-{trial}-{order.Repeat}-{attempt}-{session}");
            return new TrialRun(job, start.Spec, runtime => new RunDirectoryWriter(start.Directory,
                new RunFiles(SpecFiles.Write, runtime.SaveModel, runtime.SaveInference), plan.Time), start.Directory.CheckpointFolder, start.Resumes,
                start.IsOfAnother, start.Rows);
        }

        public void Keep(TrialOrder order, TrialCheckpoint checkpoint) => folders.Keep(order, checkpoint);

        public void Delete(TrialCheckpoint checkpoint) => folders.Delete(checkpoint);
    }
}
