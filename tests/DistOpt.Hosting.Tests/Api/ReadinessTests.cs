using System.Net;
using Akka.Actor;
using DistOpt.Actors.Tests.Support;
using DistOpt.Hosting.Api;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistOpt.Hosting.Tests.Api;

public sealed class ReadinessTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_node_whose_job_coordinator_does_not_answer_lives_but_is_not_ready()
    {
        await using var node = await Start("coordinator,server,worker");
        await using var api = await Api(node);
        Assert.Equal(HttpStatusCode.OK, (await Ask(api, "/readyz")).Status);

        // its coordinator is gone, as after a fault that nobody restarts
        await node.Coordinator!.GracefulStop(TimeSpan.FromSeconds(10));

        var (status, text) = await Ask(api, "/readyz");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.Contains("the job coordinator did not answer", text);
        Assert.Equal(HttpStatusCode.OK, (await Ask(api, "/healthz")).Status);
    }

    [Fact]
    public async Task A_node_that_is_not_up_in_the_cluster_is_not_ready()
    {
        var first = await Start("coordinator");
        await using var node = await Start("worker", first.Endpoint);
        await using var api = await Api(node);
        Assert.Equal(HttpStatusCode.OK, (await Ask(api, "/readyz")).Status);
        // without the other one nobody can agree that this one has left: it stays at leaving
        await first.StopAsync(leave: false);
        var cluster = Akka.Cluster.Cluster.Get(node.System);
        cluster.Leave(cluster.SelfAddress);

        string text;
        HttpStatusCode status;
        do (status, text) = await Ask(api, "/readyz");
        while (status == HttpStatusCode.OK);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.Contains("is leaving in the cluster", text);
        await node.StopAsync(leave: false);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "not ready: the node has ended"), await Ask(api, "/readyz"));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "the node has ended"), await Ask(api, "/healthz"));
    }

    private static async Task<(HttpStatusCode Status, string Text)> Ask(ApiServer api, string path)
    {
        using var http = new HttpClient();
        using var response = await http.GetAsync($"http://127.0.0.1:{api.Port}{path}", Token);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(Token));
    }

    private static async Task<ClusterNode> Start(string roles, string? join = null) => await ClusterNode.StartAsync(
        new NodeOptions
        {
            Roles = [.. roles.Split(',')],
            Port = 0,
            TensorPort = 0,
            ApiPort = 0,
            Join = join is null ? [] : [join],
            Journal = NodeOptions.NoJournal,
        },
        LinearParts.Of(new LinearRuntime()), NullLoggerFactory.Instance, TimeProvider.System, Token);

    private static Task<ApiServer> Api(ClusterNode node) =>
        ApiServer.StartAsync(node, new LinearParts(), NullLoggerFactory.Instance, TimeProvider.System, Token);
}
