using System.Runtime.InteropServices;
using System.Security.Cryptography;
using DistOpt.Core.Parameters;
using DistOpt.Core.Runs;

namespace DistOpt.Core.Checkpoints;

/// <summary>A range of a vector that lies flushed in a file of an unfinished checkpoint.</summary>
/// <param name="Part">See <see cref="CheckpointPart"/>.</param>
/// <param name="Sha256">Of the range's bytes as they were in its writer's memory, lower-case hex.</param>
public sealed record WrittenSlice(int Part, KeyRange Range, string Sha256);

/// <summary>
/// What one server writes of a checkpoint on shared storage: its range of every vector, straight into the files of the unfinished checkpoint,
/// while others write theirs. Not thread-safe.
/// </summary>
public sealed class CheckpointSlices : IDisposable
{
    private readonly CheckpointStore _store;
    private readonly string _path;
    private readonly StateLayout _layout;
    private readonly Dictionary<int, string> _names;
    private readonly Dictionary<int, Slice> _slices = [];

    internal CheckpointSlices(CheckpointStore store, string path, StateLayout layout)
    {
        (_store, _path, _layout) = (store, path, layout);
        _names = layout.Vectors(hasSelected: true).ToDictionary(v => v.Part, v => v.FileName);
    }

    /// <summary>Writes values to their place. Ranges of one vector come in order, without gaps.</summary>
    /// <exception cref="ArgumentException">The range is not within the vector, does not follow the one before, or the values are not as many.</exception>
    /// <exception cref="InvalidDataException">They are weights that are not finite.</exception>
    /// <exception cref="IOException">The disk is full, or fails, or the folder is gone.</exception>
    public void Write(int part, KeyRange range, ReadOnlySpan<float> values)
    {
        if (values.Length != range.Length) throw new ArgumentException($"{values.Length} values for the range {range}", nameof(values));
        if (range.End > _layout.Length(part)) throw new ArgumentException($"the range {range} is not within {_names[part]}", nameof(range));
        CheckpointPart.CheckFinite(part, range, values);
        if (!_slices.TryGetValue(part, out var slice))
        {
            _store.At("create " + _names[part]);
            _slices[part] = slice = new Slice(VectorFile.OpenToWrite(Path.Combine(_path, _names[part]), _layout.SectionOf(part)), range.Begin);
        }
        if (range.Begin != slice.End) throw new ArgumentException($"the range {range} of {_names[part]} does not follow {slice.End}", nameof(range));
        _store.At("write " + _names[part]);
        slice.File.Write(range.Begin, values);
        // in pieces, since the bytes of one span are counted in an int
        const int piece = 1 << 28;
        for (int at = 0; at < values.Length; at += piece)
            slice.Hash.AppendData(MemoryMarshal.AsBytes(values.Slice(at, Math.Min(piece, values.Length - at))));
        slice.End = range.End;
    }

    /// <summary>Flushes and closes every file. Only what this returns may be counted as written.</summary>
    /// <exception cref="IOException">The disk is full, or fails.</exception>
    public IReadOnlyList<WrittenSlice> Complete()
    {
        var written = new List<WrittenSlice>();
        foreach (var (part, slice) in _slices)
        {
            _store.At("flush " + _names[part]);
            slice.File.Flush();
            slice.File.Dispose();
            written.Add(new WrittenSlice(part, new KeyRange(slice.Begin, slice.End), Convert.ToHexStringLower(slice.Hash.GetHashAndReset())));
        }
        _store.At("flush the unfinished folder");
        AtomicFile.FlushDirectory(_path);
        return written;
    }

    public void Dispose()
    {
        foreach (var slice in _slices.Values)
        {
            slice.File.Dispose();
            slice.Hash.Dispose();
        }
    }

    private sealed class Slice(VectorFile file, long begin)
    {
        public readonly VectorFile File = file;
        public readonly IncrementalHash Hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        public readonly long Begin = begin;
        public long End = begin;
    }
}
