namespace DistOpt.Hosting.Cluster;

/// <summary>What a node does about nodes that it has not reached for a while.</summary>
public enum DowningDecision
{
    /// <summary>Nothing: others decide, or there is nobody who could.</summary>
    Wait,

    /// <summary>The others are taken for dead.</summary>
    DownUnreachable,

    /// <summary>The others go on without this node, which ends.</summary>
    DownSelf,
}

/// <summary>
/// Who may take whom for dead. Only coordinator nodes decide, for the jobs go where the coordinator is: nodes without that role stay, and work
/// on, however long their coordinator is away. Of several coordinators the larger part goes on, with two the one that is left: the journal's
/// epoch keeps the other from writing if it lives.
/// </summary>
public static class DowningRule
{
    /// <param name="coordinators">The members with the coordinator role, the oldest first: whether each can be reached, and whether it is this node.</param>
    public static DowningDecision Decide(IReadOnlyList<(bool IsReachable, bool IsSelf)> coordinators)
    {
        int all = coordinators.Count;
        int reachable = coordinators.Count(c => c.IsReachable || c.IsSelf);
        if (!coordinators.Any(c => c.IsSelf) || !coordinators.First(c => c.IsReachable || c.IsSelf).IsSelf) return DowningDecision.Wait;
        bool hasOldest = coordinators[0].IsSelf;
        bool goesOn = reachable * 2 > all || (reachable * 2 == all && (hasOldest || all == 2));
        return goesOn ? DowningDecision.DownUnreachable : DowningDecision.DownSelf;
    }

    /// <summary>
    /// Whether this node may take members without the coordinator role for gone whose machine says that their process has ended. A coordinator
    /// may, and where there is none, anyone: members that are missing keep a coordinator that comes back from joining. Coordinators are never taken
    /// for gone by this: a wall that answers in their place must not split the cluster.
    /// </summary>
    /// <param name="coordinates">Whether this node has the role.</param>
    /// <param name="coordinators">The others that have it: whether each can be reached.</param>
    public static bool MayDownEnded(bool coordinates, IEnumerable<bool> coordinators) => coordinates || !coordinators.Any(isReachable => isReachable);
}
