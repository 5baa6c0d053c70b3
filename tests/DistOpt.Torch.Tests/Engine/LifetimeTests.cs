using System.Diagnostics;
using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;
using DistOpt.Core.Training;
using DistOpt.Torch.Engine;
using TorchSharp;

namespace DistOpt.Torch.Tests.Engine;

[Collection(EngineCollection.Name)]
public class LifetimeTests
{
    [Theory]
    [InlineData("mlp")]
    [InlineData("norm")]
    [InlineData("drop")]
    public void Two_thousand_steps_leave_no_tensor_and_no_memory_behind(string model)
    {
        var spec = model == "mlp" ? TestJobs.Mlp() : TestJobs.Spec(model, new NetOptions());
        using var job = TestJobs.Open(spec);
        var (weights, buffers) = TestJobs.Initial(job);
        using var worker = job.CreateWorker(weights);
        var gradient = new FlatBuffer(weights.Length);
        var after = new float[buffers.Length];
        void Run(int steps)
        {
            for (int i = 0; i < steps; i++)
                worker.ComputeLeaf(TestJobs.Plan(i, i / 4, i % 4 * 16, 16), new PositionRange(0, 16), 0, gradient, buffers, after);
            worker.Evaluate(DataSplit.Validation, new PositionRange(0, 5), buffers);
        }
        Run(200);
        long tensors = Live();
        long managed = GC.GetTotalMemory(forceFullCollection: true);
        long resident = Resident();
        Run(2000);
        Assert.Equal(tensors, Live());
        Assert.True(GC.GetTotalMemory(forceFullCollection: true) - managed < 200_000, "managed memory grew");
        Assert.True(Resident() - resident < 16 << 20, "native memory grew");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void Twenty_jobs_leave_no_thread_and_no_tensor_behind(int prefetch)
    {
        var spec = TestJobs.Mlp();
        spec = spec with { Data = spec.Data with { Prefetch = prefetch } };
        void Run()
        {
            using var job = TestJobs.Open(spec);
            var (weights, buffers) = TestJobs.Initial(job);
            using var a = job.CreateWorker(weights);
            using var b = job.CreateWorker(weights);
            var gradient = new FlatBuffer(weights.Length);
            var plan = TestJobs.Plan(0, 0, 0, 16);
            foreach (var worker in new[] { a, b })
            {
                worker.Prefetch(plan, new PositionRange(0, 8), 0);
                worker.Prefetch(plan, new PositionRange(8, 16), 1);
                worker.ComputeLeaf(plan, new PositionRange(0, 8), 0, gradient, buffers, []);
            }
        }
        Run();
        long tensors = Live();
        for (int i = 0; i < 20; i++) Run();
        // counted for each thread, so batches that others load would count as freed twice
        if (prefetch == 0) Assert.Equal(tensors, Live());
        // the kernel may still show a thread for a moment after it was joined
        Assert.True(SpinWait.SpinUntil(() => PrefetchThreads() == 0, TimeSpan.FromSeconds(10)));
    }

    [Fact]
    public void Prefetched_batches_give_the_same_bits_and_are_loaded_once()
    {
        ToyData? data = null;
        var catalog = TorchCatalog.Default().AddDataset<ToyOptions, SupervisedBatch>("toy", (options, _) => data = new ToyData(options));
        var spec = TestJobs.Mlp();
        spec = spec with { Data = spec.Data with { Prefetch = 3 } };
        using var job = TestJobs.Open(spec, catalog);
        var (weights, buffers) = TestJobs.Initial(job);
        using var plain = job.CreateWorker(weights);
        using var ahead = job.CreateWorker(weights);
        var expected = new FlatBuffer(weights.Length);
        var gradient = new FlatBuffer(weights.Length);
        for (int step = 0; step < 20; step++)
        {
            var plan = TestJobs.Plan(step, step / 4, step % 4 * 16, 16);
            plain.ComputeLeaf(plan, new PositionRange(3, 14), 0, expected, buffers, []);
            int before = data!.Loads;
            ahead.Prefetch(plan, new PositionRange(3, 14), 0);
            ahead.Prefetch(plan, new PositionRange(3, 14), 0);
            ahead.ComputeLeaf(plan, new PositionRange(3, 14), 0, gradient, buffers, []);
            Assert.Equal(expected.Span.ToArray(), gradient.Span.ToArray());
            Assert.Equal(before + 1, data.Loads);
        }
    }

    [Fact]
    public void Batches_that_nobody_takes_make_room_for_those_of_later_steps()
    {
        var spec = TestJobs.Mlp();
        using var job = TestJobs.Open(spec);
        using var prefetcher = new BatchPrefetcher(new BatchLoader(new ToyData(new ToyOptions()), ((TorchJobRuntime)job).Splits, 11), 2);
        for (int step = 0; step < 50; step++)
        {
            prefetcher.DropBefore(step);
            for (int i = 0; i < 4; i++) prefetcher.Request(step, 0, new PositionRange(i * 4, i * 4 + 4));
            using var batch = prefetcher.Take(0, new PositionRange(4, 8));
            if (batch is not null) Assert.Equal(4, batch.FirstPosition);
        }
    }

    [Fact]
    public void An_exception_of_the_data_set_reaches_the_one_who_computes()
    {
        var spec = TestJobs.Mlp();
        using var good = TestJobs.Open(spec);
        var splits = ((TorchJobRuntime)good).Splits;
        long broken = splits.Train.Span[new EpochOrder(spec.Seed, splits.Counts.Train).Order(0).Span[40]];
        foreach (int prefetch in new[] { 0, 2 })
        {
            var data = spec.Data with { Options = new ToyOptions { FailAt = broken }, Prefetch = prefetch };
            using var job = TestJobs.Open(spec with { Data = data });
            var (weights, buffers) = TestJobs.Initial(job);
            using var worker = job.CreateWorker(weights);
            var gradient = new FlatBuffer(weights.Length);
            var plan = TestJobs.Plan(2, 0, 32, 16);
            worker.Prefetch(plan, new PositionRange(0, 16), 0);
            var e = Assert.Throws<InvalidDataException>(() => worker.ComputeLeaf(plan, new PositionRange(0, 16), 0, gradient, buffers, []));
            Assert.Contains($"sample {broken} is damaged", e.Message, StringComparison.Ordinal);
            worker.ComputeLeaf(TestJobs.Plan(0, 0, 0, 16), new PositionRange(0, 16), 0, gradient, buffers, []);
        }
    }

    private static long Live() => DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;

    private static long Resident()
    {
        using var me = Process.GetCurrentProcess();
        return me.WorkingSet64;
    }

    /// <summary>Threads by the name that the kernel shows (15 characters).</summary>
    private static int PrefetchThreads()
    {
        if (!OperatingSystem.IsLinux()) return 0;
        int count = 0;
        foreach (string task in Directory.GetDirectories("/proc/self/task"))
        {
            try
            {
                if (File.ReadAllText(Path.Combine(task, "comm")).StartsWith("distopt-prefetc", StringComparison.Ordinal)) count++;
            }
            catch (IOException)
            {
                // the thread has just ended
            }
        }
        return count;
    }
}
