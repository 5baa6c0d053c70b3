using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Control;
using DistOpt.Hosting.Local;
using DistOpt.Hosting.Tests.Support;
using DistOpt.Hosting.Tests.Tensors;
using DistOpt.Protocol;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistOpt.Hosting.Tests.Security;

/// <summary>Whole nodes with certificates.</summary>
public sealed class ClusterTlsTests : IDisposable
{
    private readonly TestCertificates _certificates = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _certificates.Dispose();

    [Fact]
    public async Task A_job_over_nodes_with_certificates_has_the_bits_of_a_local_one()
    {
        var spec = new LinearParts().Read(LinearParts.Yaml(workers: 3, servers: 2));
        var local = await LocalJobHost.RunAsync(new JobId("local"), spec, LinearParts.Of(new LinearRuntime(buffers: true)),
            new RecordingSink(), JobStorage.None, TimeProvider.System);
        await using var coordinator = await Start(_certificates.Node() with { Roles = ["coordinator", "server"] });
        await using var worker = await Start(_certificates.Node() with { Roles = ["worker", "server"], WorkerSlots = 3, Join = [coordinator.Endpoint] });
        while ((await coordinator.NodesAsync()).Count < 2) await Task.Yield();

        var summary = await coordinator.RunJobAsync(new JobId("job-1"), spec, _ => new RecordingSink(), JobStorage.None);

        Assert.Equal((RunStatus.Completed, 2), (summary.Status, summary.Processes));
        Assert.Equal(local.WeightsSha256, summary.WeightsSha256);
    }

    [Fact]
    public async Task A_node_of_another_CA_cannot_join_and_both_sides_say_why()
    {
        var (log, strangersLog) = (new TestLog(), new TestLog());
        await using var node = await Start(_certificates.Node(), log);
        var stranger = _certificates.Node(_certificates.Make(foreign: true), _certificates.OtherCa) with
        {
            Roles = ["worker"],
            Join = [node.Endpoint],
            JoinTimeout = 2
        };

        await Assert.ThrowsAsync<TimeoutException>(() => Start(stranger, strangersLog));

        Assert.Contains(log.Lines, l => l.Level == LogLevel.Warning && l.Text.Contains("'CN=another CA' is refused: it is not signed by this cluster's CA"));
        Assert.Contains(strangersLog.Lines, l => l.Level == LogLevel.Warning
            && l.Text.Contains($"no control connection to {node.Endpoint}: the certificate") && l.Text.Contains("not signed by this cluster's CA"));
    }

    [Fact]
    public async Task A_wrongly_set_up_machine_among_the_seeds_takes_nobody_down()
    {
        var log = new TestLog();
        // listens as a node would, with a certificate that nobody else trusts
        await using var wrong = await Start(_certificates.Node(_certificates.Make(foreign: true), _certificates.OtherCa));
        await using var coordinator = await Start(_certificates.Node() with { Join = [] });
        await using var worker = await Start(_certificates.Node() with { Roles = ["worker"], Join = [wrong.Endpoint, coordinator.Endpoint] }, log);
        while ((await coordinator.NodesAsync()).Count < 2) await Task.Yield();

        await log.UntilAsync(() => log.Lines.Any(l => l.Text.Contains($"no control connection to {wrong.Endpoint}")));
        Assert.False(worker.Ended.IsCompleted);
        var summary = await coordinator.RunJobAsync(new JobId("job"), new LinearParts().Read(LinearParts.Yaml()), _ => new RecordingSink(), JobStorage.None);
        Assert.Equal(RunStatus.Completed, summary.Status);
    }

    [Fact]
    public async Task A_certificate_for_another_host_is_refused_in_either_direction()
    {
        var (log, joinersLog) = (new TestLog(), new TestLog());
        await using var node = await Start(_certificates.Node(), log);
        // says that it is 127.0.0.1, and has not been told to mind names itself
        var other = _certificates.Node(_certificates.Make(["other.example"])) with { VerifyNames = false };

        await Assert.ThrowsAsync<TimeoutException>(() => Start(other with { Roles = ["worker"], Join = [node.Endpoint], JoinTimeout = 2 }));
        Assert.Contains(log.Lines, l => l.Text.Contains("the peer says that it is '127.0.0.1'") && l.Text.Contains("does not name '127.0.0.1', but other.example"));

        await using var impostor = await Start(other);
        await Assert.ThrowsAsync<TimeoutException>(() => Start(_certificates.Node() with
        {
            Roles = ["worker"],
            Join = [impostor.Endpoint],
            JoinTimeout = 2
        }, joinersLog));
        Assert.Contains(joinersLog.Lines, l => l.Text.Contains($"no control connection to {impostor.Endpoint}") && l.Text.Contains("but other.example"));
    }

    [Fact]
    public async Task What_other_nodes_would_refuse_does_not_start()
    {
        var now = TestCertificates.Now;
        (NodeOptions Options, string Path, string Text)[] cases =
        [
            (_certificates.Node(_certificates.Make(foreign: true)), "certificate", "not signed by this cluster's CA"),
            (_certificates.Node(_certificates.Make(begin: now.AddDays(-10), end: now.AddDays(-9))), "certificate", "is not valid now"),
            (_certificates.Node(_certificates.Make(["b.example"])), "certificate", "does not name '127.0.0.1', but b.example"),
            (_certificates.Node(_certificates.Make(clientUse: false)), "certificate", "extended key usage"),
            (_certificates.Node((_certificates.Make().Certificate, _certificates.Make().Key)), "certificate", "cannot be used"),
            (_certificates.Node((_certificates.In("none.pem"), _certificates.In("none.key"))), "certificate", "none.pem' does not exist"),
            (_certificates.Node(ca: _certificates.Make().Certificate), "ca", "holds no root certificate"),
            (_certificates.Node() with { CertificateKey = null }, "certificate", "holds no private key"),
            (_certificates.Node() with { Ca = null }, "ca", "is not set, but certificate is"),
        ];
        foreach (var (options, path, text) in cases)
        {
            var error = await Assert.ThrowsAsync<SpecException>(() => Start(options));
            var violation = Assert.Single(error.Violations);
            Assert.Equal(path, violation.Path);
            Assert.Contains(text, violation.Message);
        }
    }

    [Fact]
    public async Task A_PFX_file_with_a_password_and_a_single_PEM_file_do_as_well()
    {
        var (path, key) = _certificates.Make();
        using var certificate = System.Security.Cryptography.X509Certificates.X509Certificate2.CreateFromPemFile(path, key);
        File.WriteAllBytes(_certificates.In("node.pfx"), certificate.Export(System.Security.Cryptography.X509Certificates.X509ContentType.Pkcs12, "secret"));
        File.WriteAllText(_certificates.In("both.pem"), File.ReadAllText(path) + File.ReadAllText(key));
        var pfx = _certificates.Node() with { Certificate = _certificates.In("node.pfx"), CertificateKey = null, CertificatePassword = "secret" };

        var pem = pfx with { Certificate = _certificates.In("both.pem"), CertificatePassword = null };

        // each is client and server to the other, at the control plane and at the tensor channel
        await using (var coordinator = await Start(pfx with { Roles = ["coordinator", "server"] }))
        await using (var worker = await Start(pem with { Roles = ["worker"], WorkerSlots = 2, Join = [coordinator.Endpoint] }))
        {
            while ((await coordinator.NodesAsync()).Count < 2) await Task.Yield();
            var summary = await coordinator.RunJobAsync(new JobId("job"), new LinearParts().Read(LinearParts.Yaml()), _ => new RecordingSink(), JobStorage.None);
            Assert.Equal((RunStatus.Completed, 2), (summary.Status, summary.Processes));
        }
        var error = await Assert.ThrowsAsync<SpecException>(() => Start(pfx with { CertificatePassword = "wrong" }));
        Assert.Contains("DISTOPT_CERTIFICATE_PASSWORD", Assert.Single(error.Violations).Message);
    }

    [Fact]
    public async Task A_peer_with_a_certificate_reaches_the_node_agent_and_cannot_stop_deploy_or_look_around()
    {
        (Deployed.Created, NamedException.Read) = (0, 0);
        var log = new TestLog();
        await using var node = await Start(_certificates.Node(), log);
        using var tls = _certificates.Tls();
        var attacker = Attacker(tls);
        try
        {
            string address = $"akka.ssl.tcp://distopt@{node.Endpoint}";
            var agent = await Identify(attacker, address + "/user/node", TimeSpan.FromSeconds(20));
            Assert.NotNull(agent?.Subject);

            agent!.Subject.Tell(PoisonPill.Instance);
            attacker.ActorSelection(address + "/user/node").Tell(PoisonPill.Instance);
            // Akka holds this one for harmless
            attacker.ActorSelection(address + "/user/node").Tell(Kill.Instance);
            agent!.Subject.Tell(Kill.Instance);
            // Akka creates the exception type that the payload names
            attacker.ActorSelection(address + "/user/node").Tell(new Status.Failure(new NamedException()));
            attacker.ActorOf(Props.Create<Deployed>().WithDeploy(Deploy.None.WithScope(new RemoteScope(Address.Parse(address)))), "deployed");

            // answered on the connection on which the above came before it
            Assert.NotNull((await Identify(attacker, address + "/user/node", TimeSpan.FromSeconds(20)))?.Subject);
            Assert.Equal((0, 0), (Deployed.Created, NamedException.Read));
            foreach (string path in new[] { "/user/jobs", "/user/membership", "/system/cluster", "/remote" })
                Assert.Null(await Identify(attacker, address + path, TimeSpan.FromMilliseconds(300)));
            // costs the sender its connection
            ((IInternalActorRef)agent.Subject).SendSystemMessage(new Akka.Dispatch.SysMsg.Suspend());
            await log.UntilAsync(() => log.Lines.Any(l => l.Text.Contains("SysMsg.Suspend is nothing that other nodes may send")));
        }
        finally
        {
            await attacker.Terminate();
        }
        var summary = await node.RunJobAsync(new JobId("after"), new LinearParts().Read(LinearParts.Yaml()), _ => new RecordingSink(), JobStorage.None);
        Assert.Equal(RunStatus.Completed, summary.Status);
    }

    /// <param name="isFaithful">Whether it sends contracts alone, or whatever Akka can write.</param>
    internal static ActorSystem Attacker(DistOpt.Hosting.Security.NodeTls? tls, string name = "attacker", bool isFaithful = true) =>
        ActorSystem.Create(name, ActorSystemSetup.Create(
        BootstrapSetup.Create().WithConfig(ConfigurationFactory.ParseString("""
            akka {
              loglevel = OFF
              stdout-loglevel = OFF
              loggers = []
              actor.provider = remote
              remote.enabled-transports = ["akka.remote.distopt"]
              remote.distopt {
                transport-class = "DistOpt.Hosting.Control.ControlTransport, DistOpt.Hosting"
                applied-adapters = []
              }
            }
            """).WithFallback(isFaithful ? ConfigurationFactory.ParseString(DistOpt.Actors.Serialization.WireSerializer.Hocon) : ConfigurationFactory.Empty)),
        new ControlTransportSetup(System.Net.IPAddress.Loopback, 0, "127.0.0.1", 128_000, 100, 100, new VersionGate(NodeBuild.Current), tls,
            NullLogger.Instance)));

    private static async Task<ActorIdentity?> Identify(ActorSystem from, string path, TimeSpan limit)
    {
        try
        {
            return await from.ActorSelection(path).Ask<ActorIdentity>(new Identify(1), limit, Token);
        }
        catch (AskTimeoutException)
        {
            return null;
        }
    }

    private static Task<ClusterNode> Start(NodeOptions options, TestLog? log = null) =>
        ClusterNode.StartAsync(options, LinearParts.Of(new LinearRuntime(buffers: true)), new TestLoggers(log ?? new TestLog()), TimeProvider.System, Token);

    [Serializable]
    private sealed class NamedException : Exception
    {
        public static int Read;

        public NamedException() { }

#pragma warning disable SYSLIB0051 // what Akka calls
        private NamedException(System.Runtime.Serialization.SerializationInfo info, System.Runtime.Serialization.StreamingContext context)
            : base(info, context) => Interlocked.Increment(ref Read);
#pragma warning restore SYSLIB0051
    }

    private sealed class Deployed : ReceiveActor
    {
        public static int Created;

        public Deployed() => Interlocked.Increment(ref Created);
    }
}
