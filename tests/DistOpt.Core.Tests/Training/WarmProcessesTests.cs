using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Training;

/// <summary>Which child processes a node keeps, whether attempts want them now or not.</summary>
public sealed class WarmProcessesTests
{
    private static readonly DateTimeOffset Start = DateTimeOffset.UnixEpoch;

    private readonly WarmProcesses _warm = new(TimeSpan.FromSeconds(30));

    private int Keep(int wanted, int existing, int second) =>
        Keep(Enumerable.Repeat(0, wanted), Enumerable.Repeat(0, existing), second).Count(g => g == 0);

    private int[] Keep(IEnumerable<int> wanted, IEnumerable<int> existing, int second, int processesMax = 10, int gpus = 0) =>
        [.. _warm.Keep([.. wanted], [.. existing], processesMax, gpus, Start.AddSeconds(second))];

    [Fact]
    public void Children_are_kept_for_a_while_after_fewer_are_wanted()
    {
        Assert.Equal(3, Keep(3, 0, 0));
        Assert.Equal(3, Keep(1, 3, 10));
        // wanted again meanwhile
        Assert.Equal(3, Keep(3, 3, 35));
        Assert.Equal(3, Keep(1, 3, 40));
        Assert.Equal(3, Keep(2, 3, 69));
        Assert.Equal(2, Keep(2, 3, 70));
        Assert.Equal(4, Keep(4, 2, 71));
        Assert.Equal(4, Keep(0, 4, 72));
        Assert.Equal(0, Keep(0, 4, 102));
    }

    [Fact]
    public void Children_that_a_former_coordinator_wanted_stay_as_long_as_others()
    {
        Assert.Equal(2, Keep(0, 2, 0));
        Assert.Equal(0, Keep(0, 2, 30));
    }

    [Fact]
    public void Children_with_GPUs_are_kept_by_their_number_each_kind_for_itself()
    {
        Assert.Equal([0, 1, 2], Keep([2, 0, 1], [], 0, gpus: 4));
        Assert.Equal([0, 1, 2], Keep([2, 0], [0, 1, 2], 10, gpus: 4));
        Assert.Equal([0, 1, 2], Keep([2], [0, 1, 2], 20, gpus: 4));
        Assert.Equal([0, 2], Keep([2], [0, 1, 2], 40, gpus: 4));
        Assert.Equal([2], Keep([2], [0, 2], 50, gpus: 4));
    }

    [Fact]
    public void A_child_that_nobody_wants_goes_at_once_where_its_GPUs_are_wanted_and_is_not_started_again()
    {
        Assert.Equal([0, 2], Keep([0, 2], [], 0, gpus: 2));
        // one with a single GPU needs one of the two
        Assert.Equal([0, 1], Keep([1], [0, 2], 1, gpus: 2));
        Assert.Equal([0, 1], Keep([1], [0, 1], 2, gpus: 4));
        // a job in the node itself has them now
        Assert.Equal([0], Keep([], [0, 1], 3, gpus: 0));
        // those that are busy stay, whatever the node says that it has
        Assert.Equal([0, 2], Keep([2], [0, 2], 4, gpus: 1));
    }

    [Fact]
    public void A_child_that_nobody_wants_goes_at_once_where_there_may_be_no_more_processes()
    {
        Assert.Equal([0, 0], Keep([0, 0], [], 0, processesMax: 2, gpus: 2));
        Assert.Equal([0, 1], Keep([1], [0, 0], 1, processesMax: 2, gpus: 2));
        Assert.Equal([1, 1], Keep([1, 1], [0, 1], 2, processesMax: 2, gpus: 2));
    }
}
