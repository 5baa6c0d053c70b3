using DistOpt.Core.Batching;
using DistOpt.Core.Datasets;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Torch.Tests.Engine;

[Collection(EngineCollection.Name)]
public class DigitsTests
{
    [Fact]
    public void Plain_gradient_descent_on_leaves_learns_the_digits()
    {
        var spec = new TrainingSpec
        {
            Data = new DataSpec { Options = new DigitsOptions() },
            Model = new ModelSpec { Options = new DistOpt.Torch.Models.MlpOptions() },
            Loss = new PluginSpec("cross-entropy", new DistOpt.Torch.Losses.CrossEntropyOptions()),
        };
        using var job = TestJobs.Open(spec);
        Assert.Empty(job.Warnings);
        var (weights, buffers) = TestJobs.Initial(job);
        using var worker = job.CreateWorker(weights);
        var gradient = new FlatBuffer(weights.Length);
        const int size = 64;
        long step = 0;
        for (int epoch = 0; epoch < 20; epoch++)
        {
            for (long at = 0; at < job.Data.Train; at += size, step++)
            {
                int rows = (int)Math.Min(size, job.Data.Train - at);
                var plan = new StepPlan(step, epoch, at, rows, 0);
                var leaf = worker.ComputeLeaf(plan, new PositionRange(0, rows), 0, gradient, buffers, []);
                float rate = (float)(0.2 / leaf.Weight);
                for (int i = 0; i < weights.Length; i++) weights.Span[i] -= rate * gradient.Span[i];
            }
        }
        var test = worker.Evaluate(DataSplit.Test, new PositionRange(0, job.Data.Test), buffers);
        Assert.Equal(job.Data.Test, test["accuracy"].Weight);
        Assert.True(test["accuracy"].Value > 0.93, $"test accuracy is {test["accuracy"].Value}");
    }
}
