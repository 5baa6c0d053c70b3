using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Datasets;

/// <summary>
/// A file in IDX form, plain or gzip: two zero bytes, element type, rank, one big-endian 32-bit size a dimension, then the elements
/// row-major (LeCun, Cortes, Burges, "The MNIST database", section "File formats"). Only unsigned bytes.
/// </summary>
internal sealed class IdxFile : IDisposable
{
    private const byte UnsignedByte = 0x08;
    private readonly Stream _stream;
    private readonly string _remedy;

    private IdxFile(string path, Stream stream, string remedy, int[] sizes) =>
        (Path, _stream, _remedy, Sizes) = (path, stream, remedy, sizes);

    public string Path { get; }

    /// <summary>Size of each dimension.</summary>
    public int[] Sizes { get; }

    /// <summary>Bytes of one item, the sizes after the first multiplied.</summary>
    public long ItemLength => Sizes.Skip(1).Aggregate(1L, (product, size) => product * size);

    public long Elements => Sizes[0] * ItemLength;

    /// <summary>Opens <paramref name="path"/>, or <paramref name="path"/>.gz where only that exists, and reads the header.</summary>
    /// <param name="rank">Number of dimensions that the file must have.</param>
    /// <param name="remedy">What to do about a bad file, as the end of an error text.</param>
    /// <exception cref="SpecException">Missing, unreadable, or not such a file.</exception>
    public static IdxFile Open(string path, int rank, string remedy)
    {
        string actual = File.Exists(path) || !File.Exists(path + ".gz") ? path : path + ".gz";
        Stream stream = DataFiles.Open(actual, remedy);
        try
        {
            Span<byte> header = stackalloc byte[4 + 4 * rank];
            int got = Read(actual, remedy, stream, header);
            if (got < 4) throw Bad(actual, remedy, $"has {got} bytes, but an IDX header has {header.Length}; the file is truncated");
            if (header[0] != 0 || header[1] != 0)
                throw Bad(actual, remedy, $"begins with bytes {header[0]:x2} {header[1]:x2}, but an IDX file begins with 00 00; it is "
                    + "not an IDX file");
            if (header[2] != UnsignedByte)
                throw Bad(actual, remedy, $"has element type 0x{header[2]:x2}, but must have 0x08 (unsigned byte)");
            if (header[3] != rank)
                throw Bad(actual, remedy, $"has {header[3]} dimensions, but must have {rank}; is it the "
                    + $"{(rank == 1 ? "image" : "label")} file?");
            if (got < header.Length)
                throw Bad(actual, remedy, $"has {got} bytes, but its header alone has {header.Length}; the file is truncated");
            var sizes = new int[rank];
            for (int i = 0; i < rank; i++)
            {
                uint size = BinaryPrimitives.ReadUInt32BigEndian(header[(4 + 4 * i)..]);
                if (size is 0 or > int.MaxValue)
                    throw Bad(actual, remedy, $"has size {size} in dimension {i}, but must have from 1 to {int.MaxValue}");
                sizes[i] = (int)size;
            }
            var file = new IdxFile(actual, stream, remedy, sizes);
            Int128 elements = 1;
            foreach (int size in sizes) elements *= size;
            if (elements > Array.MaxLength)
                throw Bad(actual, remedy, $"claims {elements} elements, but at most {Array.MaxLength} can be held");
            // known beforehand for a plain file, so nothing is allocated for a header that lies
            if (actual == path && stream.Length != header.Length + file.Elements) throw file.BadLength(stream.Length);
            return file;
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Reads all elements.</summary>
    /// <param name="destination">Exactly <see cref="Elements"/> bytes.</param>
    public void ReadElements(Span<byte> destination)
    {
        int header = 4 + 4 * Sizes.Length;
        int got = Read(Path, _remedy, _stream, destination);
        if (got < destination.Length) throw BadLength(header + got);
        Span<byte> beyond = stackalloc byte[1];
        if (Read(Path, _remedy, _stream, beyond) > 0) throw BadLength(null);
    }

    public SpecException Bad(string message) => Bad(Path, _remedy, message);

    public void Dispose() => _stream.Dispose();

    private SpecException BadLength(long? bytes)
    {
        long expected = 4 + 4 * Sizes.Length + Elements;
        string sizes = string.Join(" x ", Sizes);
        string actual = bytes is { } known ? known.ToString("N0", CultureInfo.InvariantCulture)
            : $"more than {expected.ToString("N0", CultureInfo.InvariantCulture)}";
        return Bad(string.Create(CultureInfo.InvariantCulture,
            $"has {actual} bytes{(Path.EndsWith(".gz", StringComparison.Ordinal) ? " unpacked" : "")}, but its header ({sizes}) needs "
                + $"{expected:N0}; "
            + $"the file {(bytes < expected ? "is truncated" : "has bytes after its end")}"));
    }

    private static int Read(string path, string remedy, Stream stream, Span<byte> destination)
    {
        try
        {
            return stream.ReadAtLeast(destination, destination.Length, throwOnEndOfStream: false);
        }
        catch (InvalidDataException error)
        {
            throw Bad(path, remedy, $"is no valid gzip file ({error.Message.TrimEnd('.')})");
        }
        catch (IOException error)
        {
            throw Bad(path, remedy, $"cannot be read ({error.Message.TrimEnd('.')})");
        }
    }

    private static SpecException Bad(string path, string remedy, string message) => new(path, $"{message}: {remedy}");
}
