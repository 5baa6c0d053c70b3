using Akka.Actor;
using Akka.Cluster;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Training;
using DistOpt.Hosting.Journal;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Cluster;

/// <summary>
/// Stands for the job coordinator on every coordinator node. The coordinator is a cluster singleton and moves: the node that is the oldest of
/// its role holds it. What other nodes send goes to the holder; what this node's own users ask is answered here or refused.
/// </summary>
internal sealed class CoordinatorRelayActor : ReceiveActor
{
    public const string Name = "coordinator-relay";

    /// <summary>Messages kept while the coordinator on this node starts; older ones are dropped for newer ones.</summary>
    private const int WaitingMax = 1000;

    private readonly Akka.Cluster.Cluster _cluster = Akka.Cluster.Cluster.Get(Context.System);
    private readonly ClusterNodeRouter _router;
    private readonly KnownPeers? _peers;
    private readonly Action<CoordinatorPlace> _place;
    private readonly Dictionary<UniqueAddress, Member> _members = [];
    private readonly HashSet<UniqueAddress> _unreachable = [];
    private readonly Dictionary<NodeId, string> _apis = [];
    private readonly Queue<(object Message, IActorRef Sender)> _waiting = new();
    private IActorRef? _local;

    // this node's membership ends or has ended
    private bool _isOver;

    /// <param name="peers">Where the other nodes' addresses are kept; null = nowhere.</param>
    /// <param name="place">Is told where the coordinator is, on every change.</param>
    public CoordinatorRelayActor(ClusterNodeRouter router, KnownPeers? peers, Action<CoordinatorPlace> place)
    {
        (_router, _peers, _place) = (router, peers, place);
        Receive<CoordinatorReady>(OnReady);
        Receive<Terminated>(gone =>
        {
            if (gone.ActorRef.Equals(_local)) _local = null;
            TellPlace();
        });
        Receive<ClusterEvent.MemberRemoved>(e => Changed(() =>
        {
            // whoever was not on its way out has not gone: this node's own membership ends, and Akka takes everybody off its list
            _isOver |= e.PreviousStatus is not (MemberStatus.Exiting or MemberStatus.Down);
            _members.Remove(e.Member.UniqueAddress);
            _unreachable.Remove(e.Member.UniqueAddress);
            _apis.Remove(MembershipActor.IdOf(e.Member.UniqueAddress));
        }));
        Receive<ClusterEvent.IMemberEvent>(e => Changed(() => _members[e.Member.UniqueAddress] = e.Member));
        Receive<ClusterEvent.UnreachableMember>(e => Changed(() => _unreachable.Add(e.Member.UniqueAddress)));
        Receive<ClusterEvent.ReachableMember>(e => Changed(() => _unreachable.Remove(e.Member.UniqueAddress)));
        Receive<NodeDelivery>(OnDelivery);
        // a coordinator that begins anew knows of no node that could be gone
        Receive<NodeGone>(gone => _local?.Tell(gone));
        ReceiveAny(OnOwn);
    }

    public static Props Props(ClusterNodeRouter router, KnownPeers? peers, Action<CoordinatorPlace> place) =>
        Akka.Actor.Props.Create(() => new CoordinatorRelayActor(router, peers, place));

    protected override void PreStart() => _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents,
        typeof(ClusterEvent.IMemberEvent), typeof(ClusterEvent.IReachabilityEvent));

    protected override void PostStop() => _cluster.Unsubscribe(Self);

    /// <summary>The member that holds the coordinator or is about to; null while that cannot be told.</summary>
    private Member? Holder()
    {
        Member? oldest = null;
        foreach (var member in _members.Values)
        {
            if (!member.HasRole(NodeOptions.Coordinator) || member.Status is not (MemberStatus.Up or MemberStatus.Leaving)) continue;
            if (oldest is null || member.IsOlderThan(oldest)) oldest = member;
        }
        return oldest;
    }

    private bool IsElsewhere => Holder() is { } holder && !holder.UniqueAddress.Equals(_cluster.SelfUniqueAddress);

    private void OnReady(CoordinatorReady ready)
    {
        _local = ready.Coordinator;
        Context.Watch(_local);
        _local.Tell(new NodesPresent(_members.Keys.Select(MembershipActor.IdOf).ToHashSet()));
        while (_waiting.TryDequeue(out var waiting)) _local.Tell(waiting.Message, waiting.Sender);
        TellPlace();
    }

    private void Changed(Action change)
    {
        change();
        // those who stay are who it must find when it comes back
        _isOver |= _members.GetValueOrDefault(_cluster.SelfUniqueAddress) is { Status: not (MemberStatus.Joining or MemberStatus.WeaklyUp or MemberStatus.Up) };
        if (!_isOver) Remember();
        if (IsElsewhere) RefuseWaiting();
        TellPlace();
    }

    private void Remember() => _peers?.Remember(_members.Values
        .Where(m => m.Status == MemberStatus.Up && !m.HasRole(NodeOptions.Trial) && !m.UniqueAddress.Equals(_cluster.SelfUniqueAddress)).Select(m => $"{m.Address.Host}:{m.Address.Port}"));

    private void OnDelivery(NodeDelivery delivery)
    {
        if (delivery.Body is NodeOffer { ApiUrl: { } url } offer && _apis.GetValueOrDefault(offer.Peer.Node) != url)
        {
            _apis[offer.Peer.Node] = url;
            TellPlace();
        }
        if (_local is not null) _local.Tell(delivery, Sender);
        // every node offers itself to every coordinator node
        else if (IsElsewhere && delivery.Body is not NodeOffer) _router.Forward(MembershipActor.IdOf(Holder()!.UniqueAddress), delivery);
        else if (!IsElsewhere) Wait(delivery);
    }

    private void OnOwn(object message)
    {
        if (_local is not null) _local.Forward(message);
        else if (IsElsewhere) Sender.Tell(new Status.Failure(new CoordinatorGoneException("the job coordinator is not on this node")));
        else Wait(message);
    }

    private void Wait(object message)
    {
        if (_waiting.Count == WaitingMax) _waiting.Dequeue();
        _waiting.Enqueue((message, Sender));
    }

    private void RefuseWaiting()
    {
        while (_waiting.TryDequeue(out var waiting))
            if (waiting.Message is not NodeDelivery) waiting.Sender.Tell(new Status.Failure(new CoordinatorGoneException("the job coordinator is not on this node")));
    }

    private void TellPlace()
    {
        if (_local is not null)
        {
            _place(new CoordinatorPlace(true, null));
            return;
        }
        string? url = IsElsewhere && !_unreachable.Contains(Holder()!.UniqueAddress)
            ? _apis.GetValueOrDefault(MembershipActor.IdOf(Holder()!.UniqueAddress)) : null;
        _place(new CoordinatorPlace(false, url));
    }
}
