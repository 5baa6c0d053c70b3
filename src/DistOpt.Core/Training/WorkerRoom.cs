namespace DistOpt.Core.Training;

/// <summary>What a node has left for workers: slots (a core each), and memory.</summary>
/// <param name="Slots">Workers that it may still run.</param>
/// <param name="MemoryBytes">Memory that nobody has asked for; null where the node does not say, which then bounds nothing.</param>
public readonly record struct WorkerRoom(int Slots, long? MemoryBytes)
{
    /// <summary>How many workers fit.</summary>
    /// <param name="workerMemory">Bytes that each one takes (<c>training.worker_memory</c>); null where nobody has said.</param>
    public int Workers(long? workerMemory)
    {
        int slots = Math.Max(0, Slots);
        if (MemoryBytes is not { } left || workerMemory is not { } each) return slots;
        return (int)Math.Min(slots, Math.Max(0, left) / each);
    }

    /// <summary>Bytes in words for people: <c>1.5 GiB</c>.</summary>
    public static string Gibibytes(long bytes) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 30):0.##} GiB");
}
