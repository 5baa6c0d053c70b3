using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace DistOpt.Core.SearchSpaces;

/// <summary>
/// The configurations of a countable space, each with a rank from 0. Those with the same values of all parents (parameters that conditions ask for)
/// follow each other, counted up by their other parameters.
/// </summary>
internal sealed class SpaceEnumeration
{
    /// <summary>At most so many combinations of the parents' values are kept.</summary>
    public const int MaxCombinations = 1_000_000;

    private readonly SearchSpace _space;
    private readonly ImmutableArray<int> _parents;
    private readonly List<double[]> _combinations = [];
    private readonly List<long> _starts = [];
    private readonly Dictionary<Key, int> _byParents = [];

    /// <exception cref="ArgumentException">There is a continuum of them, or they are too many.</exception>
    public SpaceEnumeration(SearchSpace space)
    {
        _space = space;
        _parents = [.. Enumerable.Range(0, space.Count).Where(space.IsParent)];
        if (Problem(space) is { } problem) throw new ArgumentException($"the space {problem}", nameof(space));
        double[] values = new double[space.Count];
        Array.Fill(values, double.NaN);
        Combine(0, values);
    }

    /// <summary>Number of configurations.</summary>
    public long Count { get; private set; }

    /// <summary>Why a space cannot be gone through; null = it can.</summary>
    public static string? Problem(SearchSpace space)
    {
        if (space.Parameters.FirstOrDefault(p => p.Domain.Count is null) is { } continuous) return $"has a continuum of values of {continuous.Name}";
        double combinations = 1;
        for (int i = 0; i < space.Count; i++)
            if (space.IsParent(i)) combinations *= space.Parameters[i].Domain.Count!.Value;
        if (combinations > MaxCombinations) return $"has {combinations} combinations of values that conditions ask for: at most {MaxCombinations} are possible";
        return space.Size is null ? "has more configurations than fit into 63 bits" : null;
    }

    /// <summary>Writes the configuration of a rank.</summary>
    public void At(long rank, Span<double> values)
    {
        if (rank < 0 || rank >= Count) throw new ArgumentOutOfRangeException(nameof(rank), $"{rank} is not within [0,{Count})");
        int found = _starts.BinarySearch(rank);
        int combination = found < 0 ? ~found - 1 : found;
        long left = rank - _starts[combination];
        _combinations[combination].CopyTo(values);
        for (int i = _space.Count - 1; i >= 0; i--)
        {
            if (_space.IsParent(i) || !_space.IsActive(i, values)) continue;
            var domain = _space.Parameters[i].Domain;
            values[i] = SearchSpace.Nth(domain, left % domain.Count!.Value);
            left /= domain.Count!.Value;
        }
    }

    /// <summary>The rank of a configuration of the space.</summary>
    public long RankOf(ReadOnlySpan<double> values)
    {
        long rank = 0;
        for (int i = 0; i < _space.Count; i++)
        {
            if (_space.IsParent(i) || !_space.IsActive(i, values)) continue;
            var domain = _space.Parameters[i].Domain;
            rank = rank * domain.Count!.Value + IndexIn(domain, values[i]);
        }
        return _starts[_byParents[KeyOf(values)]] + rank;
    }

    private static long IndexIn(Domain domain, double value) => domain is NumericDomain numbers ? numbers.StepsTo(value) : (long)value;

    private void Combine(int parent, double[] values)
    {
        if (parent == _parents.Length)
        {
            long count = 1;
            for (int i = 0; i < _space.Count; i++)
                if (!_space.IsParent(i) && _space.IsActive(i, values)) count = checked(count * _space.Parameters[i].Domain.Count!.Value);
            _byParents.Add(KeyOf(values), _combinations.Count);
            _combinations.Add([.. values]);
            _starts.Add(Count);
            Count = checked(Count + count);
            return;
        }
        int index = _parents[parent];
        if (!_space.IsActive(index, values))
        {
            Combine(parent + 1, values);
            return;
        }
        for (long i = 0; i < _space.Parameters[index].Domain.Count!.Value; i++)
        {
            values[index] = SearchSpace.Nth(_space.Parameters[index].Domain, i);
            Combine(parent + 1, values);
        }
        values[index] = double.NaN;
    }

    private Key KeyOf(ReadOnlySpan<double> values)
    {
        long[] indices = new long[_parents.Length];
        for (int i = 0; i < indices.Length; i++)
            indices[i] = double.IsNaN(values[_parents[i]]) ? -1 : IndexIn(_space.Parameters[_parents[i]].Domain, values[_parents[i]]);
        return new Key(indices);
    }

    /// <summary>The parents' values by their places in their domains; -1 = none.</summary>
    private readonly struct Key(long[] indices) : IEquatable<Key>
    {
        private readonly long[] _indices = indices;

        public bool Equals(Key other) => _indices.AsSpan().SequenceEqual(other._indices);

        public override bool Equals(object? other) => other is Key key && Equals(key);

        public override int GetHashCode()
        {
            var hash = new HashCode();
            hash.AddBytes(MemoryMarshal.AsBytes(_indices.AsSpan()));
            return hash.ToHashCode();
        }
    }
}
