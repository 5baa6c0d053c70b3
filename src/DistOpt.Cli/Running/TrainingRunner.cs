using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Hosting.Local;

namespace DistOpt;

/// <summary>What a run needs beside its spec.</summary>
internal sealed record RunPlan
{
    public required string Job { get; init; }

    /// <summary>The resolved spec.</summary>
    public required TrainingSpec Spec { get; init; }

    public required DistOptAppDefinition App { get; init; }

    /// <summary>Opens model and data.</summary>
    public required IJobRuntimeFactory Runtimes { get; init; }

    public required ITrainingHost Host { get; init; }

    /// <summary>Where the results go; null = nowhere.</summary>
    public RunDirectory? Directory { get; init; }

    /// <summary>Observers beside the program's own.</summary>
    public IReadOnlyList<ITrainingObserver> Observers { get; init; } = [];

    /// <summary>Displays and the like, told after the run directory.</summary>
    public IReadOnlyList<IRunSink> Sinks { get; init; } = [];

    public int Processes { get; init; } = 1;

    public int MaxRestarts { get; init; } = 10;

    /// <summary>Whether the run in the directory goes on from its newest sound checkpoint.</summary>
    public bool Resumes { get; init; }

    /// <summary>Whether lines that user code writes to the console are put into the run's log.</summary>
    public bool CapturesConsole { get; init; }

    public TimeProvider Time { get; init; } = TimeProvider.System;
}

/// <summary>Runs a job with everything that belongs to it: run directory, observers, display, console capture.</summary>
internal static class TrainingRunner
{
    /// <exception cref="SpecException">Bad input; nothing has been written.</exception>
    /// <exception cref="TrainingFailedException">The run failed; the summary is written where there is a directory.</exception>
    public static async Task<RunResult> RunAsync(RunPlan plan, CancellationToken interrupt)
    {
        var runtimes = new KeptRuntime(plan.Runtimes);
        using var only = plan.Resumes ? plan.Directory!.Lock() : null;
        using var observerStop = new CancellationTokenSource();
        using var writer = plan.Directory is { } directory
            ? new RunDirectoryWriter(directory, new RunFiles(SpecFiles.Write,
                (path, parameters, buffers) => runtimes.Runtime.SaveModel(path, parameters, buffers),
                path => runtimes.Runtime.SaveInference(path)), plan.Time)
            : null;
        var checkpoints = new CheckpointRequests();
        var context = new TrainingContext(observerStop.Cancel, checkpoints.Ask);
        IRunSink[] own = writer is null ? [] : [writer];
        var sinks = new RunSinks([.. own, .. plan.App.Observers.Concat(plan.Observers).Select(o => new ObserverSink(o, context)), .. plan.Sinks]);
        long begin = plan.Time.GetTimestamp();
        var request = new TrainingRequest(plan.Job, plan.Spec, plan.App, runtimes, sinks)
        {
            ObserverStop = observerStop.Token,
            Checkpoints = checkpoints,
            Processes = plan.Processes,
            Time = plan.Time,
            CheckpointDirectory = plan.Directory?.CheckpointFolder,
            Resumes = plan.Resumes,
            MaxRestarts = plan.MaxRestarts,
        };
        try
        {
            RunSummary summary;
            using (plan.CapturesConsole ? new ConsoleCapture(Capture) : null)
                summary = await plan.Host.RunAsync(request, interrupt).ConfigureAwait(false);
            sinks.Ended(summary);
            return summary.Status == RunStatus.Failed
                ? throw new TrainingFailedException(summary, plan.Directory?.Path, null)
                : new RunResult(sinks.Summary ?? summary, plan.Directory?.Path);
        }
        catch (Exception e) when (e is not (SpecException or TrainingFailedException))
        {
            // whatever the host could not turn into a summary of its own; the run directory still says how it ended
            var summary = sinks.Summary ?? new RunSummary
            {
                Job = plan.Job,
                Status = RunStatus.Failed,
                StopReason = StopReason.Failed,
                Error = e.ToString(),
                WallSeconds = plan.Time.GetElapsedTime(begin).TotalSeconds,
                Workers = plan.Spec.Training.Workers,
                Servers = plan.Spec.Training.Servers,
                Processes = plan.Processes,
                GradientShards = plan.Spec.Training.GradientShards ?? 0,
            };
            bool isKept = writer is { IsStarted: true };
            if (isKept && !writer!.IsEnded) writer.Ended(summary);
            throw new TrainingFailedException(summary, isKept ? plan.Directory!.Path : null, e);
        }

        void Capture(string source, string text) => sinks.Log(new LogLine("local", source, source == "stderr" ? "warning" : "information", text,
            plan.Time.GetElapsedTime(begin).TotalSeconds));
    }
}
