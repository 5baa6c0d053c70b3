using DistOpt.EndToEnd.Tests.Cluster;
using DistOpt.EndToEnd.Tests.Studies;
using Xunit.Sdk;
using Xunit.v3;

// the tests start processes and wait for them most of the time: three at a time keep two cores busy
[assembly: CollectionBehavior(MaxParallelThreads = 3)]
[assembly: TestCollectionOrderer(typeof(DistOpt.EndToEnd.Tests.Support.LongestFirst))]

namespace DistOpt.EndToEnd.Tests.Support;

/// <summary>Tests that count threads, measure memory or stop clocks: after all others, one at a time.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}

/// <summary>What takes minutes begins first: else it may be what all others wait for in the end, with the cores idle.</summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    private static readonly Type[] s_longest =
    [
        typeof(KillTests), typeof(CoordinatorFailoverTests), typeof(SweepTests), typeof(StudyChaosTests), typeof(IsolatedTrialTests), typeof(ExamplesTests),
        typeof(DoomedTrialsTests), typeof(ThreeMachinesTests),
    ];

    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection =>
        [.. testCollections.OrderBy(c => Place(c.TestCollectionDisplayName)).ThenBy(c => c.TestCollectionDisplayName, StringComparer.Ordinal)];

    private static int Place(string name)
    {
        int at = Array.FindIndex(s_longest, type => name.Contains($"{type.FullName} ", StringComparison.Ordinal));
        return at < 0 ? s_longest.Length : at;
    }
}
