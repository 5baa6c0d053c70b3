using DistOpt.Core.Training;
using MessagePack;

namespace DistOpt.Protocol;

/// <summary>Server of key 0 to every replica: the evaluation at this step is complete, and this is the plan that came of it.</summary>
[MessagePackObject]
public sealed record Proceed([property: Key(0)] WirePlan Plan) : IWireMessage;

/// <summary>
/// Training coordinator to every replica, after <see cref="PublishSelected"/>: evaluate your slices of these splits on the weights of version
/// <paramref name="Step"/> and report to the training coordinator.
/// </summary>
[MessagePackObject]
public sealed record EvaluateSplits([property: Key(0)] long Step, [property: Key(1)] int[] Splits) : ICoordinatorMessage
{
    /// <summary>Whether batch-norm statistics are measured anew before: the weights are an average.</summary>
    [Key(2)]
    public bool UpdatesBatchNorm { get; init; }
}

/// <summary>Metrics of one evaluation slice, or of a part of one: the first has its sums, and each has some of its counts.</summary>
[MessagePackObject]
public sealed record SliceMetrics([property: Key(0)] int Slice, [property: Key(1)] WireMetrics Metrics)
{
    /// <summary>Which part, from 0.</summary>
    [Key(2)]
    public int Part { get; init; }

    /// <summary>Parts of the slice; 0 = it is one.</summary>
    [Key(3)]
    public int Parts { get; init; }
}

/// <summary>
/// Replica to the server of key 0 (at a barrier) or to the training coordinator (at the end): its workers' slices of a split.
/// Identified by (step, split, slice): a repeat is dropped.
/// </summary>
[MessagePackObject]
public sealed record EvaluationSlices(
    [property: Key(0)] long Step,
    [property: Key(1)] int Split,
    [property: Key(2)] SliceMetrics[] Slices) : IWireMessage
{
    /// <summary>Bytes of slices in one message, below the smallest frame that a node can be set to (32,000).</summary>
    private const int BytesMax = 24_000;

    /// <summary>As few messages as hold the slices within the control plane's frames, each slice cut where its counts need it.</summary>
    public static IEnumerable<EvaluationSlices> Of(long step, int split, IReadOnlyList<(int Slice, MetricSums Metrics)> slices)
    {
        var message = new List<SliceMetrics>();
        int size = 0;
        foreach (var (slice, bytes) in slices.SelectMany(s => Cut(s.Slice, s.Metrics)))
        {
            if (size > 0 && size + bytes > BytesMax)
            {
                yield return new EvaluationSlices(step, split, [.. message]);
                message.Clear();
                size = 0;
            }
            message.Add(slice);
            size += bytes;
        }
        if (size > 0) yield return new EvaluationSlices(step, split, [.. message]);
    }

    private static List<(SliceMetrics Slice, int Bytes)> Cut(int index, MetricSums metrics)
    {
        const int head = 64, perPart = BytesMax / 2 / WireCounts.EntryBytes;
        var whole = WireMetrics.From(metrics);
        int sums = head + whole.Names.Sum(n => 3 * n.Length + 23);
        if (whole.Counts is null) return [(new SliceMetrics(index, whole), sums)];
        var chunks = metrics.Counts.SelectMany(c => c.Value.Sorted().Chunk(perPart).Select(entries => (c.Key, Entries: entries))).ToList();
        if (metrics.Counts.Sum(c => (long)c.Value.Count) <= perPart)
            return [(new SliceMetrics(index, whole), sums + chunks.Sum(c => head + c.Entries.Length * WireCounts.EntryBytes))];
        var parts = new List<(SliceMetrics, int)> { (new SliceMetrics(index, whole with { Counts = null }) { Parts = chunks.Count + 1 }, sums) };
        foreach (var (name, entries) in chunks)
        {
            var counts = new WireMetrics([], [], []) { Counts = [WireCounts.From(name, entries)] };
            parts.Add((new SliceMetrics(index, counts) { Part = parts.Count, Parts = chunks.Count + 1 }, 2 * head + entries.Length * WireCounts.EntryBytes));
        }
        return parts;
    }
}

/// <summary>
/// Replica to training coordinator: so many gradient shards are computed in place of, or after the loss of, somebody else. Said again at the
/// beginning of an epoch, whose coordinator may be another one.
/// </summary>
[MessagePackObject]
public sealed record ShardsRedone([property: Key(0)] int JobEpoch, [property: Key(1)] long Step, [property: Key(2)] int Shards) : IWireMessage
{
    /// <summary>All that this replica has computed so; 0 = it does not say.</summary>
    [Key(3)]
    public long Total { get; init; }
}
