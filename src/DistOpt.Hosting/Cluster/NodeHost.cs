using DistOpt.Hosting.Journal;
using DistOpt.Hosting.Processes;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Cluster;

/// <summary>What a node has of the program that hosts it.</summary>
internal sealed record NodeHost
{
    /// <summary>What child processes are started with; null = there are none.</summary>
    public ProgramStart? Program { get; init; }

    /// <summary>Told what the node will be in the cluster, before it joins.</summary>
    public Action<NodeId>? Identified { get; init; }

    /// <summary>Where the host's own persistent actors store, of a node that keeps no journal of its jobs; null = it has none.</summary>
    public SqlJournal? Events { get; init; }

    /// <summary>
    /// Told, with how the last one ended, when child processes for trials end time after time and none has ever joined; null = they are started on and on.
    /// </summary>
    public Action<string>? ChildrenDoNotStart { get; init; }
}
