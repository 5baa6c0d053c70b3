using System.Diagnostics;
using System.Text;
using System.Text.Json;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Randomness;
using DistOpt.Core.Runs;

namespace DistOpt.Core.Tests.Checkpoints;

public sealed class SafetensorsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-safetensors-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string PathOf(string name) => Path.Combine(_folder, name);

    private static SafetensorsTensor[] Sample() =>
    [
        SafetensorsTensor.Float32("0.weight", [2, 3], new float[] { 1, -2, 3.5f, float.NaN, float.PositiveInfinity, 1e-40f }),
        SafetensorsTensor.Float32("0.bias", [2], new float[] { 7, 8 }),
        SafetensorsTensor.Raw<long>("num_batches_tracked", SafetensorsType.I64, [], new[] { -5L }),
        SafetensorsTensor.Raw<byte>("flags", SafetensorsType.BOOL, [3], new byte[] { 1, 0, 1 }),
        SafetensorsTensor.Float32("empty", [0, 4], ReadOnlyMemory<float>.Empty),
        SafetensorsTensor.Raw<Half>("half", SafetensorsType.F16, [2], new[] { (Half)0.5, (Half)(-65504) }),
        SafetensorsTensor.Raw<ushort>("brain", SafetensorsType.BF16, [2], new ushort[] { 0x3F80, 0xC2F7 }),
        SafetensorsTensor.Raw<double>("double", SafetensorsType.F64, [1], new[] { 0.1 }),
        SafetensorsTensor.Raw<int>("größe \"ä\"\n", SafetensorsType.I32, [1, 1], new[] { int.MinValue }),
    ];

    [Fact]
    public void An_independent_reader_finds_what_was_written()
    {
        string path = PathOf("a.safetensors");
        SafetensorsWriter.Write(path, Sample(), new Dictionary<string, string> { ["format"] = "pt" });
        var (tensors, metadata) = ReadBySpecification(path);
        Assert.Equal(new Dictionary<string, string> { ["format"] = "pt" }, metadata);
        Assert.Equal(Sample().Length, tensors.Count);
        foreach (var tensor in Sample())
        {
            var (dtype, shape, bytes) = tensors[tensor.Name];
            Assert.Equal(tensor.Type.ToString(), dtype);
            Assert.Equal(tensor.Shape.ToArray(), shape);
            using var expected = new MemoryStream();
            tensor.WriteTo(expected);
            Assert.Equal(expected.ToArray(), bytes);
        }
    }

    [Fact]
    public void What_was_written_is_read_back()
    {
        string path = PathOf("a.safetensors");
        SafetensorsWriter.Write(path, Sample(), new Dictionary<string, string> { ["b"] = "2", ["a"] = "1" });
        using var file = SafetensorsFile.Open(path);
        Assert.Equal([new("a", "1"), new("b", "2")], file.Metadata);
        Assert.Equal([2, 3], file.Get("0.weight").Shape);
        Assert.Equal([1, -2, 3.5f, float.NaN, float.PositiveInfinity, 1e-40f], Read(file, "0.weight"));
        Assert.Empty(Read(file, "empty"));
        Assert.Equal([0.5f, -65504f], Read(file, "half"));
        Assert.Equal([1f, -123.5f], Read(file, "brain"));
        Assert.Equal([0.1f], Read(file, "double"));
        byte[] bytes = new byte[8];
        file.ReadBytes("num_batches_tracked", bytes);
        Assert.Equal(-5, BitConverter.ToInt64(bytes));
        Assert.Equal(SafetensorsType.I32, file.Get("größe \"ä\"\n").Type);
        Assert.False(file.TryGet("none", out _));
        Assert.Contains(path, Assert.Throws<KeyNotFoundException>(() => file.Get("none")).Message);
        Assert.Throws<ArgumentException>(() => file.ReadFloat32("0.bias", new float[3]));
        Assert.Throws<ArgumentException>(() => file.ReadBytes("0.bias", new byte[9]));
        Assert.Contains("I64", Assert.Throws<InvalidDataException>(() => file.ReadFloat32("num_batches_tracked", new float[1])).Message);

        static float[] Read(SafetensorsFile file, string name)
        {
            var values = new float[file.Get(name).ElementCount];
            file.ReadFloat32(name, values);
            return values;
        }
    }

    [Fact]
    public void The_header_is_padded_with_spaces_tensors_are_aligned_and_the_order_given_does_not_matter()
    {
        string first = PathOf("a.safetensors"), second = PathOf("b.safetensors");
        SafetensorsWriter.Write(first, Sample());
        SafetensorsWriter.Write(second, Sample().Reverse());
        byte[] bytes = File.ReadAllBytes(first);
        Assert.Equal(bytes, File.ReadAllBytes(second));
        long header = BitConverter.ToInt64(bytes);
        Assert.Equal(0, header % 8);
        Assert.Equal((byte)'{', bytes[8]);
        Assert.Matches("} *$", Encoding.UTF8.GetString(bytes, 8, (int)header));
        using var file = SafetensorsFile.Open(first);
        Assert.All(file.Tensors, t => Assert.Equal(0, (8 + header + t.Begin) % t.Type.Size()));
    }

    [Fact]
    public void A_file_of_more_than_one_piece_survives_the_round_trip()
    {
        var values = new float[(1 << 24) + 12_345];
        RandomKey.Of(1, RandomPurpose.Data).FillUniform(values);
        string path = PathOf("large.safetensors");
        SafetensorsWriter.Write(path, [SafetensorsTensor.Float32("w", [values.Length], values)]);
        using var file = SafetensorsFile.Open(path);
        var back = new float[values.Length];
        file.ReadFloat32("w", back);
        Assert.True(values.AsSpan().SequenceEqual(back));
    }

    [Fact]
    public void Tensors_whose_shape_or_name_cannot_be_are_refused()
    {
        Assert.Throws<ArgumentException>(() => SafetensorsTensor.Float32("w", [2, 2], new float[3]));
        Assert.Throws<ArgumentOutOfRangeException>(() => SafetensorsTensor.Float32("w", [-1], new float[1]));
        var w = SafetensorsTensor.Float32("w", [1], new float[1]);
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(PathOf("x"), [w, w]));
        var reserved = SafetensorsTensor.Float32("__metadata__", [1], new float[1]);
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(PathOf("x"), [reserved]));
        Assert.Empty(Directory.GetFiles(_folder));
    }

    [Theory]
    [InlineData("not json", "'{'")]
    [InlineData("{\"a\":", "JSON")]
    [InlineData("{} x", "JSON")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "JSON")]
    [InlineData("""{"a":1}""", "not an object")]
    [InlineData("""{"a":{"shape":[2],"data_offsets":[0,8]}}""", "no dtype")]
    [InlineData("""{"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}}""", "'F31'")]
    [InlineData("""{"a":{"dtype":"11","shape":[2],"data_offsets":[0,8]}}""", "'11'")]
    [InlineData("""{"a":{"dtype":"F32","data_offsets":[0,8]}}""", "no shape")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", "-2")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}""", "2.5")]
    [InlineData("""{"a":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}}""", "\"2\"")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4611686018427387904,4611686018427387904,4],"data_offsets":[0,8]}}""", "more than")]
    [InlineData("""{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}}""", "99999999999999999999")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2]}}""", "no data_offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[8]}}""", "[begin, end]")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", "[begin, end]")]
    [InlineData("""{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}""", "12 bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}""", "cut off")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", "4 bytes at the end")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "belong to no tensor")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}""", "within")]
    [InlineData("""{"__metadata__":{"a":1},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "not a string")]
    [InlineData("""{"\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "is not")]
    public void A_malformed_header_is_refused_with_what_is_wrong(string header, string says)
    {
        string path = Damaged(Encoding.UTF8.GetByteCount(header), Encoding.UTF8.GetBytes(header), 8);
        var error = Assert.Throws<InvalidDataException>(() => SafetensorsFile.Open(path));
        Assert.Contains(says, error.Message);
        Assert.Contains(path, error.Message);
    }

    [Theory]
    [InlineData(100_000_001L, "more than 100000000")]
    [InlineData(-1L, "more than 100000000")]
    [InlineData(99_999_999L, "cut off")]
    [InlineData(0L, "'{'")]
    public void A_header_length_that_cannot_be_is_refused_before_anything_is_allocated(long length, string says)
    {
        string path = Damaged(length, "{}"u8.ToArray(), 0);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains(says, Assert.Throws<InvalidDataException>(() => SafetensorsFile.Open(path)).Message);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20);
    }

    [Fact]
    public void A_file_cut_off_anywhere_is_refused()
    {
        string path = PathOf("a.safetensors");
        SafetensorsWriter.Write(path, Sample());
        byte[] bytes = File.ReadAllBytes(path);
        for (int length = 0; length < bytes.Length; length++)
        {
            File.WriteAllBytes(path, bytes[..length]);
            Assert.Throws<InvalidDataException>(() => SafetensorsFile.Open(path).Dispose());
        }
    }

    [Fact]
    public void Any_damage_to_the_header_is_read_as_a_file_or_refused_as_one()
    {
        string path = PathOf("a.safetensors");
        SafetensorsWriter.Write(path, Sample());
        byte[] whole = File.ReadAllBytes(path);
        int header = (int)BitConverter.ToInt64(whole);
        var random = new CounterRandom(5, RandomPurpose.Data);
        int refused = 0;
        for (int trial = 0; trial < 600; trial++)
        {
            byte[] bytes = [.. whole];
            for (int change = random.NextInt(3); change >= 0; change--) bytes[random.NextInt(8 + header)] = (byte)random.NextInt(256);
            File.WriteAllBytes(path, bytes);
            try
            {
                using var file = SafetensorsFile.Open(path);
                foreach (var tensor in file.Tensors) file.ReadBytes(tensor.Name, new byte[tensor.ByteLength]);
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 400, 600);
    }

    [Fact]
    public void A_failed_write_leaves_the_old_file_and_nothing_else()
    {
        string path = PathOf("a.safetensors");
        SafetensorsWriter.Write(path, Sample());
        byte[] before = File.ReadAllBytes(path);
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(path, stream =>
        {
            stream.Write(before.AsSpan(0, 10));
            throw new InvalidOperationException("the values could not be had");
        }));
        Assert.Equal(before, File.ReadAllBytes(path));
        Assert.Equal([path], Directory.GetFiles(_folder));
    }

    [Fact]
    public void Python_reads_what_was_written()
    {
        if (!PythonHasSafetensors()) Assert.Skip("python3 with the modules safetensors and numpy is not installed here");
        string path = PathOf("a.safetensors");
        SafetensorsWriter.Write(path,
        [
            SafetensorsTensor.Float32("w", [2, 2], new float[] { 1, 2, 3, 4.5f }),
            SafetensorsTensor.Raw<long>("n", SafetensorsType.I64, [], new[] { 9L }),
        ]);
        string script = $"from safetensors.numpy import load_file; t = load_file(r'{path}'); "
            + "print(t['w'].tolist(), t['n'].item(), t['w'].dtype)";
        Assert.Equal("[[1.0, 2.0], [3.0, 4.5]] 9 float32", RunPython(script).Output.Trim());
    }

    private static bool PythonHasSafetensors()
    {
        try
        {
            return RunPython("import safetensors.numpy").ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // no python3 on this machine
            return false;
        }
    }

    private static (int ExitCode, string Output) RunPython(string script)
    {
        var start = new ProcessStartInfo("python3") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add(script);
        using var process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output);
    }

    private string Damaged(long headerLength, byte[] header, int dataLength)
    {
        string path = PathOf("damaged.safetensors");
        File.WriteAllBytes(path, [.. BitConverter.GetBytes(headerLength), .. header, .. new byte[dataLength]]);
        return path;
    }

    /// <summary>A reader from the text of the format's specification, sharing nothing with the one under test.</summary>
    private static (Dictionary<string, (string Type, long[] Shape, byte[] Bytes)> Tensors, Dictionary<string, string> Metadata)
        ReadBySpecification(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        int n = checked((int)BitConverter.ToUInt64(file, 0));
        var header = JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(file.AsSpan(8, n))!;
        var metadata = new Dictionary<string, string>();
        var tensors = new Dictionary<string, (string, long[], byte[])>();
        foreach (var (name, value) in header)
        {
            if (name == "__metadata__")
            {
                metadata = value.Deserialize<Dictionary<string, string>>()!;
                continue;
            }
            int[] offsets = value.GetProperty("data_offsets").Deserialize<int[]>()!;
            tensors.Add(name, (value.GetProperty("dtype").GetString()!, value.GetProperty("shape").Deserialize<long[]>()!,
                file[(8 + n + offsets[0])..(8 + n + offsets[1])]));
        }
        return (tensors, metadata);
    }
}
