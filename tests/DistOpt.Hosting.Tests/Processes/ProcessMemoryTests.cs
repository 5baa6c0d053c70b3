using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DistOpt.Hosting.Processes;

namespace DistOpt.Hosting.Tests.Processes;

/// <summary>What a child process gives back between two attempts.</summary>
[Collection(nameof(WholeProcess))]
public sealed class ProcessMemoryTests
{
    private const int Pieces = 40_000;
    private const int PieceBytes = 4_096;

    [Fact]
    public void What_nobody_uses_any_more_is_given_back_of_the_managed_heap_and_of_the_C_librarys()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "elsewhere the system does not tell what a process keeps for itself");
        long before = ProcessMemory.Return();

        long full = Fill(out nint last);
        long kept = ProcessMemory.Return();
        Marshal.FreeHGlobal(last);

        Assert.True(full - before > 250L << 20, $"{before >> 20} MiB became {full >> 20} MiB");
        Assert.True(kept - before < 60L << 20, $"{before >> 20} MiB became {kept >> 20} MiB");
    }

    /// <summary>In a method of its own, whose locals nobody holds after it.</summary>
    /// <returns>What the process keeps meanwhile.</returns>
    /// <param name="last">Memory behind all that is freed, which glibc therefore does not give back by itself.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static long Fill(out nint last)
    {
        var managed = Enumerable.Range(0, Pieces).Select(_ => new byte[PieceBytes]).ToList();
        // in small pieces, which glibc keeps for whoever allocates next
        nint[] native = [.. Enumerable.Range(0, Pieces).Select(_ => Marshal.AllocHGlobal(PieceBytes))];
        last = Marshal.AllocHGlobal(PieceBytes);
        foreach (nint piece in native) Marshal.WriteByte(piece, 1);
        long full = ProcessMemory.Kept();
        foreach (nint piece in native) Marshal.FreeHGlobal(piece);
        GC.KeepAlive(managed);
        return full;
    }
}
