using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using Akka.Remote;

namespace DistOpt.Hosting.Cluster;

/// <summary>
/// Akka's downing by <see cref="DowningRule"/>. Akka's own resolver would end every node whose coordinator dies, unless another is at hand.
/// </summary>
public sealed class CoordinatorDowning(ActorSystem system, Akka.Cluster.Cluster cluster) : IDowningProvider
{
    /// <summary>Key of <see cref="NodeOptions.CoordinatorTimeout"/>.</summary>
    public const string Timeout = "distopt.coordinator-timeout";

    /// <summary>Key of whether the coordinator's journal lets one of two write, whatever the cluster makes of them.</summary>
    public const string Fenced = "distopt.coordinator-is-fenced";

    /// <summary>
    /// What was on the other side has had as long to notice it. With a journal nobody need wait for that: whoever takes it keeps the other
    /// from writing, and nodes listen to the one with the later epoch.
    /// </summary>
    public TimeSpan DownRemovalMargin => system.Settings.Config.GetBoolean(Fenced) ? TimeSpan.Zero : StableAfter;

    public Props DowningActorProps
    {
        get
        {
            var (stableAfter, alone) = (StableAfter, system.Settings.Config.GetTimeSpan(Timeout));
            return Props.Create(() => new DowningActor(cluster, stableAfter, alone));
        }
    }

    private TimeSpan StableAfter => system.Settings.Config.GetTimeSpan("akka.cluster.split-brain-resolver.stable-after");

    private sealed class DowningActor : ReceiveActor, IWithTimers
    {
        /// <summary>Changes put the decision off, but not beyond so many times the stable time.</summary>
        private const int LongestDelay = 4;

        private readonly Akka.Cluster.Cluster _cluster;
        private readonly TimeSpan _stableAfter;
        private readonly TimeSpan _aloneAfter;
        private readonly ILoggingAdapter _log = Context.GetLogger();
        private readonly Dictionary<UniqueAddress, Member> _members = [];
        private readonly HashSet<UniqueAddress> _unreachable = [];
        private TimeSpan? _firstAt;

        public DowningActor(Akka.Cluster.Cluster cluster, TimeSpan stableAfter, TimeSpan aloneAfter)
        {
            (_cluster, _stableAfter, _aloneAfter) = (cluster, stableAfter, aloneAfter);
            Receive<ClusterEvent.MemberRemoved>(e => Changed(() =>
            {
                _members.Remove(e.Member.UniqueAddress);
                _unreachable.Remove(e.Member.UniqueAddress);
            }));
            Receive<ClusterEvent.IMemberEvent>(e => Changed(() => _members[e.Member.UniqueAddress] = e.Member));
            Receive<ClusterEvent.UnreachableMember>(e => Changed(() => _unreachable.Add(e.Member.UniqueAddress)));
            Receive<ClusterEvent.ReachableMember>(e => Changed(() => _unreachable.Remove(e.Member.UniqueAddress)));
            Receive<Decide>(_ => OnDecide());
            Receive<Alone>(_ => DownSelf($"no coordinator was reached for {_aloneAfter.TotalSeconds:0} s (coordinator_timeout)"));
            // a node that was taken for dead learns of it when it is reached again
            Receive<ThisActorSystemQuarantinedEvent>(e => DownSelf($"{e.RemoteAddress} has taken this node for dead"));
        }

        private sealed record Decide;

        private sealed record Alone;

        public ITimerScheduler Timers { get; set; } = null!;

        protected override void PreStart()
        {
            _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents,
                typeof(ClusterEvent.IMemberEvent), typeof(ClusterEvent.IReachabilityEvent));
            Context.System.EventStream.Subscribe(Self, typeof(ThisActorSystemQuarantinedEvent));
        }

        protected override void PostStop()
        {
            _cluster.Unsubscribe(Self);
            Context.System.EventStream.Unsubscribe(Self);
        }

        private TimeSpan Now => Context.System.Scheduler.MonotonicClock;

        private List<Member> Coordinators => [.. _members.Values
            .Where(m => m.HasRole(NodeOptions.Coordinator) && m.Status is (MemberStatus.Up or MemberStatus.Leaving))
            .Order(Comparer<Member>.Create((a, b) => a.IsOlderThan(b) ? -1 : b.IsOlderThan(a) ? 1 : 0))];

        private bool IsSelf(Member member) => member.UniqueAddress.Equals(_cluster.SelfUniqueAddress);

        private void Changed(Action change)
        {
            int before = _unreachable.Count;
            change();
            var coordinators = Coordinators;
            bool alone = coordinators.Count > 0 && coordinators.All(m => _unreachable.Contains(m.UniqueAddress));
            if (!alone) Timers.Cancel(nameof(Alone));
            else if (!Timers.IsTimerActive(nameof(Alone))) Timers.StartSingleTimer(nameof(Alone), new Alone(), _aloneAfter);
            if (_unreachable.Count == 0)
            {
                Timers.Cancel(nameof(Decide));
                _firstAt = null;
                return;
            }
            if (_unreachable.Count == before && Timers.IsTimerActive(nameof(Decide))) return;
            _firstAt ??= Now;
            var left = _firstAt.Value + (LongestDelay * _stableAfter) - Now;
            Timers.StartSingleTimer(nameof(Decide), new Decide(), left <= TimeSpan.Zero ? TimeSpan.Zero : left < _stableAfter ? left : _stableAfter);
        }

        private void OnDecide()
        {
            _firstAt = null;
            switch (DowningRule.Decide([.. Coordinators.Select(m => (!_unreachable.Contains(m.UniqueAddress), IsSelf(m)))]))
            {
                case DowningDecision.DownUnreachable:
                    foreach (var address in _unreachable.ToList())
                    {
                        _log.Warning("Node [{0}] was not reached for {1:0} s more than the failure detector allows: it is taken for dead", address.Address,
                            _stableAfter.TotalSeconds);
                        _cluster.Down(address.Address);
                    }
                    break;
                case DowningDecision.DownSelf:
                    DownSelf("most coordinators are on the other side of a split");
                    break;
            }
        }

        private void DownSelf(string why)
        {
            _log.Error("This node ends: {0}", why);
            _cluster.Down(_cluster.SelfAddress);
        }
    }
}
