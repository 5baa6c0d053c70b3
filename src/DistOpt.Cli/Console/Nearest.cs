namespace DistOpt;

/// <summary>The known name that a mistyped one most likely means.</summary>
internal static class Nearest
{
    /// <summary>The candidate with the smallest edit distance, if that is at most a third of the name's length (at least 1, at most 3).</summary>
    public static string? Of(string name, IEnumerable<string> candidates)
    {
        int limit = Math.Clamp(name.TrimStart('-').Length / 3, 1, 3);
        return candidates.Select(c => (Name: c, Distance: Distance(name, c)))
            .Where(c => c.Distance <= limit || c.Name.StartsWith(name, StringComparison.Ordinal))
            .OrderBy(c => c.Distance).ThenBy(c => c.Name, StringComparer.Ordinal)
            .Select(c => c.Name).FirstOrDefault();
    }

    /// <summary>Levenshtein distance, with a swap of neighbours as one edit.</summary>
    internal static int Distance(string a, string b)
    {
        int[,] d = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++) d[i, 0] = i;
        for (int j = 0; j <= b.Length; j++) d[0, j] = j;
        for (int i = 1; i <= a.Length; i++)
        {
            for (int j = 1; j <= b.Length; j++)
            {
                int replace = d[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                d[i, j] = Math.Min(replace, Math.Min(d[i - 1, j], d[i, j - 1]) + 1);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
            }
        }
        return d[a.Length, b.Length];
    }
}
