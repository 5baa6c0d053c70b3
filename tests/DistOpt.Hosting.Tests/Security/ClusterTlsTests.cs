using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Text.Json;
using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Training;
using DistOpt.Hosting.Api;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Tests.Support;
using DistOpt.Hosting.Tests.Tensors;
using DistOpt.Protocol;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Tests.Security;

/// <summary>Whole nodes with certificates.</summary>
public sealed class ClusterTlsTests : IDisposable
{
    private readonly TestCertificates _certificates = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _certificates.Dispose();

    [Fact]
    public async Task A_job_over_three_nodes_with_certificates_runs_to_its_end()
    {
        var spec = new LinearParts().Read(LinearParts.Yaml(workers: 3, servers: 2));
        await using var coordinator = await Start(_certificates.Node() with { Roles = ["coordinator", "server"] });
        await using var one = await Start(_certificates.Node() with { Roles = ["worker", "server"], WorkerSlots = 2, Join = [coordinator.Endpoint] });
        await using var two = await Start(_certificates.Node() with { Roles = ["worker"], WorkerSlots = 1, Join = [coordinator.Endpoint] });
        while ((await coordinator.NodesAsync()).Count < 3) await Task.Yield();

        var summary = await coordinator.RunJobAsync(new JobId("job-1"), spec, _ => new RecordingSink());

        Assert.Equal(RunStatus.Completed, summary.Status);
        Assert.Equal(3, summary.Processes);
    }

    [Fact]
    public async Task A_node_of_another_CA_cannot_join_and_both_sides_say_why()
    {
        var (log, strangersLog) = (new TestLog(), new TestLog());
        await using var node = await Start(_certificates.Node(), log);
        var options = _certificates.Node(_certificates.Make(foreign: true), _certificates.OtherCa) with { Roles = ["worker"], Join = [node.Endpoint], JoinTimeout = 3 };

        await Assert.ThrowsAsync<TimeoutException>(() => Start(options, strangersLog));

        File.AppendAllLines("/tmp/log1", log.Lines.Select(l => $"{l.Level} {l.Text}"));
        File.AppendAllLines("/tmp/log2", strangersLog.Lines.Select(l => $"{l.Level} {l.Text}"));
    }

    private static Task<ClusterNode> Start(NodeOptions options, TestLog? log = null) =>
        ClusterNode.StartAsync(options, LinearParts.Of(new LinearRuntime(buffers: true)), new TestLoggers(log ?? new TestLog()), TimeProvider.System, Token);
}
