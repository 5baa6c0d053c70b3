using System.Runtime.InteropServices;

namespace DistOpt.Core.Datasets;

/// <summary>Samples whose inputs are float32 in one array, with classes or target vectors.</summary>
internal sealed class FloatSource : ISupervisedSource
{
    private readonly float[] _inputs;
    private readonly int[] _labels;
    private readonly float[] _targets;
    private readonly Lazy<string> _hash;

    /// <param name="labels">One class index a sample; empty for a regression.</param>
    /// <param name="targets">Samples x TargetLength values; empty for a classification.</param>
    public FloatSource(DataInfo info, long count, long testCount, float[] inputs, int[] labels, float[] targets)
    {
        (Info, Count, TestCount, _inputs, _labels, _targets) = (info, count, testCount, inputs, labels, targets);
        if (inputs.LongLength != count * info.InputLength)
            throw new ArgumentException($"{inputs.LongLength} values do not fit {count} samples of {info.InputLength}", nameof(inputs));
        _hash = new Lazy<string>(() => ContentHasher.Compute(Info, Count, TestCount,
            MemoryMarshal.AsBytes<float>(_inputs), _labels, _targets), LazyThreadSafetyMode.ExecutionAndPublication);
    }

    public DataInfo Info { get; }

    public long Count { get; }

    public long TestCount { get; }

    public ReadOnlySpan<int> Labels => _labels;

    public string ContentHash => _hash.Value;

    public void CopyInput(long index, Span<float> destination)
    {
        int length = Info.InputLength;
        if (destination.Length != length)
            throw new ArgumentException($"an input of {length} values does not fit {destination.Length}", nameof(destination));
        _inputs.AsSpan(checked((int)(index * length)), length).CopyTo(destination);
    }

    public void CopyTarget(long index, Span<float> destination)
    {
        int length = Info.TargetLength;
        if (length == 0) throw new InvalidOperationException($"data set '{Info.Name}' has classes and no target vectors");
        if (destination.Length != length)
            throw new ArgumentException($"a target of {length} values does not fit {destination.Length}", nameof(destination));
        _targets.AsSpan(checked((int)(index * length)), length).CopyTo(destination);
    }
}
