namespace DistOpt.Actors.Workers;

/// <summary>
/// Guards a replica's weights between the network, which writes answers into them, and the workers, which compute with them. Open: answers are
/// read straight into place, slice by slice. Closed: all slices are of one version and stay so. Thread-safe.
/// </summary>
internal sealed class WeightsGate
{
    private readonly Lock _gate = new();
    private readonly Dictionary<long, (long Granted, long Written)> _slices = [];

    // slices that a frame is being written into, and whether another one was refused for that
    private readonly Dictionary<long, bool> _writing = [];
    private bool _isOpen = true;

    /// <summary>Version of the weights when the gate was closed last; -1 before.</summary>
    public long Version { get; private set; } = -1;

    /// <summary>
    /// Whether a frame may be written into a slice now, at once or bit by bit as it comes over a network. Until <see cref="End"/> nothing else is written
    /// there: a sender that was replaced meanwhile may still be at it, and a later version may come while an earlier one is being copied. The slice
    /// counts as torn until <see cref="Written"/> says that it is complete.
    /// </summary>
    /// <param name="slice">Key of the slice.</param>
    /// <param name="version">Version that the frame brings; lower ones than the slice has are refused.</param>
    public bool TryBegin(long slice, long version)
    {
        lock (_gate)
        {
            if (!TryGrant(slice, version)) return false;
            _writing[slice] = false;
            return true;
        }
    }

    /// <summary>The frame is in the slice and taken in, or was given up. True where others were refused meanwhile.</summary>
    public bool End(long slice)
    {
        lock (_gate) return _writing.Remove(slice, out bool refused) && refused;
    }

    private bool TryGrant(long slice, long version)
    {
        var (granted, written) = _slices.GetValueOrDefault(slice, (-1, -1));
        if (!_isOpen || version < granted || version <= written) return false;
        if (_writing.ContainsKey(slice))
        {
            _writing[slice] = true;
            return false;
        }
        _slices[slice] = (version, written);
        return true;
    }

    /// <summary>Whether a frame of that version is of no use any more.</summary>
    public bool IsLate(long slice, long version)
    {
        lock (_gate) return _slices.TryGetValue(slice, out var state) && (version <= state.Written || version < state.Granted);
    }

    /// <summary>The slice is complete at that version.</summary>
    public void Written(long slice, long version)
    {
        lock (_gate)
        {
            var (granted, written) = _slices.GetValueOrDefault(slice, (-1, -1));
            if (version > written) _slices[slice] = (Math.Max(granted, version), version);
        }
    }

    /// <summary>Closes the gate if all slices are complete at one version beyond <see cref="Version"/>, which is <see cref="Version"/> then.</summary>
    /// <param name="slices">Number of slices.</param>
    public bool TryComplete(int slices)
    {
        lock (_gate)
        {
            if (!_isOpen || _slices.Count < slices) return false;
            long version = _slices.Values.First().Written;
            if (version <= Version || _slices.Values.Any(s => s.Written != version || s.Granted != version)) return false;
            Version = version;
            _isOpen = false;
            return true;
        }
    }

    /// <summary>
    /// The version of those slices that are one behind the others, where that version has never been complete here; null where they agree or
    /// some are missing. If the others do not follow, nobody may be left who has computed that step.
    /// </summary>
    /// <param name="slices">Number of slices.</param>
    public long? Straggling(int slices)
    {
        lock (_gate)
        {
            if (_slices.Count < slices) return null;
            long least = _slices.Values.Min(s => s.Written), most = _slices.Values.Max(s => s.Written);
            return most == least + 1 && least > Version ? least : null;
        }
    }

    /// <summary>Nobody computes with the weights for now.</summary>
    public void Open()
    {
        lock (_gate) _isOpen = true;
    }

    /// <summary>Closes the gate again unless something newer has been written in part: then the version is gone from here.</summary>
    public bool TryClose()
    {
        lock (_gate)
        {
            if (_slices.Values.Any(s => s.Granted > Version)) return false;
            _isOpen = false;
            return true;
        }
    }

    public override string ToString() => $"{(_isOpen ? "open" : "closed")} version {Version} {string.Join(" ", _slices.Select(s => $"{s.Key}:{s.Value}"))}";
}
