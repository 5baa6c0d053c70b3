using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using DistOpt.Actors.Tests.Support;
using DistOpt.Actors.Training;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Local;
using DistOpt.Hosting.Tests.Security;
using DistOpt.Hosting.Tests.Support;
using DistOpt.Protocol;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistOpt.Hosting.Tests.Cluster;

public sealed class ClusterNodeTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(TrainingSection.Float32)]
    [InlineData(TrainingSection.Bf16)]
    public async Task A_job_over_three_nodes_has_the_bits_of_a_local_one(string gradients)
    {
        var spec = new LinearParts().Read(LinearParts.Yaml(workers: 3, servers: 2));
        spec = spec with { Training = spec.Training with { GradientPrecision = gradients } };
        var local = await LocalJobHost.RunAsync(new JobId("local"), spec, LinearParts.Of(new LinearRuntime(buffers: true)), new RecordingSink(),
            JobStorage.None, TimeProvider.System);

        await using var coordinator = await Start("coordinator,server");
        await using var one = await Start("worker,server", coordinator.Endpoint, slots: 2, buffers: true);
        await using var two = await Start("worker", coordinator.Endpoint, slots: 1, buffers: true);
        await Offered(coordinator, 3);
        var sink = new RecordingSink();
        var summary = await coordinator.RunJobAsync(new JobId("job-1"), spec, _ => sink, JobStorage.None);

        Assert.Equal(RunStatus.Completed, summary.Status);
        Assert.Equal(local.WeightsSha256, summary.WeightsSha256);
        Assert.Equal(3, summary.Processes);
        Assert.Equal([40, 21], sink.LastBuffers!);
    }

    /// <summary>By them it finds the cluster again that it left; without them it would begin one of its own, and nobody would find it.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_coordinator_that_ends_keeps_the_addresses_of_those_who_stay(bool leaves)
    {
        var root = Directory.CreateTempSubdirectory("distopt-");
        try
        {
            await using var coordinator = await ApiNode.StartAsync(root.FullName, null, NullLoggerFactory.Instance, "coordinator");
            await using var worker = await Start("worker", coordinator.Node.Endpoint);
            string peers = Path.Combine(root.FullName, "coordinator", "peers");
            string[] expected = [worker.Endpoint];
            await Eventually.Until(() => File.Exists(peers) && File.ReadAllLines(peers).SequenceEqual(expected));

            if (leaves) await coordinator.Node.StopAsync();
            else await coordinator.CutAsync();

            Assert.Equal(expected, File.ReadAllLines(peers));
            // it has nobody to take leave of
            await worker.StopAsync(leave: false);
        }
        finally
        {
            root.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task An_id_that_has_been_used_is_refused_whether_its_job_still_runs_or_not()
    {
        await using var node = await Start("coordinator,server,worker");
        var spec = new LinearParts().Read(LinearParts.Yaml());
        Task<RunSummary> Run() => node.RunJobAsync(new JobId("job"), spec, _ => new RecordingSink(), JobStorage.None);

        while (await node.ReadinessAsync() is not null) { }
        var first = Run();
        // which one comes first is not said otherwise
        while ((await node.Coordinator!.Ask<JobList>(new ListJobs(), Token)).Jobs.Count == 0) { }
        var meanwhile = await Assert.ThrowsAsync<InvalidOperationException>(Run);
        Assert.Equal(RunStatus.Completed, (await first).Status);
        var later = await Assert.ThrowsAsync<InvalidOperationException>(Run);

        Assert.Equal("there is, or was, a job 'job' already: give every run an id of its own", meanwhile.Message);
        Assert.Equal(meanwhile.Message, later.Message);
    }

    [Fact]
    public async Task A_port_in_use_is_bad_input_for_all_ports_at_once()
    {
        using var first = new TcpListener(IPAddress.Loopback, 0);
        using var second = new TcpListener(IPAddress.Loopback, 0);
        first.Start();
        second.Start();
        var options = new NodeOptions { Port = Port(first), TensorPort = Port(second), ApiPort = 0 };

        var error = await Assert.ThrowsAsync<SpecException>(() =>
            ClusterNode.StartAsync(options, LinearParts.Of(new LinearRuntime()), NullLoggerFactory.Instance, TimeProvider.System, Token));

        Assert.Equal(["port", "tensor-port"], error.Violations.Select(v => v.Path));
        Assert.All(error.Violations, v => Assert.Contains("is in use", v.Message));
    }

    [Fact]
    public async Task A_coordinator_that_does_not_answer_is_named_after_the_join_timeout()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var options = new NodeOptions { Roles = ["worker"], Port = 0, TensorPort = 0, ApiPort = 0, Join = [$"127.0.0.1:{Port(silent)}"], JoinTimeout = 1 };

        var error = await Assert.ThrowsAsync<TimeoutException>(() =>
            ClusterNode.StartAsync(options, LinearParts.Of(new LinearRuntime()), NullLoggerFactory.Instance, TimeProvider.System, Token));

        Assert.Contains($"127.0.0.1:{Port(silent)}", error.Message);
    }

    [Fact]
    public async Task A_foreign_JSON_payload_with_a_type_name_is_refused_and_disturbs_nothing()
    {
        await using var node = await Start("coordinator,server,worker");
        Poison.Created = 0;
        var attacker = ClusterTlsTests.Attacker(null, isFaithful: false);
        try
        {
            // Akka's own JSON writes the CLR type as $type and would create it on the other side
            Assert.IsType<Akka.Serialization.NewtonSoftJsonSerializer>(attacker.Serialization.FindSerializerFor(new Poison()));
            var target = attacker.ActorSelection($"akka.tcp://distopt@{node.Endpoint}/user/node");
            for (int i = 0; i < 20; i++) target.Tell(new Poison());
            // a message of Akka's own that is answered tells that the ones before it were read
            var identity = await attacker.ActorSelection($"akka.tcp://distopt@{node.Endpoint}/user/node").Ask<ActorIdentity>(new Identify(1), TimeSpan.FromSeconds(10), Token);
            Assert.NotNull(identity.Subject);
            Assert.Equal(21, Poison.Created); // ours alone: the 20 that were sent, and the one above
        }
        finally
        {
            await attacker.Terminate();
        }
        await Offered(node, 1);
        var spec = new LinearParts().Read(LinearParts.Yaml());
        var summary = await node.RunJobAsync(new JobId("after"), spec, _ => new RecordingSink(), JobStorage.None);
        Assert.Equal(RunStatus.Completed, summary.Status);
    }

    [Fact]
    public void Settings_are_checked_all_at_once()
    {
        var violations = new NodeOptions { Roles = ["boss"], Bind = "0.0.0.0", Port = 70000, WorkerSlots = 0, Join = ["nowhere"] }.Validate();

        Assert.Equal(["roles", "join", "port", "worker-slots", "token", "certificate", "advertise"], violations.Select(v => v.Path));
    }

    [Theory]
    [InlineData(null, false, "token|certificate")]
    [InlineData(null, true, "token")]
    [InlineData("a token of 22 letters.", false, "certificate")]
    [InlineData("short", true, "token")]
    [InlineData("a token of 22 letters.", true, "")]
    public void Beyond_loopback_a_node_needs_a_token_and_TLS(string? token, bool tls, string refused)
    {
        var options = new NodeOptions { Bind = "10.0.0.5", Token = token, Certificate = tls ? "node.pem" : null, Ca = tls ? "ca.pem" : null };

        Assert.Equal(refused, string.Join('|', options.Validate().Select(v => v.Path)));
    }

    [Fact]
    public void Every_limit_has_a_range()
    {
        var violations = new NodeOptions
        {
            ControlFrameBytes = 1,
            ControlConnections = 0,
            ControlHandshakes = 0,
            TensorFrameBytes = 0,
            TensorWindowBytes = 0,
            TensorQueue = 0,
            TensorConnections = 0,
            TensorHandshakes = 0,
            ApiConnections = 0,
            JobsMax = 0,
            EndedJobsKept = -1,
            JoinTimeout = 0,
        }.Validate();

        Assert.Equal(12, violations.Count);
        Assert.Contains(violations, v => v.ToString() == "control-frame-bytes: is 1, but must be from 32000 to 16777216");
        Assert.Empty(new NodeOptions().Validate());
    }

    private static async Task<ClusterNode> Start(string roles, string? join = null, int? slots = null, bool buffers = true) =>
        await ClusterNode.StartAsync(
            new NodeOptions
            {
                Roles = [.. roles.Split(',')],
                Port = 0,
                TensorPort = 0,
                ApiPort = 0,
                Join = join is null ? [] : [join],
                WorkerSlots = slots,
                Journal = NodeOptions.NoJournal,
            },
            LinearParts.Of(new LinearRuntime(buffers: buffers)), NullLoggerFactory.Instance, TimeProvider.System, Token);

    private static async Task Offered(ClusterNode coordinator, int nodes)
    {
        while ((await coordinator.NodesAsync()).Count < nodes) await Task.Yield();
    }

    private static int Port(TcpListener listener) => ((IPEndPoint)listener.LocalEndpoint).Port;

    public sealed class Poison
    {
        public static int Created;

        public Poison() => Interlocked.Increment(ref Created);
    }
}
