namespace DistOpt.Core.Studies.Engine;

/// <summary>What idempotency keys were used for; the latest ones.</summary>
/// <param name="most">How many are kept.</param>
internal sealed class CommandKeys(int most)
{
    private readonly Dictionary<string, string> _uses = new(StringComparer.Ordinal);
    private readonly Queue<string> _order = new();

    /// <summary>The command that had the key; null = none, or so long ago that it is forgotten.</summary>
    public string? Find(string key) => _uses.GetValueOrDefault(key);

    public void Add(StudyEvent.Command command)
    {
        if (command.Key is not { } key || !_uses.TryAdd(key, NameOf(command))) return;
        _order.Enqueue(key);
        if (_order.Count > most) _uses.Remove(_order.Dequeue());
    }

    /// <summary>Commands that mean the same have the same name.</summary>
    public static string NameOf(StudyEvent.Command command) => command switch
    {
        StudyEvent.Enqueued e => $"enqueue {e.Asked ?? string.Join(' ', e.Point.Select(v => BitConverter.DoubleToInt64Bits(v)))}"
            + (e.FromTrial is { } from ? $" from trial {from}" : ""),
        StudyEvent.PointEnqueued e => $"enqueue {string.Join(' ', e.Point.Select(p => FormattableString.Invariant($"{p.Key}={p.Value}")))}",
        StudyEvent.ParallelSet { Asked: { } from } e => $"set parallel {e.Parallel} from trial {from}",
        StudyEvent.ParallelSet e => $"set parallel {e.Parallel}",
        StudyEvent.TrialsSet e => $"set trials {e.Trials}",
        StudyEvent.SpaceWidened { Text: { } text } => OfSpace(text),
        StudyEvent.SpaceWidened e => FormattableString.Invariant(
            $"set space {e.Space}; defaults {string.Join(", ", e.Defaults.Select(d => FormattableString.Invariant($"{d.Key} {d.Value:R}")))}"),
        StudyEvent.SuspensionSet e => $"{(e.IsSuspended ? "pause" : "resume")} {Of(e.Trial)}",
        StudyEvent.CodeAccepted e => $"accept new code {e.Code}",
        StudyEvent.CancelRequested e => $"cancel {Of(e.Trial)}",
        _ => throw new ArgumentException($"{command.GetType()} is no command of a study", nameof(command)),
    };

    /// <summary>A space is named by the file that says it: what it means depends on the space that was in force.</summary>
    public static string OfSpace(string text) => $"set space {text}";

    private static string Of(int? trial) => trial is { } number ? $"trial {number}" : "study";
}
