using System.Diagnostics;
using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Hosting.Local;
using DistOpt.Hosting.Tests.Support;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Tests.Local;

[Collection(nameof(WholeProcess))]
public sealed class LocalJobHostTests
{
    [Fact]
    public async Task A_job_runs_in_this_process()
    {
        var runtime = new LinearRuntime();
        var sink = new RecordingSink();

        var summary = await Run(runtime, sink);

        Assert.Equal(RunStatus.Completed, summary.Status);
        Assert.Equal(22, summary.Steps);
        Assert.NotNull(sink.Selected);
        Assert.Equal((1, 1), (runtime.Opened, runtime.Disposed));
    }

    [Fact]
    public async Task Bad_input_is_thrown_and_the_sink_hears_nothing()
    {
        var sink = new RecordingSink();

        var error = await Assert.ThrowsAsync<SpecException>(() => Run(new LinearRuntime(features: 1000), sink, LinearParts.Yaml(servers: 2)));

        Assert.Contains("at most 1 servers", error.Message);
        Assert.Null(sink.Start);
        Assert.Null(sink.Summary);
    }

    [Fact]
    public async Task Cancelling_ends_the_run_with_its_weights()
    {
        using var cancel = new CancellationTokenSource();
        var runtime = new LinearRuntime { BeforeLeaf = (plan, _) => { if (plan.Step == 4) cancel.Cancel(); } };
        var sink = new RecordingSink();

        var summary = await Run(runtime, sink, LinearParts.Yaml(epochs: 100_000), (cancel.Token, StopReason.Interrupted));

        Assert.Equal(RunStatus.Interrupted, summary.Status);
        Assert.NotNull(sink.Last);
    }

    [Fact]
    public async Task Twenty_runs_leave_no_thread_behind()
    {
        await Run(new LinearRuntime(), new RecordingSink());
        int before = Threads();
        for (int i = 0; i < 20; i++) await Run(new LinearRuntime(), new RecordingSink());
        // the pool may grow or shrink by a few on its own; threads of 20 runs would be more than 60
        Assert.InRange(Threads(), 0, before + 6);
    }

    private static int Threads()
    {
        using var process = Process.GetCurrentProcess();
        return process.Threads.Count;
    }

    private static Task<RunSummary> Run(LinearRuntime runtime, IRunSink sink, string? yaml = null, params (CancellationToken, StopReason)[] stops) =>
        LocalJobHost.RunAsync(new JobId("job"), new LinearParts().Read(yaml ?? LinearParts.Yaml()), LinearParts.Of(runtime), sink,
            JobStorage.None, TimeProvider.System, stops);
}
