// nodes in one process, whose tests wait for timers and gossip: two at a time leave two cores idle for two thirds of the time
[assembly: CollectionBehavior(MaxParallelThreads = 6)]

namespace DistOpt.Hosting.Tests;

/// <summary>Tests that count what the whole process holds (threads, handles, allocations): they run alone.</summary>
[CollectionDefinition(nameof(WholeProcess), DisableParallelization = true)]
public sealed class WholeProcess;
