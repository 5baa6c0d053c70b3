using DistOpt.Actors.Workers;

namespace DistOpt.Actors.Tests.Workers;

public sealed class WeightsGateTests
{
    private readonly WeightsGate _gate = new();

    [Fact]
    public void It_closes_once_all_slices_are_complete_at_one_version_beyond_the_last()
    {
        Write(0, 3);
        Assert.False(_gate.TryComplete(2));
        Write(1, 2);
        Assert.False(_gate.TryComplete(2));
        Write(1, 3);
        Assert.True(_gate.TryComplete(2));
        Assert.Equal(3, _gate.Version);
        Assert.False(_gate.TryBegin(0, 4));
        _gate.Open();
        Assert.False(_gate.TryComplete(2));
        Assert.True(_gate.TryBegin(0, 4));
    }

    [Fact]
    public void A_slice_that_is_granted_is_torn_until_it_is_written()
    {
        Write(0, 1);
        Assert.True(_gate.TryComplete(1));
        _gate.Open();
        Assert.True(_gate.TryClose());
        _gate.Open();
        Assert.True(_gate.TryBegin(0, 2));
        Assert.False(_gate.TryClose());
        Assert.False(_gate.TryComplete(1));
        _gate.Written(0, 2);
        _gate.End(0);
        Assert.True(_gate.TryComplete(1));
    }

    [Fact]
    public void What_is_not_newer_is_late()
    {
        Write(0, 2);
        Assert.False(_gate.TryBegin(0, 2));
        Assert.False(_gate.TryBegin(0, 1));
        Assert.True(_gate.IsLate(0, 2));
        Assert.False(_gate.IsLate(0, 3));
    }

    [Fact]
    public void Nothing_is_written_where_a_frame_is_being_read_into_place()
    {
        Assert.True(_gate.TryBegin(0, 5));
        // from the successor of a server that still sends
        Assert.False(_gate.TryBegin(0, 5));
        Assert.False(_gate.TryBegin(0, 6));
        Assert.True(_gate.TryBegin(1, 6));
        Assert.False(_gate.TryComplete(1));

        Assert.True(_gate.End(0));
        Assert.True(_gate.TryBegin(0, 6));
    }

    /// <summary>
    /// Whoever copies may be held up in the middle for as long as a network needs for the next frame, and would then write old values over new ones.
    /// </summary>
    [Fact]
    public void A_later_version_waits_until_an_earlier_one_is_copied()
    {
        Assert.True(_gate.TryBegin(0, 1));
        Assert.False(_gate.TryBegin(0, 2));
        _gate.Written(0, 1);
        Assert.False(_gate.TryBegin(0, 2));
        Assert.True(_gate.End(0));
        Assert.True(_gate.TryBegin(0, 2));
    }

    [Fact]
    public void The_end_of_a_read_says_whether_others_were_refused()
    {
        Assert.True(_gate.TryBegin(0, 1));
        _gate.Written(0, 1);
        Assert.False(_gate.End(0));
        Assert.True(_gate.TryBegin(0, 2));
        Assert.False(_gate.TryBegin(0, 1)); // late all the same
        Assert.False(_gate.End(0));
        Assert.False(_gate.End(0));
    }

    private void Write(long slice, long version)
    {
        Assert.True(_gate.TryBegin(slice, version));
        _gate.Written(slice, version);
        _gate.End(slice);
    }
}
