namespace DistOpt.Core.Training;

/// <summary>Gradient shards <c>[Begin, End)</c> for the worker at a position of its node.</summary>
public readonly record struct ShardRange(int Worker, int Begin, int End)
{
    public int Length => End - Begin;
}

/// <summary>
/// Which gradient shards a node computes in a step. The step's plan names the assignment that shares out the whole batch; where a later one
/// is known (somebody was lost), the node also takes over what that gives it, so that every shard has an owner who lives. Nothing that is
/// computed twice is counted twice.
/// </summary>
public static class ShardWork
{
    /// <summary>Ranges to compute: those of the plan's assignment first, then what the latest one adds; without what is done.</summary>
    /// <param name="byPlan">The node's ranges by the plan's assignment.</param>
    /// <param name="latest">Its ranges by the latest assignment.</param>
    /// <param name="done">Shards that are computed or under way; what is returned is added.</param>
    public static IReadOnlyList<ShardRange> Of(IEnumerable<ShardRange> byPlan, IEnumerable<ShardRange> latest, ISet<int> done)
    {
        var work = new List<ShardRange>();
        foreach (var range in byPlan.Concat(latest))
        {
            int begin = -1;
            for (int shard = range.Begin; shard <= range.End; shard++)
            {
                if (shard < range.End && done.Add(shard))
                {
                    if (begin < 0) begin = shard;
                    continue;
                }
                if (begin >= 0) work.Add(range with { Begin = begin, End = shard });
                begin = -1;
            }
        }
        return work;
    }

    /// <summary>The fewest ranges that hold these shards, for one worker.</summary>
    /// <param name="shards">In any order, each once.</param>
    public static IReadOnlyList<ShardRange> Of(int worker, IEnumerable<int> shards)
    {
        var work = new List<ShardRange>();
        foreach (int shard in shards.Order())
        {
            if (work.Count > 0 && work[^1].End == shard) work[^1] = work[^1] with { End = shard + 1 };
            else work.Add(new ShardRange(worker, shard, shard + 1));
        }
        return work;
    }
}
