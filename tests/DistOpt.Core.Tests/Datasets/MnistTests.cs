using System.Buffers.Binary;
using DistOpt.Core.Datasets;
using static DistOpt.Core.Tests.Datasets.TemporaryFolder;

namespace DistOpt.Core.Tests.Datasets;

public sealed class MnistTests : IDisposable
{
    private const string Remedy = "put the file there, or leave data.path out and run 'distopt data get mnist'";
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static byte[] Idx(int[] sizes, byte[] elements, byte type = 8)
    {
        var file = new byte[4 + 4 * sizes.Length + elements.Length];
        (file[2], file[3]) = (type, (byte)sizes.Length);
        for (int i = 0; i < sizes.Length; i++) BinaryPrimitives.WriteInt32BigEndian(file.AsSpan(4 + 4 * i), sizes[i]);
        elements.CopyTo(file, 4 + 4 * sizes.Length);
        return file;
    }

    /// <summary>3 + 2 images of 2x3 pixels whose values count up from 0.</summary>
    private void WriteAll(string folder = "m", Func<byte[], byte[]>? pack = null)
    {
        string end = pack is null ? "" : ".gz";
        pack ??= b => b;
        _folder.Write($"{folder}/train-images-idx3-ubyte{end}", pack(Idx([3, 2, 3], [.. Enumerable.Range(0, 18).Select(i => (byte)i)])));
        _folder.Write($"{folder}/train-labels-idx1-ubyte{end}", pack(Idx([3], [7, 0, 9])));
        _folder.Write($"{folder}/t10k-images-idx3-ubyte{end}", pack(Idx([2, 2, 3], [.. Enumerable.Range(18, 12).Select(i => (byte)i)])));
        _folder.Write($"{folder}/t10k-labels-idx1-ubyte{end}", pack(Idx([2], [1, 7])));
    }

    private ISupervisedSource Open(string? path = "m") =>
        DatasetCatalog.Create().Get("mnist")(new MnistOptions { Path = path }, _folder.Environment);

    private static void CheckContent(ISupervisedSource source)
    {
        Assert.Equal((5, 2), (source.Count, source.TestCount));
        Assert.Equal([1, 2, 3], source.Info.InputShape);
        Assert.Equal(10, source.Info.Classes.Length);
        Assert.Equal([7, 0, 9, 1, 7], source.Labels.ToArray());
        var input = new float[6];
        for (int i = 0; i < 5; i++)
        {
            source.CopyInput(i, input);
            Assert.Equal(Enumerable.Range(6 * i, 6).Select(v => (float)v), input);
        }
    }

    [Fact]
    public void Plain_files_are_read_and_the_test_part_is_last()
    {
        WriteAll();
        CheckContent(Open());
        Assert.Equal([3L, 4], DataSplitter.Split(Open(), 0, 0.5, 0).Test.ToArray());
    }

    [Fact]
    public void Packed_files_are_read_and_plain_ones_are_preferred()
    {
        WriteAll(pack: Gzip);
        CheckContent(Open());
        _folder.Write("m/train-labels-idx1-ubyte", Idx([3], [0, 0, 0]));
        Assert.Equal([0, 0, 0, 1, 7], Open().Labels.ToArray());
    }

    [Fact]
    public void Without_a_path_the_data_root_is_used()
    {
        WriteAll("mnist");
        CheckContent(Open(path: null));
    }

    [Fact]
    public void Packed_or_plain_has_the_same_content_hash_and_one_pixel_changes_it()
    {
        WriteAll();
        WriteAll("gz", Gzip);
        string hash = Open().ContentHash;
        Assert.Equal(hash, Open("gz").ContentHash);
        byte[] changed = Idx([2, 2, 3], [.. Enumerable.Range(18, 12).Select(i => (byte)(i == 29 ? 30 : i))]);
        _folder.Write("m/t10k-images-idx3-ubyte", changed);
        Assert.NotEqual(hash, Open().ContentHash);
        _folder.Write("gz/t10k-labels-idx1-ubyte.gz", Gzip(Idx([2], [1, 8])));
        Assert.NotEqual(hash, Open("gz").ContentHash);
    }

    [Fact]
    public void A_missing_folder_says_how_to_get_the_data()
    {
        Assert.Equal([$"data.path: the folder {_folder["mnist"]} does not exist: get it with 'distopt data get mnist', or set data.path "
            + "to a folder "
            + "with the IDX files"], Complaints(() => Open(path: null)));
        Assert.Equal([$"data.path: the folder {_folder["no"]} does not exist: {Remedy}"], Complaints(() => Open("no")));
    }

    [Fact]
    public void All_missing_files_are_named()
    {
        WriteAll();
        File.Delete(_folder["m/train-labels-idx1-ubyte"]);
        File.Delete(_folder["m/t10k-images-idx3-ubyte"]);
        Assert.Equal(
        [
            $"{_folder["m/train-labels-idx1-ubyte"]}: does not exist: {Remedy}",
            $"{_folder["m/t10k-images-idx3-ubyte"]}: does not exist: {Remedy}",
        ], Complaints(() => Open()));
    }

    public static TheoryData<string, byte[], string> BadFiles => new()
    {
        { "train-images-idx3-ubyte", Idx([3, 2, 3], new byte[10]), "has 26 bytes, but its header (3 x 2 x 3) needs 34; the file is "
            + "truncated" },
        { "train-images-idx3-ubyte", Idx([3, 2, 3], new byte[19]), "has 35 bytes, but its header (3 x 2 x 3) needs 34; the file has "
            + "bytes after its end" },
        { "train-images-idx3-ubyte", Idx([3], new byte[3]), "has 1 dimensions, but must have 3; is it the label file?" },
        { "train-labels-idx1-ubyte", Idx([3, 2, 3], new byte[18]), "has 3 dimensions, but must have 1; is it the image file?" },
        { "train-images-idx3-ubyte", Idx([3, 2, 3], new byte[18], type: 13), "has element type 0x0d, but must have 0x08 (unsigned byte)" },
        { "train-images-idx3-ubyte", [.. "<html>not found</html>"u8], "begins with bytes 3c 68, but an IDX file begins with 00 00; it is "
            + "not an IDX file" },
        { "train-images-idx3-ubyte", [0, 0, 8, 3, 0, 0], "has 6 bytes, but its header alone has 16; the file is truncated" },
        { "train-images-idx3-ubyte", [], "has 0 bytes, but an IDX header has 16; the file is truncated" },
        { "train-images-idx3-ubyte", Idx([3, 0, 3], []), "has size 0 in dimension 1, but must have from 1 to 2147483647" },
        { "train-images-idx3-ubyte", Idx([3, -1, 3], []), "has size 4294967295 in dimension 1, but must have from 1 to 2147483647" },
        { "train-images-idx3-ubyte", Idx([2000000000, 2000000000, 2000000000], []),
            "claims 8000000000000000000000000000 elements, but at most 2147483591 can be held" },
        { "train-labels-idx1-ubyte", Idx([4], new byte[4]), "has 4 labels, but train-images-idx3-ubyte has 3 images" },
        { "train-labels-idx1-ubyte", Idx([3], [1, 10, 2]), "has label 10 at position 1, but labels are from 0 to 9" },
        { "t10k-images-idx3-ubyte", Idx([2, 3, 2], new byte[12]), "has images of 3x2, but those for training have 2x3" },
    };

    [Theory]
    [MemberData(nameof(BadFiles))]
    public void A_bad_file_is_named_with_what_it_has_and_should_have(string name, byte[] content, string complaint)
    {
        WriteAll();
        string path = _folder.Write($"m/{name}", content);
        Assert.Equal([$"{path}: {complaint}: {Remedy}"], Complaints(() => Open()));
    }

    [Fact]
    public void Bad_packed_files_are_named()
    {
        WriteAll(pack: Gzip);
        string path = _folder.Write("m/train-images-idx3-ubyte.gz", Gzip(Idx([3, 2, 3], new byte[10])));
        Assert.Equal([$"{path}: has 26 bytes unpacked, but its header (3 x 2 x 3) needs 34; the file is truncated: {Remedy}"],
            Complaints(() => Open()));
        _folder.Write("m/train-images-idx3-ubyte.gz", Gzip(Idx([3, 2, 3], new byte[20])));
        Assert.Equal([$"{path}: has more than 34 bytes unpacked, but its header (3 x 2 x 3) needs 34; the file has bytes after its end: "
            + $"{Remedy}"],
            Complaints(() => Open()));
        _folder.Write("m/train-images-idx3-ubyte.gz", [.. "no gzip at all"u8]);
        Assert.StartsWith($"{path}: is no valid gzip file (", Assert.Single(Complaints(() => Open())), StringComparison.Ordinal);
        byte[] torn = Gzip([.. Idx([3, 2, 3], [.. Enumerable.Range(0, 18).Select(i => (byte)(i * 91))])]);
        _folder.Write("m/train-images-idx3-ubyte.gz", torn[..(torn.Length / 2)]);
        Assert.StartsWith($"{path}: ", Assert.Single(Complaints(() => Open())), StringComparison.Ordinal);
    }
}
