using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Specs;
using DistOpt.Hosting.Local;
using DistOpt.Hosting.Processes;
using DistOpt.Hosting.Tests.Support;
using DistOpt.Protocol;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistOpt.Hosting.Tests.Processes;

/// <summary>What the processes of one job on one machine are told of its GPUs. The processes are no nodes: they write that down and end.</summary>
public sealed class ProcessJobDevicesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Processes_of_a_job_that_asks_for_no_GPUs_see_what_there_is_and_one_that_asks_for_more_than_there_are_never_starts()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "there is no sh");
        Assert.SkipUnless(new Hosting.Cluster.NodeOptions().Devices.IsEmpty, "this machine has GPUs");
        string file = Path.Combine(_folder, "told");
        string script = $"case \"$*\" in *--gpus*) g=\"--gpus ${{*##*--gpus }}\";; *) g=none;; esac; echo \"[${{CUDA_VISIBLE_DEVICES-unset}}] $g\" >> {file}";
        var spec = new LinearParts().Read(LinearParts.Yaml(workers: 2));
        Task RunAsync(int gpus) => ProcessJobHost.RunAsync(new JobId("job-1"), spec with { Training = spec.Training with { WorkerGpus = gpus } },
            LinearParts.Of(new LinearRuntime()), new RecordingSink(), JobStorage.None, processes: 2, maxRestarts: 0, new ProgramStart("/bin/sh", ["-c", script]),
            NullLoggerFactory.Instance, TimeProvider.System);

        var refused = await Assert.ThrowsAsync<SpecException>(() => RunAsync(3));
        Assert.Contains("training.worker_gpus: is 3 for each of 2 workers, but this machine has 0 GPUs for 6 that they want", refused.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(file));
        await Assert.ThrowsAsync<InvalidOperationException>(() => RunAsync(0));
        Assert.Equal(["[unset] none", "[unset] none"], File.ReadAllLines(file));
    }
}
