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
        Assert.False(_gate.TryWrite(0, 4));
        _gate.Open();
        Assert.False(_gate.TryComplete(2));
        Assert.True(_gate.TryWrite(0, 4));
    }

    [Fact]
    public void A_slice_that_is_granted_is_torn_until_it_is_written()
    {
        Write(0, 1);
        Assert.True(_gate.TryComplete(1));
        _gate.Open();
        Assert.True(_gate.TryClose());
        _gate.Open();
        Assert.True(_gate.TryWrite(0, 2));
        Assert.False(_gate.TryClose());
        Assert.False(_gate.TryComplete(1));
        _gate.Written(0, 2);
        Assert.True(_gate.TryComplete(1));
    }

    [Fact]
    public void What_is_not_newer_is_late()
    {
        Write(0, 2);
        Assert.False(_gate.TryWrite(0, 2));
        Assert.False(_gate.TryRead(0, 1));
        Assert.True(_gate.IsLate(0, 2));
        Assert.False(_gate.IsLate(0, 3));
    }

    [Fact]
    public void Nothing_is_written_where_a_frame_is_being_read_into_place()
    {
        Assert.True(_gate.TryRead(0, 5));
        // from the successor of a server that still sends
        Assert.False(_gate.TryRead(0, 5));
        Assert.False(_gate.TryWrite(0, 6));
        Assert.True(_gate.TryWrite(1, 6));
        Assert.False(_gate.TryComplete(1));

        Assert.True(_gate.EndRead(0));
        Assert.True(_gate.TryWrite(0, 6));
    }

    [Fact]
    public void The_end_of_a_read_says_whether_others_were_refused()
    {
        Assert.True(_gate.TryRead(0, 1));
        _gate.Written(0, 1);
        Assert.False(_gate.EndRead(0));
        Assert.True(_gate.TryRead(0, 2));
        Assert.False(_gate.TryRead(0, 1)); // late all the same
        Assert.False(_gate.EndRead(0));
        Assert.False(_gate.EndRead(0));
    }

    private void Write(long slice, long version)
    {
        Assert.True(_gate.TryWrite(slice, version));
        _gate.Written(slice, version);
    }
}
