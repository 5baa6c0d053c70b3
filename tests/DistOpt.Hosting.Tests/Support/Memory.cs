using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.Hosting.Tests.Support;

/// <summary>What the process holds after everything that can be collected has been; compared until it is as low as it should be.</summary>
internal static class Memory
{
    public static (long Managed, long Native) Held()
    {
        long native = ProcessState.NativeBytes();
        return (GC.GetTotalMemory(forceFullCollection: true), native);
    }

    /// <summary>Waits until what is held is within the allowances of the baseline: what runs down after a load takes a moment.</summary>
    public static async Task BackToAsync((long Managed, long Native) baseline, long managed, long native)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        var held = Held();
        while (held.Managed > baseline.Managed + managed || held.Native > baseline.Native + native)
        {
            Assert.False(limit.IsCancellationRequested, $"managed {baseline.Managed:n0} -> {held.Managed:n0}, native {baseline.Native:n0} -> {held.Native:n0} bytes");
            await Task.Yield();
            held = Held();
        }
        TestContext.Current.TestOutputHelper?.WriteLine($"managed {baseline.Managed:n0} -> {held.Managed:n0}, native {baseline.Native:n0} -> {held.Native:n0} bytes");
    }
}
