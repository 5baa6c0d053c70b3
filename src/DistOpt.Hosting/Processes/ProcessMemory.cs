using System.Globalization;
using System.Runtime;
using System.Runtime.InteropServices;

namespace DistOpt.Hosting.Processes;

/// <summary>The memory of this process.</summary>
internal static class ProcessMemory
{
    private const string StatusFile = "/proc/self/status";
    private const string Anonymous = "RssAnon:";

    /// <summary>
    /// Gives what nobody uses back to the system: of the managed heap, and of the C library's where that can (glibc keeps what was freed, for whoever
    /// allocates next). Takes tenths of a second.
    /// </summary>
    /// <returns>Bytes that the process keeps; see <see cref="Kept"/>.</returns>
    public static long Return()
    {
        Collect();
        // native memory goes with the objects that hold it
        GC.WaitForPendingFinalizers();
        Collect();
        TrimNative();
        return Kept();
    }

    /// <summary>
    /// Bytes of physical memory without files that are mapped (libraries, which all processes share); where the system does not tell them apart, with them.
    /// </summary>
    public static long Kept()
    {
        if (!OperatingSystem.IsLinux()) return Environment.WorkingSet;
        string? line = File.ReadLines(StatusFile).FirstOrDefault(l => l.StartsWith(Anonymous, StringComparison.Ordinal));
        // such as "RssAnon:	    5404 kB"
        return line is null ? Environment.WorkingSet
            : long.Parse(line[Anonymous.Length..].Replace("kB", "", StringComparison.Ordinal), NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite,
                CultureInfo.InvariantCulture) << 10;
    }

    private static void Collect()
    {
        GCSettings.LargeObjectHeapCompactionMode = GCLargeObjectHeapCompactionMode.CompactOnce;
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
    }

    private static void TrimNative()
    {
        if (!OperatingSystem.IsLinux()) return;
        try
        {
            _ = MallocTrim(0);
        }
        catch (Exception e) when (e is EntryPointNotFoundException or DllNotFoundException)
        {
            // another C library than glibc, which gives back by itself
        }
    }

    [DllImport("libc", EntryPoint = "malloc_trim")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int MallocTrim(nuint pad);
}
