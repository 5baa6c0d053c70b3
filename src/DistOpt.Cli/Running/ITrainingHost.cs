using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Hosting.Local;

namespace DistOpt;

/// <summary>One run, as a host gets it.</summary>
/// <param name="Job">Id of the job.</param>
/// <param name="Spec">The resolved spec.</param>
/// <param name="App">Optimizers and schedules that the spec can name.</param>
/// <param name="Runtimes">Opens model and data.</param>
/// <param name="Sink">Receives what happens.</param>
public sealed record TrainingRequest(string Job, TrainingSpec Spec, DistOptAppDefinition App, IJobRuntimeFactory Runtimes, IRunSink Sink)
{
    /// <summary>Cancelled when an observer asks for a stop: the run ends regularly, with <see cref="StopReason.Observer"/>.</summary>
    public CancellationToken ObserverStop { get; init; }

    /// <summary>By which observers ask for checkpoints.</summary>
    public CheckpointRequests Checkpoints { get; init; } = new();

    /// <summary>Processes that share the work; 1 = this one alone.</summary>
    public int Processes { get; init; } = 1;

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>How often each of several processes is started again when it dies.</summary>
    public int MaxRestarts { get; init; } = 10;

    /// <summary>Folder of its checkpoints; null = none are written.</summary>
    public string? CheckpointDirectory { get; init; }

    /// <summary>Whether it goes on from the newest sound checkpoint.</summary>
    public bool Resumes { get; init; }
}

/// <summary>Runs a job to its end: in this process, or in several.</summary>
public interface ITrainingHost
{
    /// <summary>
    /// Runs the job. Cancelling <paramref name="interrupt"/> ends it cleanly: weights are handed to the sink, and the summary says
    /// <see cref="RunStatus.Interrupted"/>; that is no exception.
    /// </summary>
    /// <exception cref="SpecException">Bad input, found before <see cref="IRunSink.Started"/>.</exception>
    Task<RunSummary> RunAsync(TrainingRequest request, CancellationToken interrupt);
}
