namespace DistOpt.Core.Datasets;

/// <summary>Classified samples whose inputs are bytes in one array.</summary>
internal sealed class ByteSource : IByteSource
{
    private readonly byte[] _inputs;
    private readonly int[] _labels;
    private readonly int _length;
    private readonly Lazy<string> _hash;

    /// <param name="inputs">Samples x InputLength bytes.</param>
    /// <param name="labels">One class index a sample.</param>
    public ByteSource(DataInfo info, byte[] inputs, int[] labels, long testCount)
    {
        (Info, _inputs, _labels, TestCount, _length) = (info, inputs, labels, testCount, info.InputLength);
        if (inputs.LongLength != (long)labels.Length * _length)
            throw new ArgumentException($"{inputs.LongLength} bytes do not fit {labels.Length} samples of {_length}", nameof(inputs));
        _hash = new Lazy<string>(() => ContentHasher.Compute(Info, Count, TestCount, _inputs, _labels, []),
            LazyThreadSafetyMode.ExecutionAndPublication);
    }

    public DataInfo Info { get; }

    public long Count => _labels.Length;

    public long TestCount { get; }

    public ReadOnlySpan<int> Labels => _labels;

    public string ContentHash => _hash.Value;

    public ReadOnlySpan<byte> InputBytes(long index) => _inputs.AsSpan(checked((int)(index * _length)), _length);

    public void CopyInput(long index, Span<float> destination)
    {
        var bytes = InputBytes(index);
        if (destination.Length != bytes.Length)
            throw new ArgumentException($"an input of {bytes.Length} values does not fit {destination.Length}", nameof(destination));
        for (int i = 0; i < bytes.Length; i++) destination[i] = bytes[i];
    }

    public void CopyTarget(long index, Span<float> destination) =>
        throw new InvalidOperationException($"data set '{Info.Name}' has classes and no target vectors");
}
