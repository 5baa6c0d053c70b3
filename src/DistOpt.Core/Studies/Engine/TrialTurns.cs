namespace DistOpt.Core.Studies.Engine;

/// <summary>
/// The order in which a deterministic study counts what its trials bring: that of a study on K equal slots where a unit of resource takes a unit of
/// time. A part of a trial, from a start or a promotion to its next pause or end, is due where it would end there, ties in the order of their
/// beginnings. It depends on decisions alone, and decisions on what was due before: so neither real time nor failures change anything. Parts of equal
/// length are due as they began: decision n then knows parts 0..n-K exactly.
/// </summary>
internal sealed class TrialTurns
{
    private readonly SortedSet<(double Due, long Sequence, int Trial)> _due = [];
    private readonly Dictionary<int, (double Due, long Sequence, int Trial)> _byTrial = [];
    private double _now;
    private long _begun;

    /// <summary>Parts that have begun and were not counted yet.</summary>
    public int Count => _due.Count;

    /// <summary>Whether a part of the trial is under way.</summary>
    public bool Contains(int trial) => _byTrial.ContainsKey(trial);

    /// <summary>The trial whose turn it is.</summary>
    public bool TryPeek(out int trial)
    {
        trial = _due.Count > 0 ? _due.Min.Trial : -1;
        return trial >= 0;
    }

    /// <summary>A part of a trial begins.</summary>
    /// <param name="trial">Of which no part is under way.</param>
    /// <param name="length">Resource, or 1 where it is not known.</param>
    public void Begin(int trial, double length)
    {
        var part = (_now + Math.Max(0, length), _begun++, trial);
        _byTrial.Add(trial, part);
        _due.Add(part);
    }

    /// <summary>A part is counted: it is its turn, or the trial is ended by a command.</summary>
    public void Take(int trial)
    {
        if (!_byTrial.Remove(trial, out var part)) return;
        _due.Remove(part);
        _now = Math.Max(_now, part.Due);
    }
}
