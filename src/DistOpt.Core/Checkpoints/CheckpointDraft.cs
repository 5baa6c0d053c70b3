using DistOpt.Core.Parameters;
using DistOpt.Core.Runs;

namespace DistOpt.Core.Checkpoints;

/// <summary>
/// A checkpoint that is being gathered: slices of its vectors come in any order, or are written by servers themselves, and once all are there it is
/// committed. Not thread-safe.
/// </summary>
public sealed class CheckpointDraft : IDisposable
{
    private readonly CheckpointStore _store;
    private readonly string _path;
    private readonly StateLayout _layout;
    private readonly Dictionary<int, Vector> _vectors = [];
    private CheckpointManifest? _manifest;

    internal CheckpointDraft(CheckpointStore store, string path, StateLayout layout)
    {
        (_store, _path, _layout) = (store, path, layout);
        foreach (var vector in layout.Vectors(hasSelected: true)) _vectors[vector.Part] = new Vector(vector, layout.Length(vector.Part));
    }

    /// <summary>Whether every place of every vector of the state has come.</summary>
    public bool IsComplete => _manifest is not null && _vectors.Values.All(v => v.Missing == 0);

    /// <summary>Whether slices of the server that holds a range of the parameters are still missing.</summary>
    /// <param name="isFirst">Whether it is the one that sends the buffers too, and says what the state is.</param>
    public bool Lacks(KeyRange range, bool isFirst)
    {
        if (isFirst && _manifest is null) return true;
        // whether the state has selected weights is not known before it is described
        var certain = _layout.Vectors(_manifest?.State.HasSelected ?? false).Select(v => v.Part);
        return certain.Select(part => _vectors[part]).Any(v => CheckpointPart.IsBuffers(v.Of.Part)
            ? isFirst && v.Missing > 0
            : v.Begun.Where(b => range.Contains(b.Key)).Sum(b => b.Value) < range.Length);
    }

    /// <summary>Says what the state is; vectors that it does not have are dropped, also where slices of them have come.</summary>
    /// <param name="manifest">Without its files.</param>
    public void Describe(CheckpointManifest manifest)
    {
        _manifest = manifest;
        var vectors = _layout.Vectors(manifest.State.HasSelected).Select(v => v.Part).ToHashSet();
        foreach (var (part, vector) in _vectors.Where(v => !vectors.Contains(v.Key)).ToList())
        {
            vector.File?.Dispose();
            File.Delete(Path.Combine(_path, vector.Of.FileName));
            _vectors.Remove(part);
        }
    }

    /// <summary>Writes a slice to its place; a repeat and a vector that the state does not have are dropped.</summary>
    /// <exception cref="ArgumentException">The range is not within the vector, or the values are not as many.</exception>
    /// <exception cref="InvalidDataException">They are weights that are not finite.</exception>
    /// <exception cref="IOException">The disk is full, or fails.</exception>
    public void Write(int part, KeyRange range, ReadOnlySpan<float> values)
    {
        if (!_vectors.TryGetValue(part, out var vector) || !Claim(vector, range)) return;
        if (values.Length != range.Length) throw new ArgumentException($"{values.Length} values for the range {range}", nameof(values));
        CheckpointPart.CheckFinite(part, range, values);
        if (vector.File is null)
        {
            _store.At("create " + vector.Of.FileName);
            vector.File = Open(vector.Of);
        }
        _store.At("write " + vector.Of.FileName);
        vector.File.Write(range.Begin, values);
    }

    /// <summary>
    /// Counts a slice that a server has written to shared storage itself and flushed (<see cref="CheckpointSlices"/>). Whether it is there is found
    /// out by <see cref="Commit"/>.
    /// </summary>
    /// <exception cref="ArgumentException">The range is not within the vector.</exception>
    public void Written(WrittenSlice slice)
    {
        if (_vectors.TryGetValue(slice.Part, out var vector) && Claim(vector, slice.Range)) vector.Slices.Add(slice);
    }

    /// <summary>Flushes and hashes every file, writes the manifest, and puts the checkpoint in its place.</summary>
    /// <param name="run">What the run has reached by now.</param>
    /// <param name="onFile">Called whenever one more file is whole and on the disk.</param>
    /// <returns>Path of the checkpoint.</returns>
    /// <exception cref="InvalidOperationException">Slices are missing.</exception>
    /// <exception cref="IOException">The disk is full, or fails, or a file is not what servers have written; nothing that was complete before is
    /// lost.</exception>
    public string Commit(ManifestRun run, Action? onFile = null)
    {
        if (!IsComplete || _manifest is not { } manifest) throw new InvalidOperationException("slices of the checkpoint are missing");
        var files = new List<ManifestFile>();
        foreach (var vector in _vectors.Values)
        {
            string path = Path.Combine(_path, vector.Of.FileName);
            string hash;
            if (vector.Slices.Count > 0)
            {
                _store.At("verify " + vector.Of.FileName);
                hash = VectorFile.HashWritten(path, _layout.SectionOf(vector.Of.Part), vector.Slices);
            }
            else
            {
                using var file = vector.File ?? Open(vector.Of); // of length 0
                vector.File = null;
                _store.At("flush " + vector.Of.FileName);
                file.Flush();
                hash = Checkpoint.HashOf(path);
            }
            files.Add(new ManifestFile(vector.Of.FileName, new FileInfo(path).Length, hash));
            onFile?.Invoke();
        }
        byte[] bytes = (manifest with { Files = [.. files], Run = run }).ToBytes();
        _store.At("write " + CheckpointManifest.FileName);
        AtomicFile.Write(Path.Combine(_path, CheckpointManifest.FileName), bytes);
        _store.At("write " + CheckpointManifest.HashFileName);
        AtomicFile.Write(Path.Combine(_path, CheckpointManifest.HashFileName), CheckpointManifest.HashLine(bytes));
        return _store.Commit(_path, manifest.Step);
    }

    /// <summary>Closes the files. What was not committed stays unfinished, and is removed when the next checkpoint begins.</summary>
    public void Dispose()
    {
        foreach (var vector in _vectors.Values) vector.File?.Dispose();
    }

    private VectorFile Open(CheckpointVector vector) => VectorFile.OpenToWrite(Path.Combine(_path, vector.FileName), _layout.SectionOf(vector.Part));

    private static bool Claim(Vector vector, KeyRange range)
    {
        if (range.End > vector.Length) throw new ArgumentException($"the range {range} is not within {vector.Of.FileName} of {vector.Length} places", nameof(range));
        // servers own disjoint ranges and cut them alike: a slice is a repeat as a whole or not at all
        if (range.IsEmpty || !vector.Begun.TryAdd(range.Begin, range.Length)) return false;
        vector.Missing -= range.Length;
        return true;
    }

    private sealed class Vector(CheckpointVector of, long length)
    {
        public readonly CheckpointVector Of = of;
        public readonly long Length = length;
        public readonly Dictionary<long, long> Begun = [];
        public readonly List<WrittenSlice> Slices = [];
        public long Missing = length;
        public VectorFile? File;
    }
}
