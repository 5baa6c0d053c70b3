using System.Runtime.InteropServices;

namespace DistOpt.Core.Studies;

/// <summary>
/// Numbers of trials in an order, which are sorted when they are asked for: a few new ones are inserted, many are sorted and merged.
/// </summary>
/// <param name="comparer">The order; no two numbers are equal by it, and it does not change for a number while it is among them.</param>
internal sealed class OrderedNumbers(IComparer<int> comparer)
{
    /// <summary>From so many new ones on all are merged: an insertion moves half of the list, a merge all of it.</summary>
    private const int MergedFrom = 8;

    private readonly List<int> _new = [];
    private List<int> _numbers = [];

    /// <summary>A number that is not among them yet.</summary>
    public void Add(int number) => _new.Add(number);

    /// <summary>Leaves a number out that is among them.</summary>
    public void Remove(int number)
    {
        if (_new.Remove(number)) return;
        int place = _numbers.BinarySearch(number, comparer);
        if (place < 0 || _numbers[place] != number) throw new ArgumentException($"{number} is not among them", nameof(number));
        _numbers.RemoveAt(place);
    }

    /// <summary>All of them, the first in the order first; valid until the next change.</summary>
    public ReadOnlySpan<int> AsSpan()
    {
        if (_new.Count >= MergedFrom) Merge();
        else
        {
            foreach (int number in _new)
            {
                int place = _numbers.BinarySearch(number, comparer);
                _numbers.Insert(place < 0 ? ~place : place, number);
            }
        }
        _new.Clear();
        return CollectionsMarshal.AsSpan(_numbers);
    }

    private void Merge()
    {
        _new.Sort(comparer);
        var merged = new List<int>(_numbers.Count + _new.Count);
        int next = 0;
        foreach (int number in _numbers)
        {
            while (next < _new.Count && comparer.Compare(_new[next], number) < 0) merged.Add(_new[next++]);
            merged.Add(number);
        }
        for (; next < _new.Count; next++) merged.Add(_new[next]);
        _numbers = merged;
    }
}
