using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Training;

public sealed class WorkerRoomTests
{
    [Theory]
    [InlineData(4, 10L, 3L, 3)]
    [InlineData(2, 10L, 3L, 2)]
    [InlineData(4, 2L, 3L, 0)]
    [InlineData(4, null, 3L, 4)]
    [InlineData(4, 0L, null, 4)]
    [InlineData(-1, 10L, null, 0)]
    [InlineData(4, -1L, 3L, 0)]
    public void As_many_workers_fit_as_slots_and_memory_allow(int slots, long? memory, long? each, int workers) =>
        Assert.Equal(workers, new WorkerRoom(slots, memory).Workers(each));

    [Fact]
    public void Bytes_are_said_in_gibibytes() => Assert.Equal("1.5 GiB", WorkerRoom.Gibibytes(3L << 29));
}
