using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Globalization;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>
/// The best values of studies, in a file if it is to stay: a line for each function, sampler, seed, number of trials and value. What is there is not measured
/// again, so that a measurement that was ended goes on where it was.
/// </summary>
internal sealed class SamplerFigureFile
{
    private readonly string? _path;
    private readonly ConcurrentDictionary<(string Function, string Sampler, int Seed, int Budget), double> _known = [];
    private readonly Lock _lock = new();

    /// <param name="path">Need not exist; null = nothing stays.</param>
    public SamplerFigureFile(string? path)
    {
        _path = path;
        if (!File.Exists(path)) return;
        foreach (string[] fields in File.ReadLines(path).Select(l => l.Split(',')).Where(f => f.Length == 5))
            _known[(fields[0], fields[1], Whole(fields[2]), Whole(fields[3]))] = double.Parse(fields[4], CultureInfo.InvariantCulture);
    }

    /// <summary>Seeds, of all, whose values after each budget are not known yet.</summary>
    public ImmutableArray<int> Missing(string function, string sampler, ImmutableArray<int> budgets) =>
        [.. Enumerable.Range(1, SamplerFigures.Seeds).Where(seed => budgets.Any(b => !_known.ContainsKey((function, sampler, seed, b))))];

    public void Add(string function, string sampler, int seed, ImmutableArray<int> budgets, double[] values)
    {
        lock (_lock)
        {
            for (int i = 0; i < values.Length; i++)
            {
                if (!_known.TryAdd((function, sampler, seed, budgets[i]), values[i]) || _path is null) continue;
                File.AppendAllText(_path, string.Create(CultureInfo.InvariantCulture, $"{function},{sampler},{seed},{budgets[i]},{values[i]:R}\n"));
            }
        }
    }

    /// <summary>One value for each seed; null = not all are known.</summary>
    public double[]? Get(string function, string sampler, int budget)
    {
        double[] values = new double[SamplerFigures.Seeds];
        for (int i = 0; i < values.Length; i++)
            if (!_known.TryGetValue((function, sampler, i + 1, budget), out values[i])) return null;
        return values;
    }

    private static int Whole(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
