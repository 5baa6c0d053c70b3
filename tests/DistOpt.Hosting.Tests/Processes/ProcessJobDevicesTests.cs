using DistOpt.Actors.Tests.Support;
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

    [Theory]
    [InlineData(0, "[unset] none")]
    [InlineData(1, "[] --gpus 0")]
    public async Task Processes_of_a_job_that_asks_for_GPUs_see_their_part_and_those_of_another_what_there_is(int gpus, string told)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "there is no sh");
        Assert.SkipUnless(new Hosting.Cluster.NodeOptions().Devices.IsEmpty, "this machine has GPUs");
        string file = Path.Combine(_folder, "told");
        string script = $"case \"$*\" in *--gpus*) g=\"--gpus ${{*##*--gpus }}\";; *) g=none;; esac; echo \"[${{CUDA_VISIBLE_DEVICES-unset}}] $g\" >> {file}";
        var spec = new LinearParts().Read(LinearParts.Yaml(workers: 2));
        spec = spec with { Training = spec.Training with { WorkerGpus = gpus } };

        await Assert.ThrowsAsync<InvalidOperationException>(() => ProcessJobHost.RunAsync(new JobId("job-1"), spec, LinearParts.Of(new LinearRuntime()),
            new RecordingSink(), JobStorage.None, processes: 2, maxRestarts: 0, new ProgramStart("/bin/sh", ["-c", script]), NullLoggerFactory.Instance,
            TimeProvider.System));

        Assert.Equal([told, told], File.ReadAllLines(file));
    }
}
