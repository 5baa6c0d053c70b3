namespace DistOpt.Hosting.Tests;

/// <summary>Tests that count what the whole process holds (threads, handles, allocations): they run alone.</summary>
[CollectionDefinition(nameof(WholeProcess), DisableParallelization = true)]
public sealed class WholeProcess;
