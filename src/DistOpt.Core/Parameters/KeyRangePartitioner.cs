using System.Collections.Immutable;

namespace DistOpt.Core.Parameters;

/// <summary>Cuts the parameter section into one key range per server.</summary>
public static class KeyRangePartitioner
{
    /// <summary>Ranges are cut at multiples of this many parameters, so that blockwise norms never straddle two servers.</summary>
    public const int Block = 1024;

    /// <summary>The most servers that <paramref name="parameterCount"/> parameters can occupy: one per block, at least 1.</summary>
    public static int MaxServers(long parameterCount) => (int)Math.Clamp((parameterCount + Block - 1) / Block, 1, int.MaxValue);

    /// <summary>
    /// Near-equal ranges in ascending order that cover <c>[0, parameterCount)</c>: server s takes blocks
    /// <c>floor(s*blocks/servers) .. floor((s+1)*blocks/servers)</c>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="servers"/> is below 1 or above <see cref="MaxServers(long)"/>.</exception>
    public static ImmutableArray<KeyRange> Cut(long parameterCount, int servers)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(parameterCount);
        ArgumentOutOfRangeException.ThrowIfLessThan(servers, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(servers, MaxServers(parameterCount));
        long blocks = (parameterCount + Block - 1) / Block;
        var ranges = ImmutableArray.CreateBuilder<KeyRange>(servers);
        for (int s = 0; s < servers; s++)
        {
            long begin = blocks * s / servers * Block;
            long end = Math.Min(blocks * (s + 1) / servers * Block, parameterCount);
            ranges.Add(new KeyRange(Math.Min(begin, parameterCount), end));
        }
        return ranges.MoveToImmutable();
    }

    /// <summary>The most servers that a layout can occupy where no tensor may be cut: one per tensor, at least 1.</summary>
    public static int MaxServers(ParameterLayout layout, bool wholeTensors) =>
        wholeTensors ? Math.Max(1, layout.Parameters.Count(p => p.Length > 0)) : MaxServers(layout.ParameterCount);

    /// <summary>
    /// As <see cref="Cut(long, int)"/>; or, where no tensor may be cut, at the ends of tensors: range s ends at the tensor's end that is nearest to
    /// <c>(s + 1) / servers</c> of the parameters and leaves a tensor for each server.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="servers"/> is below 1 or above
    /// <see cref="MaxServers(ParameterLayout, bool)"/>.</exception>
    public static ImmutableArray<KeyRange> Cut(ParameterLayout layout, int servers, bool wholeTensors)
    {
        if (!wholeTensors) return Cut(layout.ParameterCount, servers);
        ArgumentOutOfRangeException.ThrowIfLessThan(servers, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(servers, MaxServers(layout, wholeTensors));
        long[] ends = [.. layout.Parameters.Where(p => p.Length > 0).Select(p => p.Range.End)];
        var ranges = ImmutableArray.CreateBuilder<KeyRange>(servers);
        long begin = 0;
        for (int s = 0, next = 0; s < servers - 1; s++)
        {
            long target = (long)((Int128)layout.ParameterCount * (s + 1) / servers);
            int last = ends.Length - (servers - s);
            while (next < last && Math.Abs(ends[next + 1] - target) <= Math.Abs(ends[next] - target)) next++;
            ranges.Add(new KeyRange(begin, ends[next]));
            begin = ends[next++];
        }
        ranges.Add(new KeyRange(begin, layout.ParameterCount));
        return ranges.MoveToImmutable();
    }
}
