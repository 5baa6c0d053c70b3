using System.Security.Cryptography;
using Akka.Actor;
using DistOpt.Actors.Studies;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Training;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Journal;
using DistOpt.Hosting.Processes;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistOpt.Hosting.Local;

/// <summary>
/// Where a study of this process runs: in a node without a network, or where each attempt has a process of its own (<c>study.isolation: process</c>), in one
/// of a cluster of its own on loopback, whose other members are its children.
/// </summary>
internal sealed class LocalStudyNode : IAsyncDisposable
{
    /// <summary>Of <c>study.parallel</c>.</summary>
    private const int LargestParallel = 100_000;

    private readonly Func<Task> _stop;

    private LocalStudyNode(ActorSystem system, IActorRef jobs, bool sharesProcess, Func<Task> stop) =>
        (System, Jobs, SharesProcess, _stop) = (system, jobs, sharesProcess, stop);

    public ActorSystem System { get; }

    /// <summary>The job coordinator.</summary>
    public IActorRef Jobs { get; }

    /// <summary>Whether what ends an attempt's process ends this one.</summary>
    public bool SharesProcess { get; }

    /// <param name="run">The study.</param>
    /// <param name="journal">What it is stored in; null = it is not stored.</param>
    /// <param name="program">What children are started with.</param>
    /// <param name="failed">Told why no attempt can run: children do not start, or the node or its job coordinator has ended. More than once too.</param>
    /// <exception cref="SpecException">It cannot have children.</exception>
    public static async Task<LocalStudyNode> StartAsync(StudyRun run, SqliteJournal? journal, JobParts parts, ProgramStart? program, Action<Exception> failed,
        CancellationToken cancellationToken)
    {
        if (run.Study.Isolation != TrialIsolation.Process)
        {
            var local = new LocalNode(parts, run.Time, journal, failed);
            return new LocalStudyNode(local.System, local.Coordinator, true, () => local.DisposeAsync().AsTask());
        }
        // a program that does not know the command by which children run would begin the study anew in each of them, and they would have children too
        if (Environment.GetEnvironmentVariable(NodeProcess.ChildVariable) is not null)
        {
            throw new SpecException("study.isolation", "is process, but this process is itself one of those that a study was to run its attempts in: the program "
                + "must give its arguments to DistOptApp.RunAsync before it does anything else, or leave isolation at auto, which means none here");
        }
        var host = new NodeHost
        {
            Program = program ?? ProgramStart.Current(),
            Events = journal,
            ChildrenDoNotStart = why => failed(new SpecException("study.isolation",
                $"is process, but child processes of this program do not start: {why}; mend that, or leave isolation at auto, which means none here")),
        };
        var node = await ClusterNode.StartHostedAsync(Options(run, journal), parts, NullLoggerFactory.Instance, run.Time, host, cancellationToken)
            .ConfigureAwait(false);
        _ = node.Ended.ContinueWith(end => failed(new InvalidOperationException($"the node of the study has ended: {end.Result}")), TaskScheduler.Default);
        return new LocalStudyNode(node.System, node.Coordinator!, false, () => node.StopAsync(leave: false));
    }

    /// <summary>What this machine can never give a study's attempts in processes of their own; nothing for one that runs them in this process.</summary>
    public static IEnumerable<SpecViolation> Violations(StudySpec spec)
    {
        var training = spec.Training.Training;
        if (spec.Study.Isolation != TrialIsolation.Process) yield break;
        var machine = new NodeOptions();
        int workers = training.WorkersMin ?? training.Workers;
        if ((long)workers * training.WorkerGpus > machine.Devices.Length)
        {
            yield return new("training.worker_gpus", $"is {training.WorkerGpus} for each of a trial's workers, at least {workers}, but this machine has "
                + $"{WorkerRoom.GpuCount(machine.Devices.Length)}: lower it, or training.workers");
        }
        if (workers * training.WorkerMemoryBytes() > machine.WorkerMemoryBytes)
        {
            yield return new("training.worker_memory", $"is {WorkerRoom.Gibibytes(training.WorkerMemoryBytes()!.Value)} for each of a trial's workers, at least "
                + $"{workers}, but this machine has {WorkerRoom.Gibibytes(machine.WorkerMemoryBytes)} for workers: lower it, or training.workers");
        }
    }

    /// <summary>
    /// Settings of the node: nothing but <c>study.parallel</c>, and memory and GPUs where they are asked for, limits how many attempts run. Each may have an
    /// equal share of the memory unless its spec says how much it needs.
    /// </summary>
    private static NodeOptions Options(StudyRun run, SqliteJournal? journal)
    {
        int parallel = run.Parallel ?? run.Study.Parallel;
        var options = new NodeOptions
        {
            Port = 0,
            TensorPort = 0,
            ApiPort = 0,
            Secret = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32)),
            Journal = NodeOptions.NoJournal,
            WorkerSlots = NodeOptions.WorkerSlotsMax,
            // some more than the study wants now, for it can be set to more while it runs
            TrialProcesses = Math.Min(Math.Max(parallel, 4 * Environment.ProcessorCount), NodeOptions.TrialProcessesMax),
            JobsMax = LargestParallel,
            StateRoot = journal?.Folder,
        };
        return options with { TrialMemoryBytes = Math.Max(options.WorkerMemoryBytes / parallel, NodeOptions.LeastMemoryBytes) };
    }

    public async ValueTask DisposeAsync() => await _stop().ConfigureAwait(false);
}
