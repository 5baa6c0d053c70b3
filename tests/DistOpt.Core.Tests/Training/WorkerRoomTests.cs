using DistOpt.Core.Parameters;
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
        Assert.Equal(workers, new WorkerRoom(slots, memory, null).Workers(each, 0));

    [Theory]
    [InlineData(4, 5L, 2, 2)]
    [InlineData(1, 5L, 2, 1)]
    [InlineData(4, 1L, 2, 0)]
    [InlineData(4, -1L, 1, 0)]
    [InlineData(4, 0L, 0, 4)]
    [InlineData(4, null, 2, 4)]
    public void As_many_workers_fit_as_GPUs_are_left_for(int slots, long? gpus, int each, int workers) =>
        Assert.Equal(workers, new WorkerRoom(slots, null, gpus).Workers(null, each));

    [Fact]
    public void The_scarcest_resource_bounds() => Assert.Equal(2, new WorkerRoom(8, 10, 4).Workers(3, 2));

    [Fact]
    public void A_job_is_placed_all_at_once_where_the_GPUs_of_every_worker_are_free_or_not_at_all()
    {
        // slots are left for eight each, GPUs for two, one and none
        NodeCapacity[] nodes = [Node("a", 5), Node("b", 3), Node("c", 1)];

        var placement = JobPlacer.Place(nodes, 3, 4, KeyRangePartitioner.Cut(10, 1), out _)!;
        Assert.Equal(["a", "a", "b"], placement.Workers.Select(w => w.Node));
        Assert.Null(JobPlacer.Place(nodes, 4, 4, KeyRangePartitioner.Cut(10, 1), out string? missing));
        Assert.Equal("1 more worker slots (nodes offer 3), each with 2 GPUs (training.worker_gpus)", missing + WorkerRoom.Each(null, 2));

        static NodeCapacity Node(string id, int gpus) => new(id, new WorkerRoom(8, null, gpus).Workers(null, 2), true);
    }

    [Fact]
    public void What_workers_take_is_said_where_they_take_something()
    {
        Assert.Equal("", WorkerRoom.Each(null, 0));
        Assert.Equal(", each with 3 GiB of memory (training.worker_memory)", WorkerRoom.Each(3L << 30, 0));
        Assert.Equal(", each with 3 GiB of memory (training.worker_memory) and 1 GPU (training.worker_gpus)", WorkerRoom.Each(3L << 30, 1));
    }

    [Fact]
    public void Bytes_are_said_in_gibibytes() => Assert.Equal("1.5 GiB", WorkerRoom.Gibibytes(3L << 29));
}
