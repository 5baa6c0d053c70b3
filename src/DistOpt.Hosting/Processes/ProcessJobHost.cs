using System.Globalization;
using System.Security.Cryptography;
using DistOpt.Actors.Training;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Local;
using DistOpt.Protocol;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Processes;

/// <summary>
/// Runs one job in several processes of this machine (<c>--processes P</c>): this process coordinates, P children of the same program compute,
/// and the first of them hold the servers too. The children are taken down with the job.
/// </summary>
public static class ProcessJobHost
{
    private static readonly TimeSpan StartTime = TimeSpan.FromSeconds(60);

    /// <summary>Arguments of the child's command line: the <c>node</c> command.</summary>
    /// <param name="gpus">Devices that it has; null where the job wants none.</param>
    private static string[] ChildArguments(ClusterNode node, bool server, int slots, int? gpus) =>
    [
        "node", "--roles", server ? "worker,server" : "worker", "--join", node.Endpoint, "--bind", "127.0.0.1", "--port", "0", "--tensor-port", "0",
        "--api-port", "0", "--worker-slots", slots.ToString(CultureInfo.InvariantCulture),
        .. gpus is { } count ? (string[])["--gpus", count.ToString(CultureInfo.InvariantCulture)] : [],
    ];

    /// <summary>Runs the job to its end.</summary>
    /// <param name="storage">Of its checkpoints.</param>
    /// <param name="processes">Children, at least 1.</param>
    /// <param name="maxRestarts">How often each child that dies is started again; one death more fails the job with its last lines.</param>
    /// <param name="program">How the children are started; the same build as this process.</param>
    /// <param name="stops">Tokens, each with the reason why the job ends cleanly at the next step when it is cancelled.</param>
    /// <exception cref="SpecException">Bad input, found before the sink heard of the run.</exception>
    public static async Task<RunSummary> RunAsync(JobId job, TrainingSpec spec, JobParts parts, IRunSink sink, JobStorage storage, int processes,
        int maxRestarts, ProgramStart program, ILoggerFactory loggers, TimeProvider time,
        params IReadOnlyList<(CancellationToken Token, StopReason Reason)> stops)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(processes, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(maxRestarts);
        string secret = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
        var options = new NodeOptions
        {
            Roles = [NodeOptions.Coordinator],
            Port = 0,
            TensorPort = 0,
            ApiPort = 0,
            Secret = secret,
            Journal = NodeOptions.NoJournal,
        };
        if ((long)spec.Training.Workers * spec.Training.WorkerGpus is var wanted && wanted > options.Devices.Length)
        {
            throw new SpecException("training.worker_gpus", $"is {spec.Training.WorkerGpus} for each of {spec.Training.Workers} workers, but this machine has "
                + $"{options.Devices.Length} GPUs for {wanted} that they want; lower it, or training.workers");
        }
        await using var node = await ClusterNode.StartAsync(options, parts, loggers, time, CancellationToken.None).ConfigureAwait(false);
        int slots = (spec.Training.Workers + processes - 1) / processes;
        // with a backup for each server there is a place to go to
        int servers = spec.Training.Servers + spec.Training.Replicas;
        // children's own nodes pass on what user code writes; what comes here was written outside of it
        NodeProcess Start(int i)
        {
            // all of them are on this machine: each of its devices is one child's
            string[]? devices = spec.Training.WorkerGpus == 0 ? null : [.. VisibleDevices.Share(options.Devices, spec.Training.WorkerGpus, i, processes)];
            var environment = devices is null ? null : new Dictionary<string, string> { [VisibleDevices.Variable] = string.Join(',', devices) };
            return NodeProcess.Start(program, i, ChildArguments(node, i < servers, slots, devices?.Length), secret, (child, source, text) =>
                node.OutputOf($"process {child.Index}", source, source == "stderr" ? "warning" : "information", text), environment);
        }

        await using var children = new ProcessGroup(Start, processes, maxRestarts,
            (id, child) => node.ReportGone(new NodeGone(id, child.End) { LastLines = child.LastLines, Stack = child.Report }),
            (index, why) => node.OutputOf($"process {index}", "distopt", "warning", why),
            why => node.FailJob(job, why));
        try
        {
            await children.AllAnnouncedAsync().WaitAsync(StartTime, time).ConfigureAwait(false);
            await AllOfferedAsync(node, await children.AllAnnouncedAsync().ConfigureAwait(false), time).ConfigureAwait(false);
            children.Supervise();
            return await node.RunJobAsync(job, spec, _ => sink, storage, stops).ConfigureAwait(false);
        }
        finally
        {
            // the whole cluster ends: nobody is left to take leave of
            await children.DisposeAsync().ConfigureAwait(false);
            await node.StopAsync(leave: false).ConfigureAwait(false);
        }
    }

    /// <summary>Waits until every child has offered its slots, so that the job is spread over all of them.</summary>
    private static async Task AllOfferedAsync(ClusterNode node, IReadOnlyCollection<NodeId> ids, TimeProvider time)
    {
        long start = time.GetTimestamp();
        while (true)
        {
            var known = await node.NodesAsync().ConfigureAwait(false);
            if (ids.All(id => known.Any(n => n.Node == id))) return;
            if (time.GetElapsedTime(start) > StartTime)
                throw new TimeoutException($"only {known.Count} of {ids.Count} processes have joined within {StartTime.TotalSeconds:0} s");
            await Task.Delay(TimeSpan.FromMilliseconds(20), time).ConfigureAwait(false);
        }
    }
}
