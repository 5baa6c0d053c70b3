namespace DistOpt.Core.TrialSchedulers;

/// <summary>
/// The trials that have reached a rung, the best <c>floor(n / eta)</c> of them apart, so that the best one which has not been promoted is found
/// without a search. Everything costs O(log n). Trials with NaN or the worst loss of all, infinity, count and are never promoted.
/// </summary>
/// <param name="resource">Where the rung lies.</param>
/// <param name="reductionFactor">eta.</param>
/// <param name="isOpen">Whether a trial stands at this rung and may be promoted from it.</param>
internal sealed class Rung(long resource, double reductionFactor, Func<int, bool> isOpen)
{
    private readonly SortedSet<(double Loss, int Trial)> _top = [];
    private readonly SortedSet<(double Loss, int Trial)> _rest = [];
    private readonly SortedSet<(double Loss, int Trial)> _open = [];

    public long Resource => resource;

    /// <summary>Trials that have reached it.</summary>
    public int Entered { get; private set; }

    /// <summary>Trials that were sent on from it.</summary>
    public int Promoted { get; private set; }

    /// <summary>In trial order: those that are on their way to the rung, in the order in which they are to count.</summary>
    public Queue<int> Coming { get; } = new();

    /// <summary>In trial order: those that have been promoted to the rung and wait for a slot.</summary>
    public Queue<int> Ready { get; } = new();

    /// <summary>Whether there is a trial to promote, and which is the best one.</summary>
    public bool TryBest(out int trial)
    {
        trial = _open.Count > 0 ? _open.Min.Trial : -1;
        return trial >= 0;
    }

    /// <summary>A trial has reached the rung.</summary>
    public void Enter(int trial, double loss)
    {
        Entered++;
        var entry = (loss, trial);
        if (loss < double.PositiveInfinity)
        {
            if (_top.Count > 0 && entry.CompareTo(_top.Max) < 0) Raise(entry);
            else _rest.Add(entry);
        }
        int size = Math.Min((int)Math.Floor(Entered / reductionFactor), _top.Count + _rest.Count);
        while (_top.Count > size)
        {
            var worst = _top.Max;
            _top.Remove(worst);
            _open.Remove(worst);
            _rest.Add(worst);
        }
        while (_top.Count < size)
        {
            var best = _rest.Min;
            _rest.Remove(best);
            Raise(best);
        }
    }

    /// <summary>A trial is sent on.</summary>
    public void Promote(int trial, double loss)
    {
        Promoted++;
        Close(trial, loss);
    }

    /// <summary>A trial can no longer be promoted; it still counts.</summary>
    public void Close(int trial, double loss) => _open.Remove((loss, trial));

    private void Raise((double Loss, int Trial) entry)
    {
        _top.Add(entry);
        if (isOpen(entry.Trial)) _open.Add(entry);
    }
}
