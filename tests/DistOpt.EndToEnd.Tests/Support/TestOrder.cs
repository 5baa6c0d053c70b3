// the tests start processes and wait for them most of the time: three at a time keep two cores busy
[assembly: CollectionBehavior(MaxParallelThreads = 3)]

namespace DistOpt.EndToEnd.Tests.Support;

/// <summary>Tests that count threads, measure memory or stop clocks: after all others, one at a time.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}
