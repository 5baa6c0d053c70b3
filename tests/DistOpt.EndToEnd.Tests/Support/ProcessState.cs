using System.Globalization;

namespace DistOpt.EndToEnd.Tests.Support;

/// <summary>What this process holds, after everything that can be collected has been.</summary>
internal static class ProcessState
{
    public static void Collect()
    {
        for (int i = 0; i < 3; i++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }
    }

    /// <summary>Resident memory, managed and native.</summary>
    public static long ResidentBytes()
    {
        Collect();
        string line = File.ReadLines("/proc/self/status").Single(l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
    }

    /// <summary>Names of the threads, without those that the runtime pools and ends by itself.</summary>
    public static List<string> Threads() =>
    [
        .. Directory.GetDirectories("/proc/self/task").Select(task => Read(Path.Combine(task, "comm"))).OfType<string>()
            .Where(name => !name.StartsWith(".NET T", StringComparison.Ordinal)).Order(StringComparer.Ordinal),
    ];

    /// <summary>What the open file handles point to.</summary>
    public static List<string> Handles() =>
    [
        .. Directory.GetFiles("/proc/self/fd").Select(fd => File.ResolveLinkTarget(fd, returnFinalTarget: false)?.FullName).OfType<string>()
            .Order(StringComparer.Ordinal),
    ];

    private static string? Read(string path)
    {
        try
        {
            return File.ReadAllText(path).Trim();
        }
        catch (IOException)
        {
            return null; // the thread has ended just now
        }
    }
}
