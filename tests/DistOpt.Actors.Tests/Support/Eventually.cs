namespace DistOpt.Actors.Tests.Support;

/// <summary>Waits for what no message tells.</summary>
internal static class Eventually
{
    /// <summary>Looks again and again until it holds, or the test is cancelled.</summary>
    public static async Task Until(Func<bool> holds)
    {
        while (!holds())
        {
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }
}
