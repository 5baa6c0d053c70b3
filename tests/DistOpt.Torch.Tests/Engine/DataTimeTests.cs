using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;

namespace DistOpt.Torch.Tests.Engine;

[Collection(EngineCollection.Name)]
public class DataTimeTests
{
    [Fact]
    public void A_worker_tells_once_how_long_its_batches_took()
    {
        using var job = TestJobs.Open(TestJobs.Mlp());
        var (weights, buffers) = TestJobs.Initial(job);
        using var worker = job.CreateWorker(weights);
        Assert.Equal(0, worker.TakeDataSeconds());

        worker.ComputeLeaf(TestJobs.Plan(0, 0, 0, 16), new PositionRange(0, 16), 0, new FlatBuffer(weights.Length), buffers, []);

        Assert.InRange(worker.TakeDataSeconds(), 1e-9, 60);
        Assert.Equal(0, worker.TakeDataSeconds());
    }
}
