using Xunit.Sdk;

namespace DistOpt.Hosting.Tests.Support;

/// <summary>The measure by which tests find leaks finds them.</summary>
[Collection(nameof(WholeProcess))]
public sealed class MemoryTests
{
    private const int Items = 2_500;

    private readonly List<byte[]> _kept = [];

    [Fact]
    [Trait("Category", "Long")]
    public async Task A_kilobyte_an_item_that_stays_is_seen()
    {
        var error = await Assert.ThrowsAnyAsync<XunitException>(() => Memory.StopsGrowingAsync(() => Keep(Items, 1024), Items, managed: 500, native: 800));

        Assert.Contains("each round leaves something", error.Message);
        Assert.Contains("managed 10", error.Message);
    }

    [Fact]
    public async Task What_grows_to_its_size_and_no_further_is_no_leak()
    {
        int rounds = 0;

        // more than what earlier tests have left to be given back, which would hide it
        await Memory.StopsGrowingAsync(() => ++rounds is 1 or 3 ? Keep(32, 1 << 20) : Task.CompletedTask, Items, managed: 500, native: 800);

        // one more where others gave something back meanwhile, one fewer where that was in the very round in which it grew
        Assert.InRange(rounds, 4, 8);
    }

    [Fact]
    [Trait("Category", "Long")]
    public async Task What_others_give_back_meanwhile_hides_nothing()
    {
        int rounds = 0;
        var others = new Stack<byte[]>(Enumerable.Range(0, 3).Select(_ => new byte[16 << 20]));

        await Assert.ThrowsAnyAsync<XunitException>(() => Memory.StopsGrowingAsync(() =>
        {
            if (++rounds is 2 or 3 or 4) others.Pop();
            return Keep(Items, 1024);
        }, Items, managed: 500, native: 8000));
    }

    [Fact]
    [Trait("Category", "Long")]
    public async Task What_goes_up_and_down_and_does_not_grow_is_no_leak()
    {
        int rounds = 0;
        byte[]? other = null;

        await Memory.StopsGrowingAsync(() =>
        {
            other = ++rounds % 2 == 0 ? null : new byte[8 << 20];
            return Task.CompletedTask;
        }, Items, managed: 500, native: 8000);

        Assert.Equal(15, rounds);
        GC.KeepAlive(other);
    }

    private Task Keep(int count, int bytes)
    {
        for (int i = 0; i < count; i++) _kept.Add(new byte[bytes]);
        return Task.CompletedTask;
    }
}
