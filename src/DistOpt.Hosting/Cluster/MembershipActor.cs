using Akka.Actor;
using Akka.Cluster;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Tensors;
using DistOpt.Actors.Training;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Cluster;

/// <summary>What the node's host waits for.</summary>
internal sealed class NodeSignals
{
    /// <summary>The node is a member of the cluster.</summary>
    public TaskCompletionSource Joined { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Somebody wants the node to leave.</summary>
    public TaskCompletionSource Drain { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>No job needs the node, which leaves, any more.</summary>
    public TaskCompletionSource Released { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>
/// Turns cluster events into what the actors know of: offers this node to every coordinator (at once and every few seconds, since messages may
/// be lost), and tells the local job coordinator of nodes that are gone.
/// </summary>
internal sealed class MembershipActor : ReceiveActor, IWithTimers
{
    public const string CoordinatorRole = NodeOptions.Coordinator;

    private static readonly TimeSpan OfferInterval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LeavingInterval = TimeSpan.FromSeconds(0.5);

    /// <summary>Offers of a node that leaves after which it no longer relies on an answer.</summary>
    private const int UnansweredMax = 6;

    private readonly Akka.Cluster.Cluster _cluster = Akka.Cluster.Cluster.Get(Context.System);
    private readonly ClusterNodeRouter _router;
    private readonly ITensorChannel _channel;
    private readonly IActorRef _agent;
    private readonly IActorRef? _coordinator;
    private NodeOffer _offer;
    private int _asked;
    private readonly NodeSignals _signals;

    public MembershipActor(ClusterNodeRouter router, ITensorChannel channel, NodeOffer offer, IActorRef agent, IActorRef? coordinator, NodeSignals signals,
        TrainingMeter meter, IActorRef? trials)
    {
        (_router, _channel, _offer, _agent, _coordinator, _signals) = (router, channel, offer, agent, coordinator, signals);
        Receive<ClusterEvent.MemberUp>(up =>
        {
            if (up.Member.UniqueAddress.Equals(_cluster.SelfUniqueAddress)) _signals.Joined.TrySetResult();
            Offer();
        });
        Receive<ClusterEvent.MemberRemoved>(gone =>
        {
            bool left = gone.PreviousStatus == MemberStatus.Exiting;
            if (!left) meter.Failure(FailureKind.Node);
            Gone(gone.Member, left ? "it left" : "it was downed");
        });
        Receive<ClusterEvent.MemberDowned>(gone => Gone(gone.Member,
            _cluster.State.Unreachable.Contains(gone.Member) ? "it was unreachable and was downed" : "it was downed"));
        Receive<ClusterEvent.IMemberEvent>(_ => { });
        Receive<OfferTick>(_ => Offer());
        Receive<BeginLeaving>(_ =>
        {
            _offer = _offer with { Leaving = true };
            Timers.StartPeriodicTimer("offer", new OfferTick(), LeavingInterval);
            Offer();
        });
        Receive<NodeLoad>(load =>
        {
            if (load.Jobs == 0) _signals.Released.TrySetResult();
        });
        Receive<NodeDelivery>(delivery =>
        {
            if (delivery.Body is KeepTrialProcesses) trials?.Tell(delivery);
            if (delivery.Body is DrainNode) _signals.Drain.TrySetResult();
            if (delivery.Body is NodeReleased && _offer.Leaving) _signals.Released.TrySetResult();
        });
        Receive<AnnounceApi>(api =>
        {
            _offer = _offer with { ApiUrl = api.Url };
            Offer();
        });
    }

    private sealed record OfferTick;

    /// <summary>Host to this actor: the coordinators shall hear that the node leaves.</summary>
    public sealed record BeginLeaving;

    /// <summary>Host to this actor: the node's HTTP API listens here.</summary>
    public sealed record AnnounceApi(string Url);

    public ITimerScheduler Timers { get; set; } = null!;

    public static NodeId IdOf(UniqueAddress address) => new($"{address.Address.Host}:{address.Address.Port}#{address.Uid:x8}");

    protected override void PreStart()
    {
        _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.IMemberEvent));
        Timers.StartPeriodicTimer("offer", new OfferTick(), OfferInterval);
    }

    protected override void PostStop() => _cluster.Unsubscribe(Self);

    private void Offer()
    {
        var state = _cluster.State;
        // nobody says that nobody needs this node: it sees for itself whether it has anything
        if (_offer.Leaving && (++_asked > UnansweredMax || !state.Members.Any(m => m.HasRole(CoordinatorRole) && !state.Unreachable.Contains(m))))
            _agent.Tell(new AskLoad());
        foreach (var member in state.Members)
        {
            if (member.Status != MemberStatus.Up || !member.HasRole(CoordinatorRole)) continue;
            _router.Send(IdOf(member.UniqueAddress), default, NodeActors.Jobs, _offer);
        }
    }

    private void Gone(Member member, string why)
    {
        var node = IdOf(member.UniqueAddress);
        _coordinator?.Tell(new NodeGone(node, why));
        _router.Forget(node);
        // frames for it, and what they hold, are of no use to anybody
        _channel.Forget(node);
    }
}
