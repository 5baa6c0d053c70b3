using System.Collections.Immutable;

namespace DistOpt.Core.Training;

/// <summary>
/// Which of a node's devices each of its child processes has. A process cannot change the devices that it sees once it has used one of them, so it has the
/// same ones from before its start until it has ended. No device is ever held by two. Not thread-safe.
/// </summary>
/// <param name="devices">Their ids, each of them once.</param>
public sealed class DeviceLedger(ImmutableArray<string> devices)
{
    private readonly Dictionary<int, ImmutableArray<string>> _held = [];

    /// <summary>Devices that nobody holds.</summary>
    public int Free => devices.Length - _held.Values.Sum(h => h.Length);

    /// <summary>Devices for a process that is about to start: the first ones that nobody holds.</summary>
    /// <param name="process">Its number, which no process has that still lives.</param>
    /// <param name="count">At least 0.</param>
    /// <returns>As many as it wants, or null where fewer are free: then it gets none.</returns>
    /// <exception cref="InvalidOperationException">A process of that number took some (or none) before, and has not returned them.</exception>
    public ImmutableArray<string>? Take(int process, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (_held.ContainsKey(process)) throw new InvalidOperationException($"process {process} has its devices already");
        if (count > Free) return null;
        return _held[process] = [.. devices.Where(d => !_held.Values.Any(h => h.Contains(d))).Take(count)];
    }

    /// <summary>The process has ended: others may have what it held. Idempotent.</summary>
    public void Return(int process) => _held.Remove(process);
}
