using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>
/// Attempts at trials in child processes of worker nodes. A child is a node of its own that only such attempts are offered, one at a time; what runs there is
/// charged to the slots of its parent.
/// </summary>
public sealed partial class JobCoordinatorActor
{
    /// <summary>For how long children are kept that no attempt wants: longer than what is between two attempts of a study.</summary>
    internal static readonly TimeSpan Linger = TimeSpan.FromSeconds(30);

    /// <summary>A node that has refused a study's trials gets none of them for so long: what was wrong with it may be mended meanwhile.</summary>
    internal static readonly TimeSpan UnfitTime = TimeSpan.FromMinutes(10);

    /// <summary>A parent sees how its child ended: for so long nobody acts on hearing from others that it is gone.</summary>
    private static readonly TimeSpan LastWordsTime = TimeSpan.FromSeconds(20);

    /// <summary>A child that has not given back what its attempt has left by then hangs, and is replaced.</summary>
    internal static readonly TimeSpan MemoryTime = TimeSpan.FromSeconds(30);

    // children that give back what their attempts have left, with what those were allowed to take
    private readonly Dictionary<NodeId, long?> _returning = [];
    private readonly Dictionary<NodeId, WarmProcesses> _warm = [];
    private readonly Dictionary<NodeId, KeepTrialProcesses> _kept = [];
    private readonly HashSet<NodeId> _ending = [];
    private readonly Dictionary<NodeId, string> _startFailures = [];

    // children that are gone, of whose end their parent has not told yet
    private readonly Dictionary<NodeId, (NodeGone Gone, NodeId Parent)> _awaitWords = [];

    // hosts that trials of a study were refused on
    private readonly Dictionary<(string Study, NodeId Host), string> _unfit = [];

    private sealed record LastWordsTimeIsUp(NodeId Node) : INoSerializationVerificationNeeded;

    private sealed record MemoryTimeIsUp(NodeId Node) : INoSerializationVerificationNeeded;

    private sealed record UnfitTimeIsUp(string Study, NodeId Host) : INoSerializationVerificationNeeded;

    private static TrialDemand? DemandOf(SubmitJob submission)
    {
        if (submission.Trial is not { IsIsolated: true }) return null;
        var training = submission.Spec.Training;
        int most = Math.Min(training.Workers, training.GradientShards ?? training.Workers);
        return new TrialDemand(Math.Min(training.WorkersMin ?? training.Workers, most), most)
        {
            WorkerMemory = training.WorkerMemoryBytes(),
            WorkerGpus = training.WorkerGpus,
        };
    }

    /// <summary>The node whose slots the workers on this one take.</summary>
    private NodeId HostOf(NodeId node) => _nodes.TryGetValue(node.Value, out var offer) && offer.Parent is { } parent ? parent : node;

    /// <summary>Slots that jobs have, by node; those of children count for their parents.</summary>
    /// <param name="except">A job that is left out.</param>
    private Dictionary<NodeId, int> Taken(JobId? except = null) => _jobs.Values.Where(j => j is { Workers: not null } && j.Id != except)
        .SelectMany(j => j.Workers!).GroupBy(w => HostOf(w.Key)).ToDictionary(g => g.Key, g => g.Sum(w => w.Value));

    /// <summary>Bytes of memory that jobs take of a node: what their workers ask for, and the shares of attempts in children that do not say.</summary>
    /// <param name="except">A job that is left out.</param>
    private long MemoryTaken(NodeOffer node, JobId? except = null) => _jobs.Values.Where(j => j is { Workers: not null } && j.Id != except)
        .SelectMany(j => j.Workers!.Where(w => HostOf(w.Key) == node.Peer.Node)
            .Select(w => j.WorkerMemory is { } each ? each * w.Value : j.Demand is null ? 0 : node.TrialMemoryBytes)).Sum();

    /// <summary>GPUs of a node that jobs have.</summary>
    /// <param name="except">A job that is left out.</param>
    private long GpusTaken(NodeOffer node, JobId? except = null) => _jobs.Values.Where(j => j is { Workers: not null } && j.Id != except)
        .SelectMany(j => j.Workers!.Where(w => HostOf(w.Key) == node.Peer.Node).Select(w => j.Demand?.Gpus ?? ((long)j.WorkerGpus * w.Value))).Sum();

    private List<TrialHost> Hosts()
    {
        var taken = Taken();
        return [.. _nodes.Values.Where(n => n is { Parent: null, TrialProcesses: > 0 }).Select(n => HostOf(n, taken.GetValueOrDefault(n.Peer.Node)))];
    }

    /// <summary>What an attempt wants, as nodes are now.</summary>
    private TrialDemand DemandNow(Job job) => job.Demand! with { Unfit = UnfitFor(job).ToImmutableDictionary(u => u.Key.Value, u => u.Value) };

    private void NoteUnfit(Job job, IReadOnlyDictionary<NodeId, string> unfit)
    {
        foreach (var (node, why) in unfit)
        {
            var host = HostOf(node);
            _unfit[(job.Study, host)] = why;
            _log.Warning("Node [{0}] gets no trials of study [{1}] for {2} minutes: {3}", host, job.Study, UnfitTime.TotalMinutes, why);
            Timers.StartSingleTimer((job.Study, host), new UnfitTimeIsUp(job.Study, host), UnfitTime);
        }
    }

    /// <summary>Nodes that have refused trials of a job's study, with why.</summary>
    private Dictionary<NodeId, string> UnfitFor(Job job) =>
        _unfit.Where(u => u.Key.Study == job.Study && job.IsTrial).ToDictionary(u => u.Key.Host, u => u.Value);

    private void OnUnfitTimeIsUp(UnfitTimeIsUp up)
    {
        _unfit.Remove((up.Study, up.Host));
        OfferNodes();
        KeepProcesses();
    }

    private TrialHost HostOf(NodeOffer offer, int used, JobId? except = null) =>
        new(offer.Peer.Node.Value, offer.Name, offer.WorkerSlots, offer.TrialProcesses, used)
        {
            Leaving = offer.Leaving,
            StartFailure = _startFailures.GetValueOrDefault(offer.Peer.Node),
            MemoryBytes = offer.MemoryBytes,
            MemoryUsed = MemoryTaken(offer, except),
            MemoryShare = offer.TrialMemoryBytes,
            Gpus = offer.Gpus ?? 0,
            GpusUsed = GpusTaken(offer, except),
        };

    private List<TrialProcess> Processes()
    {
        var busy = _jobs.Values.Where(j => j.Demand is not null).SelectMany(j => j.Workers?.Keys ?? []).Concat(_returning.Keys).ToHashSet();
        return [.. _nodes.Values.Where(n => n.Parent is not null).Select(n =>
            new TrialProcess(n.Peer.Node.Value, n.Parent!.Value.Value, busy.Contains(n.Peer.Node), n.Leaving || _ending.Contains(n.Peer.Node))
            {
                Gpus = n.Gpus ?? 0,
            })];
    }

    /// <summary>Why no node could ever take the job, where it is an attempt that wants a child process; else null.</summary>
    private string? Hopeless(Job job) => job.Demand is null ? null : TrialHosts.Hopeless(Hosts(), DemandNow(job));

    /// <summary>An attempt is offered the child that it has or gets, and no other node: it is placed whole.</summary>
    private OfferedNodes OfferOf(Job job)
    {
        var demand = DemandNow(job);
        if (job.Workers is { } workers)
        {
            var taken = Taken(except: job.Id);
            return new OfferedNodes([.. workers.Keys.Where(n => _nodes.ContainsKey(n.Value)).Select(n =>
            {
                var host = _nodes.GetValueOrDefault(HostOf(n).Value);
                int slots = host is null ? workers[n] : HostOf(host, taken.GetValueOrDefault(host.Peer.Node), job.Id).Room(demand);
                return Offered(n.Value, Math.Clamp(slots, 0, demand.MostInProcess), host is { Leaving: true });
            })]);
        }
        if (TrialHosts.Choose(Hosts(), Processes(), demand, out string? missing) is not { } chosen)
            return new OfferedNodes([]) { Missing = missing, IsHopeless = Hopeless(job) is not null };
        return new OfferedNodes([Offered(chosen.Process, chosen.Slots, false)]);

        OfferedNode Offered(string child, int slots, bool leaves)
        {
            var offer = _nodes[child];
            return new OfferedNode(offer.Peer, offer.Name, !leaves, leaves ? 0 : slots, leaves);
        }
    }

    /// <summary>Tells nodes which children they shall have.</summary>
    /// <param name="again">A node that is told again what it was told; null = none.</param>
    private void KeepProcesses(NodeId? again = null)
    {
        var hosts = Hosts();
        if (hosts.Count == 0) return;
        var all = Processes();
        // in the order in which nodes are offered: else children of one kind would be kept for an attempt that comes later, and the first one waits for ever
        var live = _ledger.Live.Select(e => Find(new JobId(e.Job))).OfType<Job>().Where(j => j is { Demand: not null, Ending: false }).ToList();
        var placed = live.SelectMany(j => (j.Workers?.Keys ?? []).Select(n => (Host: HostOf(n).Value, j.Demand!.Gpus))).ToList();
        var wanted = TrialHosts.Wanted(hosts, placed, live.Where(j => j.Workers is null).Select(DemandNow));
        foreach (var host in hosts)
        {
            var node = new NodeId(host.Node);
            var children = all.Where(p => p.Host == host.Node).ToList();
            var existing = children.Where(p => !p.IsEnding).Select(p => p.Gpus).ToList();
            if (!_warm.TryGetValue(node, out var warm)) _warm[node] = warm = new WarmProcesses(Linger);
            // without those of jobs in the node itself
            long gpus = host.Gpus - host.GpusUsed + placed.Where(p => p.Host == host.Node).Sum(p => (long)p.Gpus);
            var kept = warm.Keep(wanted[host.Node], existing, host.ProcessesMax, gpus, _services.Time.GetUtcNow());
            foreach (var kind in children.Where(p => p is { IsBusy: false, IsEnding: false }).GroupBy(p => p.Gpus))
            {
                int surplus = existing.Count(g => g == kind.Key) - kept.Count(g => g == kind.Key);
                foreach (var idle in kind.TakeLast(surplus)) _ending.Add(new NodeId(idle.Node));
            }
            var keep = new KeepTrialProcesses(kept.Length, [.. children.Select(p => new NodeId(p.Node)).Where(_ending.Contains)])
            {
                Busy = BusyOf(children),
                Gpus = [.. kept.Where(g => g > 0)],
            };
            var told = _kept.GetValueOrDefault(node);
            bool isKnown = told is null ? kept.Length == 0 && children.Count == 0
                : told.Count == keep.Count && told.Ending.AsSpan().SequenceEqual(keep.Ending) && told.Busy.AsSpan().SequenceEqual(keep.Busy)
                    && told.Gpus.AsSpan().SequenceEqual(keep.Gpus);
            bool isNone = told is null or { Count: 0 } && kept.Length == 0 && children.Count == 0;
            if (isNone || (isKnown && node != again)) continue;
            _kept[node] = keep;
            _services.Router.Send(node, default, NodeActors.Agent, keep);
        }
    }

    /// <summary>An attempt has ended: its child gets the next one when it has given back what this one has left.</summary>
    private void ReturnMemory(Job job)
    {
        if (job is not { Demand: not null, Workers: { } workers }) return;
        foreach (var (node, count) in workers.Where(w => _nodes.ContainsKey(w.Key.Value) && !_ending.Contains(w.Key)))
        {
            _returning[node] = job.WorkerMemory * count;
            _services.Router.Send(node, default, NodeActors.Agent, new ReturnMemory());
            Timers.StartSingleTimer((node, nameof(ReturnMemory)), new MemoryTimeIsUp(node), MemoryTime);
        }
    }

    private void OnMemoryReturned(NodeId node, long kept)
    {
        if (!_returning.Remove(node)) return;
        Timers.Cancel((node, nameof(ReturnMemory)));
        if (_nodes.GetValueOrDefault(HostOf(node).Value) is { } host && TrialHosts.IsUsedUp(kept, host.TrialMemoryBytes))
        {
            _log.Info("Child process [{0}] has kept {1} MiB of memory of its attempts: it ends, and the next one gets another", node, kept >> 20);
            _ending.Add(node);
        }
        OfferNodes();
        KeepProcesses();
    }

    private void OnMemoryTimeIsUp(MemoryTimeIsUp late)
    {
        if (!_returning.Remove(late.Node)) return;
        _log.Warning("Child process [{0}] has not let go of its last attempt within {1} s: it ends", late.Node, MemoryTime.TotalSeconds);
        _ending.Add(late.Node);
        KeepProcesses();
    }

    private TrialProcessMemory[] BusyOf(List<TrialProcess> children)
    {
        var nodes = children.Select(c => new NodeId(c.Node)).ToHashSet();
        return [.. _jobs.Values.Where(j => j is { Demand: not null, Workers: not null })
            .SelectMany(j => j.Workers!.Where(w => nodes.Contains(w.Key)).Select(w => new TrialProcessMemory(w.Key, j.WorkerMemory * w.Value)))
            .Concat(_returning.Where(r => nodes.Contains(r.Key)).Select(r => new TrialProcessMemory(r.Key, r.Value)))
            .OrderBy(b => b.Node.Value, StringComparer.Ordinal)];
    }

    private void OnProcessEnded(NodeId parent, TrialProcessEnded ended)
    {
        // what was never heard of did not join
        if (ended.Node is { } node && (_nodes.ContainsKey(node.Value) || _awaitWords.ContainsKey(node) || _gone.Contains(node)))
        {
            OnNodeGone(new NodeGone(node, ended.Why) { LastLines = ended.LastLines, Stack = ended.Stack });
            return;
        }
        string last = ended.Stack ?? ended.LastLines.LastOrDefault() ?? "it wrote nothing";
        _startFailures[parent] = $"the last one did not join: {ended.Why}; {last}";
        _log.Warning("A child process of node [{0}] for trials did not join: {1}; {2}", parent, ended.Why,
            string.Join(Environment.NewLine, ended.LastLines.Append(ended.Stack ?? "")));
        OfferNodes();
    }

    /// <summary>Whether jobs hear later that a child is gone: with the words of its parent, which are on their way.</summary>
    private bool AwaitsWords(NodeGone gone)
    {
        if (gone.LastLines is not null)
        {
            _awaitWords.Remove(gone.Node);
            Timers.Cancel(gone.Node);
            return false;
        }
        if (_awaitWords.ContainsKey(gone.Node)) return true;
        if (!_nodes.TryGetValue(gone.Node.Value, out var offer) || offer.Parent is not { } parent || !_nodes.ContainsKey(parent.Value)) return false;
        _awaitWords[gone.Node] = (gone, parent);
        Timers.StartSingleTimer(gone.Node, new LastWordsTimeIsUp(gone.Node), LastWordsTime);
        return true;
    }

    private void ForgetProcesses(NodeId node)
    {
        _warm.Remove(node);
        _kept.Remove(node);
        _ending.Remove(node);
        if (_returning.Remove(node)) Timers.Cancel((node, nameof(ReturnMemory)));
        _startFailures.Remove(node);
        foreach (var unfit in _unfit.Keys.Where(u => u.Host == node).ToList()) _unfit.Remove(unfit);
        foreach (var child in _awaitWords.Where(w => w.Value.Parent == node).Select(w => w.Key).ToList()) TellWithoutWords(child);
    }

    private void TellWithoutWords(NodeId node)
    {
        if (!_awaitWords.Remove(node, out var waiting)) return;
        Timers.Cancel(node);
        foreach (var job in _jobs.Values) job.Actor?.Tell(waiting.Gone);
        OfferNodes();
    }
}
