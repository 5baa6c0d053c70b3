using System.Runtime.InteropServices;

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

    /// <summary>Native memory that somebody holds: what malloc has given out and not got back, over all of its arenas.</summary>
    public static long NativeBytes()
    {
        Collect();
        var info = MallInfo();
        return (long)(info.InUse + info.Mapped);
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
        .. Directory.GetFiles("/proc/self/fd").Select(Target).OfType<string>().Order(StringComparer.Ordinal),
    ];

    [DllImport("libc", EntryPoint = "mallinfo2")]
    private static extern MallocInfo MallInfo();

    /// <summary>struct mallinfo2 of glibc 2.33: arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct MallocInfo
    {
        private readonly nuint _arena, _freeChunks, _fastBlocks, _mappedRegions;
        public readonly nuint Mapped;
        private readonly nuint _unused, _freedFast;
        public readonly nuint InUse;
        private readonly nuint _free, _top;
    }

    private static string? Target(string fd)
    {
        try
        {
            return File.ResolveLinkTarget(fd, returnFinalTarget: false)?.FullName;
        }
        catch (IOException)
        {
            return null; // it has been closed just now
        }
    }

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
