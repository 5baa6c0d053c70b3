using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using DistOpt.Core.Parameters;

namespace DistOpt.Core.Checkpoints;

/// <summary>
/// A complete checkpoint on the disk, verified when it is opened: every file is there, has its length and its hash. Reading gives any range
/// of any vector, so that any number of servers can be restored from it. Thread-safe.
/// </summary>
public sealed class Checkpoint : IDisposable
{
    private readonly Dictionary<int, SafetensorsFile> _files = [];

    private Checkpoint(string path, CheckpointManifest manifest) => (Path, Manifest) = (path, manifest);

    public string Path { get; }

    public CheckpointManifest Manifest { get; }

    public long Step => Manifest.Step;

    /// <summary>The vectors it holds.</summary>
    public IReadOnlyList<CheckpointVector> Vectors { get; private set; } = [];

    /// <summary>Opens and verifies a checkpoint.</summary>
    /// <exception cref="InvalidDataException">It is torn, altered, or of a format that this build does not read; the message says which
    /// file and why.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static Checkpoint Open(string path)
    {
        byte[] manifestBytes = ReadAll(path, CheckpointManifest.FileName);
        byte[] hash = ReadAll(path, CheckpointManifest.HashFileName);
        if (!hash.AsSpan().SequenceEqual(CheckpointManifest.HashLine(manifestBytes)))
            throw new InvalidDataException($"{CheckpointManifest.FileName} does not have the hash in {CheckpointManifest.HashFileName}: one of them was altered or torn");
        var checkpoint = new Checkpoint(path, CheckpointManifest.Parse(manifestBytes));
        try
        {
            checkpoint.OpenFiles();
            return checkpoint;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>Checks that the state is one of a model with this layout.</summary>
    /// <exception cref="InvalidDataException">It is of another model.</exception>
    public void CheckLayout(StateLayout layout)
    {
        foreach (var (part, file) in _files) VectorFile.Check(file, layout.SectionOf(part));
        foreach (var vector in layout.Vectors(Manifest.State.HasSelected))
            if (!_files.ContainsKey(vector.Part)) throw new InvalidDataException($"{vector.FileName} is missing");
    }

    /// <summary>Reads a range of a vector.</summary>
    /// <param name="destination">As long as the range.</param>
    public void Read(int part, KeyRange range, Span<float> destination)
    {
        if (destination.Length != range.Length) throw new ArgumentException($"{destination.Length} places for the range {range}", nameof(destination));
        _files[part].ReadData(range.Begin * 4, MemoryMarshal.AsBytes(destination));
    }

    public void Dispose()
    {
        foreach (var file in _files.Values) file.Dispose();
        _files.Clear();
    }

    private void OpenFiles()
    {
        var known = new StateLayout(new ParameterLayout([], [new TensorSlot("b", [1], 0, 1)]), Manifest.Slots, hasAverage: true).Vectors(hasSelected: true);
        var vectors = new List<CheckpointVector>();
        foreach (var file in Manifest.Files)
        {
            var vector = known.FirstOrDefault(v => v.FileName == file.Name)
                ?? throw new InvalidDataException($"{CheckpointManifest.FileName} names '{file.Name}', which is no file of a checkpoint");
            string full = System.IO.Path.Combine(Path, file.Name);
            if (!File.Exists(full)) throw new InvalidDataException($"{file.Name} is missing");
            long length = new FileInfo(full).Length;
            if (length != file.Bytes) throw new InvalidDataException($"{file.Name} has {length} bytes instead of {file.Bytes}: it is torn");
            if (HashOf(full) != file.Sha256) throw new InvalidDataException($"{file.Name} does not have the hash in {CheckpointManifest.FileName}: it was altered or torn");
            _files[vector.Part] = SafetensorsFile.Open(full);
            vectors.Add(vector);
        }
        Vectors = vectors;
    }

    internal static string HashOf(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1 << 20, FileOptions.SequentialScan);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    private static byte[] ReadAll(string directory, string name)
    {
        string path = System.IO.Path.Combine(directory, name);
        return File.Exists(path) ? File.ReadAllBytes(path) : throw new InvalidDataException($"{name} is missing");
    }
}
