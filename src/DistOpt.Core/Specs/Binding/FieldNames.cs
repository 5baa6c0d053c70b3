using System.Text.Json;

namespace DistOpt.Core.Specs.Binding;

/// <summary>Names of fields: their spelling, and the known one nearest to an unknown one.</summary>
internal static class FieldNames
{
    /// <summary><c>GradientShards</c> to <c>gradient_shards</c>.</summary>
    public static string Snake(string name) => JsonNamingPolicy.SnakeCaseLower.ConvertName(name);

    /// <summary>
    /// The known name that was probably meant: few typing errors away, part of the other, or abbreviated by initials (lr).
    /// </summary>
    public static string? Nearest(string name, IEnumerable<string> known)
    {
        if (name.Length is 0 or > 64)
            return null;
        var normal = Normal(name);
        string? best = null;
        var bestDistance = double.PositiveInfinity;
        foreach (var candidate in known)
        {
            var other = Normal(candidate);
            var distance = Distance(normal, other);
            var limit = Math.Max(1, Math.Min(normal.Length, other.Length) / 3);
            double rank = distance;
            if (distance > limit || distance >= Math.Min(normal.Length, other.Length))
            {
                if (Math.Min(normal.Length, other.Length) >= 4 && (normal.Contains(other, StringComparison.Ordinal)
                    || other.Contains(normal, StringComparison.Ordinal)))
                    rank = limit + 1;
                else if (normal.Length > 1 && Initials(other) == normal)
                    rank = limit + 2;
                else
                    continue;
            }

            if (rank < bestDistance)
                (best, bestDistance) = (candidate, rank);
        }

        return best;
    }

    /// <summary>Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment, Damerau 1964).</summary>
    internal static int Distance(string a, string b)
    {
        var d = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
            d[i, 0] = i;
        for (var j = 0; j <= b.Length; j++)
            d[0, j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            for (var j = 1; j <= b.Length; j++)
            {
                var cost = a[i - 1] == b[j - 1] ? 0 : 1;
                d[i, j] = Math.Min(Math.Min(d[i - 1, j] + 1, d[i, j - 1] + 1), d[i - 1, j - 1] + cost);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
            }
        }

        return d[a.Length, b.Length];
    }

    private static string Normal(string name) => name.ToLowerInvariant().Replace('-', '_');

    private static string Initials(string name) =>
        string.Concat(name.Split('_', StringSplitOptions.RemoveEmptyEntries).Select(part => part[0]));
}
