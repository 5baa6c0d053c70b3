using DistOpt.Protocol;

namespace DistOpt.Actors.Nodes;

/// <summary>
/// Lines that a node has sent to a job's coordinator, until they are known to be in the job's log: whoever takes over from a coordinator that is
/// gone gets them again. At most <see cref="Kept"/>; older ones are forgotten.
/// </summary>
/// <param name="stream">Names this count of lines among those of the same node.</param>
internal sealed class KeptLines(long stream)
{
    public const int Kept = 200;

    private readonly Queue<WireLogLine> _lines = new();
    private long _next = 1;

    private long First => _next - _lines.Count;

    /// <summary>Numbers and keeps the lines.</summary>
    /// <returns>What is to be sent.</returns>
    public LogLines Add(IReadOnlyList<WireLogLine> lines)
    {
        var message = new LogLines([.. lines]) { First = _next, Stream = stream };
        foreach (var line in lines) _lines.Enqueue(line);
        _next += lines.Count;
        while (_lines.Count > Kept) _lines.Dequeue();
        return message;
    }

    /// <summary>These are logged.</summary>
    public void Seen(LinesSeen seen)
    {
        if (seen.Stream != stream) return;
        while (_lines.Count > 0 && First <= seen.Last) _lines.Dequeue();
    }

    /// <summary>Everything that is not known to be logged; null where there is nothing.</summary>
    public LogLines? Unseen => _lines.Count == 0 ? null : new LogLines([.. _lines]) { First = First, Stream = stream };
}
