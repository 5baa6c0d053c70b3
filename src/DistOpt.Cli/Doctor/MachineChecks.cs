using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using DistOpt.Core.Datasets;
using DistOpt.Core.Training;
using DistOpt.Hosting.Cluster;
using DistOpt.Torch;

namespace DistOpt;

/// <summary>What <c>doctor</c> looks at on this machine.</summary>
internal static class MachineChecks
{
    /// <summary>libtorch is built against this glibc.</summary>
    private static readonly Version GlibcMin = new(2, 28);

    public static IEnumerable<DoctorCheck> All(Func<string, string?> environment)
    {
        yield return Runtime();
        yield return OperatingSystemCheck();
        yield return StandardLibrary();
        yield return Torch(environment);
        yield return Cpu();
        yield return HalfPrecision();
        yield return Threads(environment);
        yield return Memory();
        yield return Gpus(environment);
        yield return DataFolder(environment);
    }

    private static DoctorCheck Runtime() => Environment.Version.Major >= 10
        ? DoctorCheck.Ok("runtime", RuntimeInformation.FrameworkDescription)
        : DoctorCheck.Failed("runtime", RuntimeInformation.FrameworkDescription, "install the .NET 10 runtime");

    private static DoctorCheck OperatingSystemCheck()
    {
        string text = $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64)
            return DoctorCheck.Failed("system", text, "use an x64 machine: libtorch's package is for x64");
        if (OperatingSystem.IsWindows()) return DoctorCheck.Ok("system", text);
        if (!OperatingSystem.IsLinux()) return DoctorCheck.Failed("system", text, "use Linux or Windows: there is no libtorch package for this system");
        string glibc;
        try
        {
            glibc = Marshal.PtrToStringUTF8(GlibcVersion()) ?? "";
        }
        catch (EntryPointNotFoundException)
        {
            return DoctorCheck.Failed("system", text + ", no glibc (musl?)", "use a distribution with glibc, such as Debian 12 or Ubuntu 22.04; Alpine cannot load libtorch");
        }
        return Version.TryParse(glibc, out var version) && version < GlibcMin
            ? DoctorCheck.Failed("system", $"{text}, glibc {glibc}", $"use a distribution with glibc {GlibcMin} or newer, such as Debian 12 or Ubuntu 22.04")
            : DoctorCheck.Ok("system", $"{text}, glibc {glibc}");
    }

    private static DoctorCheck StandardLibrary()
    {
        if (!OperatingSystem.IsLinux()) return DoctorCheck.Ok("libstdc++", "not needed here");
        if (!NativeLibrary.TryLoad("libstdc++.so.6", out nint handle))
            return DoctorCheck.Failed("libstdc++", "libstdc++.so.6 is not found", "install it: apt-get install libstdc++6 libgomp1");
        NativeLibrary.Free(handle);
        string? path = File.ReadLines("/proc/self/maps").FirstOrDefault(l => l.Contains("libstdc++.so.6", StringComparison.Ordinal)) is { } line
            ? line[line.IndexOf('/')..]
            : null;
        return DoctorCheck.Ok("libstdc++", path is null ? "loads" : Path.GetFileName(File.ResolveLinkTarget(path, true)?.FullName ?? path));
    }

    private static DoctorCheck Torch(Func<string, string?> environment)
    {
        try
        {
            using var scope = TorchSharp.torch.NewDisposeScope();
            float sum = TorchSharp.torch.ones(3, 4).matmul(TorchSharp.torch.ones(4, 2)).sum().item<float>();
            string package = typeof(TorchSharp.torch).Assembly.GetName().Version?.ToString(3) ?? "?";
            string capability = environment("ATEN_CPU_CAPABILITY") is { Length: > 0 } forced ? $"{forced} (forced by ATEN_CPU_CAPABILITY)" : Capability();
            return sum == 24
                ? DoctorCheck.Ok("libtorch", $"{TorchSharp.torch.__version__} through TorchSharp {package}, CPU capability {capability}")
                : DoctorCheck.Failed("libtorch", $"computes {sum} where 24 is right", "reinstall the package; the file may be damaged");
        }
        catch (Exception e) when (e is TypeInitializationException or DllNotFoundException or NotSupportedException or ExternalException
            or EntryPointNotFoundException)
        {
            return DoctorCheck.Failed("libtorch", "does not load: " + CommandLine.FirstLine(e.GetBaseException().Message), OperatingSystem.IsWindows()
                ? "install the Visual C++ runtime 2015-2022 (x64), and build or publish for win-x64"
                : "apt-get install libgomp1, and build or publish on the machine for linux-x64; see the lines above for system libraries");
        }
    }

    /// <summary>The capability that ATen picks, by the same rule (aten/src/ATen/native/DispatchStub.cpp).</summary>
    private static string Capability() => Avx512F.IsSupported && Avx512BW.IsSupported && Avx512DQ.IsSupported && Avx512F.VL.IsSupported && Fma.IsSupported
        ? "avx512"
        : Avx2.IsSupported && Fma.IsSupported ? "avx2" : "default";

    private static DoctorCheck Cpu()
    {
        var features = new List<string>();
        if (Avx2.IsSupported) features.Add("AVX2");
        if (Fma.IsSupported) features.Add("FMA");
        if (Avx512F.IsSupported) features.Add("AVX512");
        if (Bf16.HasAvx512) features.Add("AVX512-BF16");
        if (Bf16.HasAmx) features.Add("AMX-BF16");
        string text = $"{CpuName()}: {(features.Count == 0 ? "none of AVX2, AVX512" : string.Join(" ", features))}";
        return Avx2.IsSupported ? DoctorCheck.Ok("cpu", text) : DoctorCheck.Warning("cpu", text, "training works, but slowly; a CPU with AVX2 is several times faster");
    }

    private static DoctorCheck HalfPrecision() => DoctorCheck.Ok("bf16", Bf16.Missing is { } why
        ? $"{why}: training.precision must be float32" : $"{Bf16.Description}: training.precision may be bf16");

    private static DoctorCheck Threads(Func<string, string?> environment)
    {
        int count = Environment.ProcessorCount;
        string limit = environment("OMP_NUM_THREADS") is { Length: > 0 } omp ? $", OMP_NUM_THREADS={omp}" : "";
        string text = string.Create(CultureInfo.InvariantCulture, $"{count} hardware threads for this process{limit}");
        return count >= 2 ? DoctorCheck.Ok("threads", text) : DoctorCheck.Warning("threads", text, "use --workers 1: two workers would share one thread");
    }

    private static DoctorCheck Memory()
    {
        var info = GC.GetGCMemoryInfo();
        string text = $"{Format.Bytes(info.TotalAvailableMemoryBytes)} for this process, {Format.Bytes(Environment.WorkingSet)} in use";
        return info.TotalAvailableMemoryBytes >= 1L << 30 ? DoctorCheck.Ok("memory", text)
            : DoctorCheck.Warning("memory", text, "give the process (or its container) at least 1 GiB: libtorch alone needs about 400 MiB");
    }

    private static DoctorCheck Gpus(Func<string, string?> environment)
    {
        string? listed = environment(VisibleDevices.Variable);
        var devices = VisibleDevices.Of(null, listed, MachineDevices.Installed());
        string source = listed is null ? "as the NVIDIA driver says" : $"{VisibleDevices.Variable}={listed}";
        string text = devices.IsEmpty ? "none" : $"{string.Join(", ", devices)}: a node offers {WorkerRoom.GpuCount(devices.Length)} to model code of your own";
        return DoctorCheck.Ok("gpus", $"{text} ({source}); training.device is cpu");
    }

    private static DoctorCheck DataFolder(Func<string, string?> environment)
    {
        string root = environment(DataEnvironment.RootVariable) is { Length: > 0 } set ? Path.GetFullPath(set) : DataEnvironment.DefaultRoot();
        try
        {
            string existing = root;
            while (!Directory.Exists(existing)) existing = Path.GetDirectoryName(existing) ?? throw new IOException($"no part of {root} exists");
            string probe = Path.Combine(existing, $".distopt-{Guid.NewGuid():n}");
            File.WriteAllText(probe, "");
            File.Delete(probe);
            string[] found = Directory.Exists(root)
                ? [.. Directory.EnumerateDirectories(root).Select(d => Path.GetFileName(d)!).Order(StringComparer.Ordinal)] : [];
            return DoctorCheck.Ok("data", $"{root}: {(found.Length == 0 ? "nothing downloaded yet (digits is built in)" : string.Join(", ", found))}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return DoctorCheck.Failed("data", $"{root} cannot be written: {e.Message}", $"set {DataEnvironment.RootVariable} to a folder that you may write to");
        }
    }

    private static string CpuName() => CpuInfo("model name") ?? RuntimeInformation.ProcessArchitecture.ToString();

    private static string? CpuInfo(string key) => !File.Exists("/proc/cpuinfo") ? null
        : File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith(key, StringComparison.Ordinal))?.Split(':', 2)[1].Trim();

    [DllImport("libc", EntryPoint = "gnu_get_libc_version")]
    private static extern nint GlibcVersion();
}
