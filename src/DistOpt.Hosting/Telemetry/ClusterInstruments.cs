using System.Diagnostics.Metrics;
using Akka.Actor;
using Akka.Cluster;
using Akka.Event;

namespace DistOpt.Hosting.Telemetry;

/// <summary>What a node sees of its cluster, and control messages that reached nobody, as instruments.</summary>
internal static class ClusterInstruments
{
    public static void Add(Meter meter, ActorSystem system, Akka.Cluster.Cluster cluster)
    {
        meter.CreateObservableGauge("distopt.cluster.members", () =>
        {
            var members = cluster.State.Members;
            return Enum.GetValues<MemberStatus>().Select(status => new Measurement<long>(members.Count(m => m.Status == status),
                new KeyValuePair<string, object?>("status", status.ToString().ToLowerInvariant())));
        }, "{node}", "Members of the cluster as this node knows them");
        meter.CreateObservableGauge("distopt.cluster.unreachable", () => (long)cluster.State.Unreachable.Count, "{node}", "Members that do not answer heartbeats");
        var letters = meter.CreateCounter<long>("distopt.dead_letters", "{message}", "Control messages whose receiver was gone");
        letters.Add(0);
        var counter = system.ActorOf(Props.Create(() => new DeadLetterCounter(letters)), "dead-letters");
        system.EventStream.Subscribe(counter, typeof(DeadLetter));
    }

    private sealed class DeadLetterCounter : ReceiveActor
    {
        public DeadLetterCounter(Counter<long> letters) => Receive<DeadLetter>(_ => letters.Add(1));
    }
}
