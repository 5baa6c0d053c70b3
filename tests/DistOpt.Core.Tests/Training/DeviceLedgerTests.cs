using System.Collections.Immutable;
using DistOpt.Core.Randomness;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Training;

public sealed class DeviceLedgerTests
{
    [Fact]
    public void A_process_gets_the_first_devices_that_nobody_has_or_none_where_too_few_are_left()
    {
        var ledger = new DeviceLedger(["4", "5", "GPU-a"]);

        Assert.Equal(["4"], ledger.Take(0, 1)!.Value);
        Assert.Equal(["5", "GPU-a"], ledger.Take(1, 2)!.Value);
        Assert.Null(ledger.Take(2, 1));
        Assert.Empty(ledger.Take(2, 0)!.Value);
        ledger.Return(0);
        Assert.Null(ledger.Take(3, 2));
        Assert.Equal(["4"], ledger.Take(3, 1)!.Value);
        Assert.Equal(0, ledger.Free);
    }

    [Fact]
    public void A_process_has_the_same_devices_until_it_has_ended()
    {
        var ledger = new DeviceLedger(["0", "1"]);
        ledger.Take(7, 1);

        Assert.Throws<InvalidOperationException>(() => ledger.Take(7, 1));
        ledger.Return(7);
        ledger.Return(7);
        Assert.Equal(2, ledger.Free);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void No_device_is_held_by_two_and_none_is_lost_whatever_begins_and_ends(int seed)
    {
        var random = new CounterRandom(seed, RandomPurpose.User);
        ImmutableArray<string> all = ["0", "1", "2", "3", "4"];
        var ledger = new DeviceLedger(all);
        var held = new Dictionary<int, ImmutableArray<string>>();
        int refused = 0;
        for (int i = 0; i < 5_000; i++)
        {
            int process = random.NextInt(8);
            if (held.Remove(process))
            {
                // it ends, or is killed: it is the same to others
                ledger.Return(process);
            }
            else
            {
                int count = random.NextInt(4), free = all.Length - held.Values.Sum(h => h.Length);
                var devices = ledger.Take(process, count);
                Assert.Equal(count <= free, devices is not null);
                if (devices is null) refused++;
                else held[process] = devices.Value;
                Assert.Equal(count, devices?.Length ?? count);
            }
            var taken = held.Values.SelectMany(h => h).ToList();
            Assert.Equal(taken.Count, taken.Distinct().Count());
            Assert.Subset(all.ToHashSet(), taken.ToHashSet());
            Assert.Equal(all.Length - taken.Count, ledger.Free);
        }
        Assert.InRange(refused, 100, 4_000);
    }
}
