using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.Hosting.Tests.Support;

/// <summary>What the process holds after everything that nobody needs is collected.</summary>
internal static class Memory
{
    /// <summary>Readings of which the least counts: what runs down after a load takes a moment.</summary>
    private const int Readings = 4;

    private const int RoundsMax = 15;

    public static (long Managed, long Native) Held()
    {
        long native = ProcessState.NativeBytes();
        return (GC.GetTotalMemory(forceFullCollection: true), native);
    }

    /// <summary>
    /// Repeats a load until it leaves nothing behind in two rounds with none in between that does. A pool or a table that still grows to its size, which it
    /// may do at any time, shows in a round or two; what leaks so much an item shows in each of them. Where the readings are too restless for that, the
    /// median over all rounds counts.
    /// </summary>
    /// <param name="load">One round.</param>
    /// <param name="items">Items in a round.</param>
    /// <param name="managed">Bytes an item that a round may leave.</param>
    /// <param name="native">Likewise.</param>
    /// <param name="roundsMin">Rounds at the least.</param>
    public static async Task StopsGrowingAsync(Func<Task> load, int items, double managed, double native, int roundsMin = 2)
    {
        var before = await SettledAsync();
        var rounds = new List<string>();
        var readings = new List<(long Managed, long Native)>();
        int still = 0;
        while (still < 2 || rounds.Count < roundsMin)
        {
            if (rounds.Count == RoundsMax)
            {
                double usual = Usual(readings, r => r.Managed) / items, usualNative = Usual(readings, r => r.Native) / items;
                rounds.Add($"most often managed {usual:0}, native {usualNative:0}");
                Assert.True(usual <= managed && usualNative <= native, $"each round leaves something, in bytes an item: {string.Join("; ", rounds)}");
                break;
            }
            await load();
            var held = await SettledAsync();
            readings.Add(held);
            double grown = (held.Managed - before.Managed) / (double)items, grownNative = (held.Native - before.Native) / (double)items;
            rounds.Add($"managed {grown:0}, native {grownNative:0}");
            if (grown > managed || grownNative > native) still = 0;
            // what others leave behind goes at any time, and hides what this load may have left
            else if (grown >= -managed && grownNative >= -native) still++;
            before = held;
        }
        TestContext.Current.TestOutputHelper?.WriteLine(string.Join("; ", rounds));
    }

    /// <summary>The median of what rounds leave: one pool that grows to its size, or one thing that others give back, does not move it.</summary>
    private static double Usual(List<(long Managed, long Native)> readings, Func<(long Managed, long Native), long> of)
    {
        double[] grown = [.. readings.Zip(readings.Skip(1), (before, after) => (double)(of(after) - of(before))).Order()];
        return (grown[grown.Length / 2] + grown[(grown.Length - 1) / 2]) / 2;
    }

    private static async Task<(long Managed, long Native)> SettledAsync()
    {
        var least = Held();
        for (int i = 1; i < Readings; i++)
        {
            await Task.Yield();
            var held = Held();
            least = (Math.Min(least.Managed, held.Managed), Math.Min(least.Native, held.Native));
        }
        return least;
    }
}
