namespace DistOpt.Core.Tests.Support;

internal static class Allocations
{
    private const int Rounds = 5;

    /// <summary>
    /// The bytes that one call of <paramref name="action"/> takes from this thread's managed heap, the least of five: what the runtime
    /// allocates once, while it loads and compiles code, is not the action's, and one that allocates does so every time.
    /// </summary>
    public static long LeastOf(Action action)
    {
        long least = long.MaxValue;
        for (int i = 0; i < Rounds; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            action();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        return least;
    }
}
