using DistOpt.Core.Training;

namespace DistOpt.Hosting.Cluster;

/// <summary>GPUs that this machine has for this process.</summary>
internal static class MachineDevices
{
    /// <summary>Has an entry for each device, where the NVIDIA driver is loaded (Linux).</summary>
    private const string DriverFolder = "/proc/driver/nvidia/gpus";

    /// <summary>What this process was told to see; null where it was told nothing.</summary>
    public static string? Listed => Environment.GetEnvironmentVariable(VisibleDevices.Variable);

    /// <summary>Devices that the driver has, whatever this process was told.</summary>
    public static int Installed(string folder = DriverFolder) => Directory.Exists(folder) ? Directory.EnumerateDirectories(folder).Count() : 0;
}
