using System.Globalization;
using System.Net;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Serialization;
using DistOpt.Hosting.Control;
using DistOpt.Hosting.Journal;
using DistOpt.Hosting.Security;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Cluster;

/// <summary>The settings of Akka that a node runs with.</summary>
internal static class NodeConfiguration
{
    /// <summary>Scheme of control addresses.</summary>
    public static string Protocol(NodeOptions options) => options.UsesTls ? "akka.ssl.tcp" : "akka.tcp";

    /// <param name="options">Valid ones.</param>
    /// <param name="overlay">Settings from <see cref="AkkaOverlay"/> that win over the built-in ones, or null.</param>
    /// <param name="bind">Address of <see cref="NodeOptions.Bind"/>.</param>
    /// <param name="tls">The node's certificate, or null without TLS.</param>
    /// <param name="versions">Decides which builds may connect.</param>
    /// <param name="logger">Gets a line for each connection that is refused.</param>
    /// <param name="journal">Id of the journal of the node's jobs, and that journal where it keeps one.</param>
    /// <param name="events">Where persistent actors store, if not there.</param>
    public static ActorSystemSetup Setup(NodeOptions options, Config? overlay, IPAddress bind, NodeTls? tls, VersionGate versions, ILogger logger,
        (string Id, SqlJournal? Journal) journal, SqlJournal? events)
    {
        var own = ConfigurationFactory.ParseString($"akka.cluster.app-version = \"{versions.Own.Version}\"");
        var config = own.WithFallback(CoordinatorSingleton.Roles(options, journal.Id))
            .WithFallback(overlay is null ? Hocon(options) : overlay.WithFallback(Hocon(options)))
            .WithFallback(CoordinatorSingleton.Defaults());
        if (journal.Journal is not null) config = ConfigurationFactory.ParseString($"{CoordinatorDowning.Fenced} = on").WithFallback(config);
        var kept = journal.Journal ?? events;
        if (kept is not null) config = config.WithFallback(SqlJournal.Hocon);
        // small frames on purpose: a tensor in a message would be refused
        var transport = new ControlTransportSetup(bind, options.Port, options.AdvertisedHost, options.ControlFrameBytes, options.ControlConnections,
            options.ControlHandshakes, versions, tls, logger);
        var setup = ActorSystemSetup.Create(BootstrapSetup.Create().WithConfig(config), transport);
        return kept is null ? setup : setup.WithSetup(kept.Connections());
    }

    /// <summary>
    /// Whether the node begins a cluster of its own when nobody answers. One that was started again has to be sure of that: the others may be slow, or
    /// keep its address shut for a while, and would wait for it in the cluster that it left.
    /// </summary>
    private static bool BeginsCluster(NodeOptions options) => options.Join.Length == 0;

    /// <summary>Akka's settings of a node without a file of its own.</summary>
    internal static Config Hocon(NodeOptions options) => ConfigurationFactory.ParseString($$"""
        akka {
          loglevel = INFO
          stdout-loglevel = OFF
          loggers = []
          log-dead-letters = off
          log-dead-letters-during-shutdown = off
          actor {
            provider = cluster
            ask-timeout = 30s
          }
          remote {
            log-remote-lifecycle-events = off
            # a coordinator that is started again on its address is reached as soon as it listens
            retry-gate-closed-for = 1s
            # each side writes on a connection that it opened: of two that are opened at once, Akka may write to the one and read from the other for ever
            use-passive-connections = off
            # nothing is reached by path but what is listed, and nothing is deployed or killed from afar
            untrusted-mode = on
            trusted-selection-paths = [{{string.Join(", ", TrustedPaths.All.Select(path => $"\"{path}\""))}}]
            enabled-transports = ["akka.remote.distopt"]
            distopt {
              transport-class = "DistOpt.Hosting.Control.ControlTransport, DistOpt.Hosting"
              applied-adapters = []
            }
          }
          cluster {
            roles = [{{string.Join(", ", options.Roles)}}]
            log-info = off
            seed-node-timeout = {{(BeginsCluster(options) ? 10 : 2)}}s
            retry-unsuccessful-join-after = 2s
            failure-detector {
              acceptable-heartbeat-pause = 5s
              threshold = 10
            }
            downing-provider-class = "{{(options.SplitBrain == SplitBrain.KeepMajority
                ? "Akka.Cluster.SBR.SplitBrainResolverProvider, Akka.Cluster" : "DistOpt.Hosting.Cluster.CoordinatorDowning, DistOpt.Hosting")}}"
            singleton {
              role = "coordinator"
              singleton-name = "supervisor"
            }
            split-brain-resolver {
              active-strategy = {{(options.SplitBrain == SplitBrain.KeepMajority ? "keep-majority" : "keep-oldest")}}
              stable-after = 7s
              # machines that die one after the other are what a job must survive: they are no reason to end the others
              down-all-when-unstable = off
              keep-oldest {
                role = "coordinator"
                down-if-alone = on
              }
              # of coordinators, not of all nodes: a side without one could only wait
              keep-majority.role = "coordinator"
            }
          }
          # nothing on the way of a step waits for a timer; Akka's 10 ms cost an idle node 3 to 4 % of a core
          scheduler.tick-duration = 100ms
          coordinated-shutdown {
            exit-clr = off
            run-by-clr-shutdown-hook = off
            run-by-actor-system-terminate = off
          }
        }
        {{CoordinatorDowning.Fenced}} = off
        {{CoordinatorDowning.Timeout}} = {{options.CoordinatorTimeout.ToString(CultureInfo.InvariantCulture)}}s
        """).WithFallback(ConfigurationFactory.ParseString(NodeServices.Hocon)).WithFallback(ConfigurationFactory.ParseString(WireSerializer.Hocon))
        .WithFallback(ConfigurationFactory.ParseString(GuardedSerializers.Hocon));
}
