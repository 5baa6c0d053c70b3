using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Serialization;
using DistOpt.Hosting.Security;

namespace DistOpt.Hosting.Cluster;

/// <summary>The settings of Akka that a node runs with.</summary>
internal static class NodeConfiguration
{
    /// <summary>Scheme of control addresses.</summary>
    public static string Protocol(NodeOptions options) => options.UsesTls ? "akka.ssl.tcp" : "akka.tcp";

    /// <param name="options">Valid ones.</param>
    /// <param name="tls">The node's certificate, or null without TLS.</param>
    public static ActorSystemSetup Setup(NodeOptions options, NodeTls? tls)
    {
        var setup = ActorSystemSetup.Create(BootstrapSetup.Create().WithConfig(Hocon(options)));
        return tls is null ? setup : setup.And(RemotingTls.Setup(tls));
    }

    private static Config Hocon(NodeOptions options) => ConfigurationFactory.ParseString($$"""
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
            # nothing is reached by path but what is listed, and nothing is deployed or killed from afar
            untrusted-mode = on
            trusted-selection-paths = [{{string.Join(", ", TrustedPaths.All.Select(path => $"\"{path}\""))}}]
            dot-netty.tcp {
              enable-ssl = {{(options.UsesTls ? "on" : "off")}}
              hostname = "{{options.Bind}}"
              public-hostname = "{{options.AdvertisedHost}}"
              port = {{options.Port}}
              # small on purpose: a tensor in a message would be refused
              maximum-frame-size = {{options.ControlFrameBytes}}b
            }
          }
          cluster {
            roles = [{{string.Join(", ", options.Roles)}}]
            log-info = off
            failure-detector {
              acceptable-heartbeat-pause = 5s
              threshold = 10
            }
            downing-provider-class = "Akka.Cluster.SBR.SplitBrainResolverProvider, Akka.Cluster"
            split-brain-resolver {
              active-strategy = keep-oldest
              stable-after = 7s
              keep-oldest {
                role = "coordinator"
                down-if-alone = on
              }
            }
          }
          coordinated-shutdown {
            exit-clr = off
            run-by-clr-shutdown-hook = off
            run-by-actor-system-terminate = off
          }
        }
        """).WithFallback(ConfigurationFactory.ParseString(NodeServices.Hocon)).WithFallback(ConfigurationFactory.ParseString(WireSerializer.Hocon));
}
