using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using Akka.Remote;
using DistOpt.Actors.Training;

namespace DistOpt.Hosting.Cluster;

/// <summary>
/// Notices that another node's process has ended sooner than heartbeats do: its connections close, and its machine says that nobody listens on its
/// port. A node that is cut off or slow is never taken for one that has ended; that is what heartbeats are for. Who may act on it says
/// <see cref="DowningRule.MayDownEnded"/>.
/// </summary>
internal sealed class EndedProcessActor : ReceiveActor
{
    /// <summary>Asked twice: a process that is being started again on its port may be between two listeners.</summary>
    private static readonly TimeSpan BetweenProbes = TimeSpan.FromMilliseconds(100);

    private readonly Akka.Cluster.Cluster _cluster = Akka.Cluster.Cluster.Get(Context.System);
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly IActorRef? _coordinator;
    private readonly HashSet<UniqueAddress> _probed = [];
    private readonly HashSet<UniqueAddress> _ended = [];

    /// <param name="coordinator">Hears why, before the cluster says that the node is gone; null where there is none here.</param>
    public EndedProcessActor(TimeProvider time, IActorRef? coordinator)
    {
        _coordinator = coordinator;
        Receive<AssociationEvent>(e =>
        {
            if (e is not (DisassociatedEvent or AssociationErrorEvent)) return;
            var member = Living().FirstOrDefault(m => m.Address.Equals(e.RemoteAddress));
            if (member is null || _ended.Contains(member.UniqueAddress) || !_probed.Add(member.UniqueAddress)) return;
            var address = member.UniqueAddress;
            ProbeAsync(address.Address, time).PipeTo(Self, success: refused => new Probed(address, refused));
        });
        Receive<Probed>(probed =>
        {
            _probed.Remove(probed.Address);
            if (!probed.Refused) return;
            _ended.Add(probed.Address);
            DownEnded();
        });
        Receive<ClusterEvent.IClusterDomainEvent>(_ => DownEnded());
    }

    private sealed record Probed(UniqueAddress Address, bool Refused);

    protected override void PreStart()
    {
        Context.System.EventStream.Subscribe(Self, typeof(AssociationEvent));
        // whether there is a coordinator that would act may change
        _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.IMemberEvent),
            typeof(ClusterEvent.IReachabilityEvent));
    }

    protected override void PostStop()
    {
        Context.System.EventStream.Unsubscribe(Self);
        _cluster.Unsubscribe(Self);
    }

    private IEnumerable<Member> Living() => _cluster.State.Members.Where(m =>
        m.Status is not (MemberStatus.Down or MemberStatus.Removed) && !m.UniqueAddress.Equals(_cluster.SelfUniqueAddress));

    private void DownEnded()
    {
        if (_ended.Count == 0) return;
        var living = Living().ToList();
        _ended.RemoveWhere(e => !living.Any(m => m.UniqueAddress.Equals(e)));
        var unreachable = _cluster.State.Unreachable;
        var others = living.Where(m => m.HasRole(NodeOptions.Coordinator)).Select(m => !unreachable.Contains(m) && !_ended.Contains(m.UniqueAddress));
        if (!DowningRule.MayDownEnded(_cluster.SelfMember.HasRole(NodeOptions.Coordinator), others)) return;
        foreach (var member in living.Where(m => _ended.Contains(m.UniqueAddress) && !m.HasRole(NodeOptions.Coordinator)))
        {
            _log.Info("The process of {0} has ended: its connections are closed and nobody listens on its port", member.Address);
            _coordinator?.Tell(new NodeGone(MembershipActor.IdOf(member.UniqueAddress), "its process has ended"));
            _cluster.Down(member.Address);
        }
    }

    private static async Task<bool> ProbeAsync(Address address, TimeProvider time)
    {
        if (!await IsRefusedAsync(address, time).ConfigureAwait(false)) return false;
        await Task.Delay(BetweenProbes, time).ConfigureAwait(false);
        return await IsRefusedAsync(address, time).ConfigureAwait(false);
    }

    private static async Task<bool> IsRefusedAsync(Address address, TimeProvider time) =>
        await PortProbe.AskAsync(address.Host!, address.Port!.Value, time).ConfigureAwait(false) == PortAnswer.Refused;
}
