using DistOpt.Core.Batching;

namespace DistOpt.Core.Tests.Batching;

public sealed class EpochOrderTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(1797)]
    public void Every_epoch_visits_every_sample_once(int count)
    {
        var order = new EpochOrder(42, count);
        for (int epoch = 0; epoch < 4; epoch++)
            Assert.Equal(Enumerable.Range(0, count), order.Order(epoch).ToArray().Order());
    }

    [Fact]
    public void Two_processes_derive_the_same_order_whatever_epochs_they_asked_for_before()
    {
        var first = new EpochOrder(42, 500);
        var second = new EpochOrder(42, 500);
        for (int epoch = 0; epoch < 5; epoch++) first.Order(epoch);
        Assert.Equal(first.Order(3).ToArray(), second.Order(3).ToArray());
        Assert.Equal(first.Order(0).ToArray(), second.Order(0).ToArray());
    }

    [Fact]
    public void Orders_differ_by_epoch_and_by_seed()
    {
        int[] a = new EpochOrder(42, 500).Order(0).ToArray();
        Assert.NotEqual(a, new EpochOrder(42, 500).Order(1).ToArray());
        Assert.NotEqual(a, new EpochOrder(43, 500).Order(0).ToArray());
        Assert.NotEqual(Enumerable.Range(0, 500), a);
    }

    [Fact]
    public void The_current_and_the_next_epoch_are_kept()
    {
        var order = new EpochOrder(42, 500);
        var current = order.Order(6);
        var next = order.Order(7);
        Assert.True(current.Equals(order.Order(6)) && next.Equals(order.Order(7)));
        order.Order(8);
        Assert.True(next.Equals(order.Order(7)));
        Assert.False(current.Equals(order.Order(6)));
        Assert.Equal(current.ToArray(), order.Order(6).ToArray());
    }

    [Fact]
    public void Threads_that_ask_at_once_get_one_array()
    {
        var order = new EpochOrder(42, 20_000);
        for (int epoch = 0; epoch < 5; epoch++)
        {
            var got = new ReadOnlyMemory<int>[8];
            int asked = epoch;
            Parallel.For(0, got.Length, i => got[i] = order.Order(asked));
            Assert.All(got, g => Assert.True(g.Equals(got[0])));
        }
    }

    [Fact]
    public void A_slice_is_that_slice_of_the_order()
    {
        var order = new EpochOrder(1, 100);
        var indices = new long[10];
        order.CopyTo(2, new PositionRange(30, 40), indices);
        Assert.Equal(order.Order(2).ToArray()[30..40].Select(i => (long)i), indices);
        Assert.Throws<ArgumentOutOfRangeException>(() => order.CopyTo(2, new PositionRange(95, 101), new long[10]));
    }

    [Fact]
    public void First_places_are_even_over_seeds()
    {
        var counts = new int[10];
        for (int seed = 0; seed < 10_000; seed++) counts[new EpochOrder(seed, 10).Order(0).Span[0]]++;
        double chiSquare = counts.Sum(c => (c - 1000.0) * (c - 1000.0) / 1000);
        Assert.True(chiSquare < 9 + 6 * Math.Sqrt(18), $"chi-square {chiSquare} at 9 degrees of freedom");
    }
}
