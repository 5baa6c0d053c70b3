namespace DistOpt.Core.Training;

/// <summary>
/// How many child processes a node keeps: as many as attempts want, at once; fewer only when fewer were wanted for a while, since between two attempts
/// of a study there is none.
/// </summary>
/// <param name="linger">For how long children are kept that nobody wants.</param>
public sealed class WarmProcesses(TimeSpan linger)
{
    private int _kept;
    private DateTimeOffset? _fewerSince;

    /// <param name="wanted">That attempts want now.</param>
    /// <param name="existing">That the node has, without those that were told to end.</param>
    /// <param name="now">Never before that of the call before.</param>
    /// <returns>That the node should have: at least <paramref name="wanted"/>.</returns>
    public int Keep(int wanted, int existing, DateTimeOffset now)
    {
        // those of whom nobody knew (a former coordinator wanted them) stay as long as others
        _kept = Math.Max(_kept, Math.Max(wanted, existing));
        if (wanted >= _kept) _fewerSince = null;
        else _fewerSince ??= now;
        if (now - _fewerSince < linger) return _kept;
        _fewerSince = null;
        return _kept = wanted;
    }
}
