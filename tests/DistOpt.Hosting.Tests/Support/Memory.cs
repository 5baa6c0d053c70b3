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
    /// may do at any time, shows in a round or two; what leaks so much an item shows in each of them.
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
        int still = 0;
        while (still < 2 || rounds.Count < roundsMin)
        {
            Assert.True(rounds.Count < RoundsMax, $"each round leaves something, in bytes an item: {string.Join("; ", rounds)}");
            await load();
            var held = await SettledAsync();
            double grown = (held.Managed - before.Managed) / (double)items, grownNative = (held.Native - before.Native) / (double)items;
            rounds.Add($"managed {grown:0}, native {grownNative:0}");
            if (grown > managed || grownNative > native) still = 0;
            // what others leave behind goes at any time, and hides what this load may have left
            else if (grown >= -managed && grownNative >= -native) still++;
            before = held;
        }
        TestContext.Current.TestOutputHelper?.WriteLine(string.Join("; ", rounds));
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
