using System.Collections.Immutable;
using System.Globalization;

namespace DistOpt.Core.Training;

/// <summary>
/// GPUs by the ids that <c>CUDA_VISIBLE_DEVICES</c> takes: numbers, or the UUIDs of devices and of their parts (<c>GPU-...</c>, <c>MIG-...</c>). See "CUDA
/// Environment Variables" in the CUDA C++ Programming Guide.
/// </summary>
public static class VisibleDevices
{
    /// <summary>The variable that says which devices a process sees, and in which order; set to nothing, it sees none.</summary>
    public const string Variable = "CUDA_VISIBLE_DEVICES";

    /// <summary>What the variable's text lists, each device once: those in front of the first one that is none, which hides all behind it.</summary>
    public static ImmutableArray<string> Listed(string text) =>
        [.. text.Split(',', StringSplitOptions.TrimEntries).TakeWhile(IsDevice).Distinct(StringComparer.Ordinal)];

    /// <summary>The devices of a node.</summary>
    /// <param name="count">How many it shall have, at least 0; null = all that there are.</param>
    /// <param name="listed">Text of the variable; null where it is not set.</param>
    /// <param name="installed">Devices that the driver knows, for where it is not set.</param>
    public static ImmutableArray<string> Of(int? count, string? listed, int installed)
    {
        var all = listed is null ? Enumerable.Range(0, count ?? installed).Select(i => i.ToString(CultureInfo.InvariantCulture)) : Listed(listed);
        return [.. all.Take(count ?? int.MaxValue)];
    }

    /// <summary>
    /// The part of one of several processes that share all devices of a machine: neighbours, for as many workers as others have, give or take one.
    /// </summary>
    /// <param name="each">Devices of a worker, at least 1.</param>
    /// <param name="index">Which process, from 0.</param>
    /// <param name="processes">How many there are, at least 1.</param>
    public static ImmutableArray<string> Share(ImmutableArray<string> devices, int each, int index, int processes)
    {
        int Begin(int i) => (int)((long)(devices.Length / each) * i / processes) * each;
        return devices[Begin(index)..Begin(index + 1)];
    }

    private static bool IsDevice(string id) => id.StartsWith("GPU-", StringComparison.Ordinal) || id.StartsWith("MIG-", StringComparison.Ordinal)
        || (id.Length > 0 && id.All(char.IsAsciiDigit));
}
