using DistOpt.Actors.Nodes;
using DistOpt.Actors.Training;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Hosting.Studies;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Local;

/// <summary>What any host of jobs needs to know of the build: how specs are read, and how their plug-ins are made.</summary>
/// <param name="Runtimes">Opens model and data.</param>
/// <param name="Specs">Specs to YAML and back, for nodes of other processes.</param>
public sealed record JobParts(
    IJobRuntimeFactory Runtimes,
    ISpecCodec Specs,
    Func<TrainingSpec, IOptimizer> Optimizer,
    Func<TrainingSpec, ILearningRateSchedule> Schedule)
{
    /// <summary>For hosts of studies; null = there are none.</summary>
    public StudyParts? Studies { get; init; }
}

/// <summary>Where a job's checkpoints are, and whether it goes on from one.</summary>
/// <param name="CheckpointDirectory">Folder of the job's checkpoints; null = none are written.</param>
/// <param name="Resumes">Whether it goes on from the newest sound one. Without any it begins anew; where none is sound it is refused.</param>
public sealed record JobStorage(string? CheckpointDirectory, bool Resumes = false)
{
    public static JobStorage None { get; } = new(null, false);

    /// <summary>By which the caller asks for checkpoints beside those that are due; null = it never does.</summary>
    public CheckpointRequests? Requests { get; init; }
}

/// <summary>Asks a running job for checkpoints. What is asked before the job runs is asked when it does. Thread-safe.</summary>
public sealed class CheckpointRequests
{
    private readonly Lock _lock = new();
    private Action? _listener;
    private bool _isAsked;

    /// <summary>Asks for a checkpoint after the next step that is not planned yet; several at once are one.</summary>
    public void Ask()
    {
        lock (_lock)
        {
            if (_listener is { } listener) listener();
            else _isAsked = true;
        }
    }

    /// <summary>For hosts: hears what is asked, until null is given.</summary>
    /// <param name="listener">Called for each; must not block.</param>
    public void Listen(Action? listener)
    {
        lock (_lock)
        {
            _listener = listener;
            if (!_isAsked || listener is null) return;
            _isAsked = false;
            listener();
        }
    }
}

/// <summary>
/// Runs one job in this process: the actors of a cluster in an actor system of one node, tensors handed over by reference. Leaves no thread
/// behind.
/// </summary>
public static class LocalJobHost
{
    /// <summary>Runs the job to its end.</summary>
    /// <param name="spec">The resolved spec.</param>
    /// <param name="storage">Of its checkpoints.</param>
    /// <param name="stops">Tokens, each with the reason why the job ends cleanly at the next step when it is cancelled.</param>
    /// <returns>The summary; its status says how the job ended.</returns>
    /// <exception cref="SpecException">Bad input, found before the sink heard of the run.</exception>
    public static async Task<RunSummary> RunAsync(JobId job, TrainingSpec spec, JobParts parts, IRunSink sink, JobStorage storage, TimeProvider time,
        params IReadOnlyList<(CancellationToken Token, StopReason Reason)> stops)
    {
        await using var node = new LocalNode(parts, time);
        return await JobSubmission.RunAsync(node.System, node.Coordinator, new SubmitJob(job, spec, _ => sink, storage.CheckpointDirectory,
            storage.Resumes), stops, storage.Requests).ConfigureAwait(false);
    }
}
