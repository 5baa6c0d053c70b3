namespace DistOpt.Actors.Tests.Support;

/// <summary>Waits for what no message tells.</summary>
internal static class Eventually
{
    /// <summary>Limit of every wait: what is right must come true however slow the machine is, and what is wrong must not hang.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    /// <summary>Looks again and again until it holds, or the test is cancelled.</summary>
    public static async Task Until(Func<bool> holds)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Patience);
        // leaves the processors to those who are to make it true
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(2));
        while (!holds()) await look.WaitForNextTickAsync(limit.Token);
    }
}
