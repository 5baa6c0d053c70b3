using System.Net;
using System.Net.Sockets;
using DistOpt.Cli.Tests.Support;

namespace DistOpt.Cli.Tests.Cluster;

public sealed class ClusterRequestTests
{
    private const string Json = "application/json";
    private const string Accepted = """{"id":"j-1"}""";

    [Fact]
    public async Task A_redirect_is_followed_to_the_holder_with_token_key_and_spec()
    {
        var seen = new List<(string? Authorization, string? Key, string Body)>();
        using var holder = new FakeCluster((request, body) =>
        {
            seen.Add((request.Headers["Authorization"], request.Headers["Idempotency-Key"], body));
            return (202, Json, Accepted);
        });
        using var other = new FakeCluster((_, _) => (307, Json, ""));
        other.Headers["Location"] = holder.Url + "/api/v1/jobs";
        using var cli = Cli(other.Url);
        cli.Environment["DISTOPT_TOKEN"] = "secret";

        Assert.Equal(0, await cli.RunAsync("submit", cli.Write("s.yaml", "name: mine\n"), "--key", "k1"));

        Assert.Equal("j-1\n", cli.Out);
        var (authorization, key, spec) = Assert.Single(seen);
        Assert.Equal(("Bearer secret", "k1"), (authorization, key));
        Assert.Contains("name: mine", spec);
    }

    [Fact]
    public async Task A_coordinator_that_is_not_there_yet_is_asked_again_with_the_same_key()
    {
        var keys = new List<string?>();
        FakeCluster? cluster = null;
        using var _ = cluster = new FakeCluster((request, _) =>
        {
            keys.Add(request.Headers["Idempotency-Key"]);
            if (keys.Count == 3) cluster!.Headers.Clear();
            return keys.Count < 3 ? (503, Json, "") : (202, Json, Accepted);
        });
        cluster.Headers["Retry-After"] = "0";
        using var cli = Cli(cluster.Url);

        Assert.Equal(0, await cli.RunAsync("submit", cli.Write("s.yaml", "name: mine\n")));

        Assert.Equal(3, keys.Count);
        Assert.NotNull(keys[0]);
        Assert.Single(keys.Distinct());
        // told once, and what to set
        Assert.Contains("DISTOPT_PATIENCE", Assert.Single(cli.ErrorLines()));
    }

    [Fact]
    public async Task A_cluster_that_comes_up_late_is_found()
    {
        int port = FakeCluster.FreePort();
        using var cli = Cli($"http://127.0.0.1:{port}");
        // the first attempt meets nobody: what is told then starts the server
        FakeCluster? cluster = null;
        var run = cli.RunAsync(() => cluster ??= new FakeCluster((_, _) => (200, Json, "[]"), port), "nodes");

        Assert.Equal(0, await run);
        Assert.NotNull(cluster);
        cluster.Dispose();
    }

    /// <summary>As one whose machine has fallen off the network, until another takes its place.</summary>
    [Fact]
    public async Task A_holder_from_which_nothing_is_heard_is_asked_for_again()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        int asked = 0;
        FakeCluster? cluster = null;
        using var _ = cluster = new FakeCluster((_, _) =>
        {
            if (++asked == 1) return (307, Json, "");
            cluster!.Headers.Clear();
            return (200, Json, "[]");
        });
        cluster.Headers["Location"] = $"http://{silent.LocalEndpoint}/api/v1/nodes";
        var told = new List<string>();
        using var requests = new ClusterRequests(null, null, TimeSpan.FromMinutes(5), TimeProvider.System, told.Add,
            answerTime: TimeSpan.FromMilliseconds(100));

        using var answer = await requests.SendAsync(cluster.Url, address => new HttpRequestMessage(HttpMethod.Get, address), "/api/v1/nodes",
            TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(2, asked);
        Assert.Contains("DISTOPT_PATIENCE", Assert.Single(told));
    }

    [Fact]
    public async Task Patience_ends()
    {
        using var cluster = new FakeCluster((_, _) => (503, "application/problem+json", """{"detail":"the job coordinator is not there at the moment; try again"}"""));
        cluster.Headers["Retry-After"] = "1";
        using var cli = Cli(cluster.Url);
        cli.Environment["DISTOPT_PATIENCE"] = "0.5";

        Assert.Equal(2, await cli.RunAsync("nodes"));

        Assert.Contains("is not there at the moment", Assert.Single(cli.ErrorLines()));
        Assert.Single(cluster.Requests);
    }

    [Fact]
    public async Task Nodes_that_send_to_each_other_do_not_keep_a_client_for_ever()
    {
        using var cluster = new FakeCluster((_, _) => (307, Json, ""));
        cluster.Headers["Location"] = cluster.Url + "/api/v1/nodes";
        using var cli = Cli(cluster.Url);

        Assert.Equal(2, await cli.RunAsync("nodes"));

        Assert.Contains("answered 307", Assert.Single(cli.ErrorLines()));
        Assert.Equal(6, cluster.Requests.Count);
    }

    [Fact]
    public async Task Patience_that_is_no_number_is_bad_input()
    {
        using var cli = Cli("http://127.0.0.1:1");
        cli.Environment["DISTOPT_PATIENCE"] = "long";

        Assert.Equal(2, await cli.RunAsync("nodes"));

        Assert.Contains("DISTOPT_PATIENCE: is 'long'", Assert.Single(cli.ErrorLines()));
    }

    private static CliRun Cli(string url)
    {
        var cli = new CliRun();
        cli.Environment["DISTOPT_CLUSTER"] = url;
        cli.Environment["DISTOPT_PATIENCE"] = "30";
        return cli;
    }
}
