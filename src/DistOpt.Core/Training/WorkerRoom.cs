using System.Globalization;

namespace DistOpt.Core.Training;

/// <summary>What a node has left for workers: slots (a core each), memory, and GPUs.</summary>
/// <param name="Slots">Workers that it may still run.</param>
/// <param name="MemoryBytes">Memory that nobody has asked for; null where the node does not say, which then bounds nothing.</param>
/// <param name="Gpus">GPUs that nobody has asked for; null where the node does not say, which then bounds nothing.</param>
public readonly record struct WorkerRoom(int Slots, long? MemoryBytes, long? Gpus)
{
    /// <summary>How many workers fit.</summary>
    /// <param name="workerMemory">Bytes that each one takes (<c>training.worker_memory</c>); null where nobody has said.</param>
    /// <param name="workerGpus">GPUs that each one takes (<c>training.worker_gpus</c>), at least 0.</param>
    public int Workers(long? workerMemory, int workerGpus)
    {
        int workers = Math.Max(0, Slots);
        if (MemoryBytes is { } bytes && workerMemory is { } each) workers = (int)Math.Min(workers, Math.Max(0, bytes) / each);
        if (Gpus is { } gpus && workerGpus > 0) workers = (int)Math.Min(workers, Math.Max(0, gpus) / workerGpus);
        return workers;
    }

    /// <summary>What each worker takes beside a slot, behind the number of workers that do not fit; empty where that is nothing.</summary>
    public static string Each(long? workerMemory, int workerGpus)
    {
        string memory = workerMemory is { } each ? $"{Gibibytes(each)} of memory (training.worker_memory)" : "";
        string gpus = workerGpus > 0 ? $"{GpuCount(workerGpus)} (training.worker_gpus)" : "";
        return (memory + gpus).Length == 0 ? "" : $", each with {memory}{(memory.Length > 0 && gpus.Length > 0 ? " and " : "")}{gpus}";
    }

    /// <summary>Bytes in words for people: <c>1.5 GiB</c>.</summary>
    public static string Gibibytes(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 30):0.##} GiB");

    /// <summary>A count in words for people: <c>1 GPU</c>.</summary>
    public static string GpuCount(int count) => string.Create(CultureInfo.InvariantCulture, $"{count} GPU{(count == 1 ? "" : "s")}");
}
