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
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="servers"/> is below 1 or above <see cref="MaxServers"/>.</exception>
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
}
