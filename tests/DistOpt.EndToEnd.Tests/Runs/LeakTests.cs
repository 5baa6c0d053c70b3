using DistOpt.Core.Batching;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.EndToEnd.Tests.Support;
using DistOpt.Torch.Models;

namespace DistOpt.EndToEnd.Tests.Runs;

/// <summary>Training in a program that goes on afterwards.</summary>
[Collection(Alone.Name)]
public sealed class LeakTests
{
    private const int Runs = 20;

    [Fact]
    public async Task Twenty_runs_in_one_process_leave_no_thread_no_file_handle_and_no_growing_memory()
    {
        // 1.2 million parameters: one copy of the weights, gradients or optimizer state left behind by each run would be 94 MB in the end
        var spec = new TrainingSpec
        {
            Model = new ModelSpec { Kind = "mlp", Options = new MlpOptions { Hidden = [2048, 512] } },
            Training = new TrainingSection { Epochs = 2, Workers = 2, Servers = 3 },
            Batch = new BatchSpec("fixed", new FixedBatchOptions { Size = 512 }),
        };
        using var folder = new TestFolder();
        for (int i = 0; i < 4; i++) await RunAsync(i);
        var (threads, handles) = (ProcessState.Threads(), ProcessState.Handles());
        var (native, managed) = (ProcessState.NativeBytes(), GC.GetTotalMemory(forceFullCollection: true));

        for (int i = 0; i < Runs; i++) await RunAsync(i);

        // what is held, not what is resident: both allocators keep freed pages for as long as they like
        long nativeGrowth = ProcessState.NativeBytes() - native;
        long managedGrowth = GC.GetTotalMemory(forceFullCollection: true) - managed;
        Assert.True(ProcessState.Threads().Count <= threads.Count, Left(threads, ProcessState.Threads()));
        // the runtime may open a pipe of its own, once, at some moment of its choice; a handle left by each run would be 20
        Assert.True(ProcessState.Handles().Count <= handles.Count + 2, Left(handles, ProcessState.Handles()));
        Assert.True(nativeGrowth < 20 << 20, $"{nativeGrowth >> 10} KiB of native memory more than before {Runs} runs");
        Assert.True(managedGrowth < 20 << 20, $"{managedGrowth >> 10} KiB of managed memory more than before {Runs} runs");

        async Task RunAsync(int i)
        {
            var options = new TrainingOptions { Out = folder.In($"run{i}") };
            var result = await Training.RunAsync(spec with { Seed = i }, null, options, null, TestContext.Current.CancellationToken);
            Assert.Equal(RunStatus.Completed, result.Summary.Status);
            Directory.Delete(result.Directory!, recursive: true);
        }
    }

    private static string Left(List<string> before, List<string> after)
    {
        foreach (string name in before) after.Remove(name);
        return "left behind: " + string.Join(", ", after);
    }
}
