using DistOpt.Actors.Tensors;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Protocol;

namespace DistOpt.Actors.Nodes;

/// <summary>What the actors of a node work with; given once by the host.</summary>
public sealed record NodeServices
{
    /// <summary>Name for people.</summary>
    public required string Name { get; init; }

    public required INodeRouter Router { get; init; }

    public required ITensorChannel Channel { get; init; }

    public required JobRuntimes Runtimes { get; init; }

    /// <summary>Spec text to spec and back, with the catalogues of this build.</summary>
    public required ISpecCodec Specs { get; init; }

    public required Func<TrainingSpec, IOptimizer> Optimizer { get; init; }

    public required Func<TrainingSpec, ILearningRateSchedule> Schedule { get; init; }

    /// <summary>
    /// Whether this is the only node that there will ever be: servers and workers then share memory, and a loss is the end of everything anyway.
    /// </summary>
    public bool IsAlone { get; init; }

    /// <summary>
    /// Whether a job that begins here ends every other one: a child process for attempts at trials, which a former coordinator may have used.
    /// </summary>
    public bool HoldsOneJob { get; init; }

    /// <summary>Gives memory that nobody uses back to the system, and tells how many bytes the process keeps; null = there is no need to.</summary>
    public Func<long>? ReturnMemory { get; init; }

    /// <summary>Where this node finds a folder that a spec names as <c>storage.path</c>: under that path, unless the host says otherwise.</summary>
    public Func<string, string> SharedFolder { get; init; } = path => path;

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Where the actors record times, bytes and failures; a host that exports them gives its own.</summary>
    public TrainingMeter Meter { get; init; } = TrainingMeter.Unread;

    /// <summary>Dispatcher of actors that compute or block: one thread each.</summary>
    public string ComputeDispatcher { get; init; } = ComputeDispatcherName;

    public const string ComputeDispatcherName = "distopt.compute-dispatcher";

    /// <summary>HOCON of the dispatcher above; every host includes it.</summary>
    public const string Hocon = """
        distopt.compute-dispatcher {
          type = PinnedDispatcher
          executor = fork-join-executor
          throughput = 1
        }
        """;
}

/// <summary>Reads and writes resolved specs as YAML.</summary>
public interface ISpecCodec
{
    /// <exception cref="SpecException">The text is not a valid spec for this build.</exception>
    TrainingSpec Read(string yaml);

    string Write(TrainingSpec spec);
}

/// <summary>
/// 64-bit key of a job on the tensor channel: FNV-1a of its id. No frame of a former run is taken for one of another: a job coordinator runs no id
/// twice, a job that is taken up again goes on in a higher epoch, and a process that is started again has another node id, for which alone its
/// peers' connections and frames are.
/// </summary>
public static class JobKey
{
    public static ulong Of(JobId job)
    {
        ulong hash = 14695981039346656037;
        foreach (char c in job.Value) hash = (hash ^ c) * 1099511628211;
        return hash;
    }
}
