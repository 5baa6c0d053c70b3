namespace DistOpt.Core.Datasets;

/// <summary>Mean and standard deviation of inputs, in float64 and in the order of the indices, so the same bits on every machine.</summary>
public static class NormalizationStatistics
{
    /// <summary>
    /// The normalization that the source asks for, from the samples <paramref name="training"/> alone; null where it asks for none.
    /// </summary>
    /// <param name="training">Indices of the training part; at least one.</param>
    public static Normalization? Compute(ISupervisedSource source, ReadOnlySpan<long> training)
    {
        var kind = source.Info.Normalization;
        if (kind == NormalizationKind.None) return null;
        if (training.IsEmpty) throw new ArgumentException("statistics of an empty training part do not exist", nameof(training));
        int entries = kind == NormalizationKind.PerFeature ? source.Info.InputLength : checked((int)source.Info.InputShape[0]);
        int plane = source.Info.InputLength / entries;
        return source is IByteSource bytes
            ? OfBytes(bytes, training, kind, entries, plane)
            : OfFloats(source, training, kind, entries, plane);
    }

    /// <summary>Sums of bytes and of their squares are whole numbers, hence exact.</summary>
    private static Normalization OfBytes(IByteSource source, ReadOnlySpan<long> training, NormalizationKind kind, int entries, int plane)
    {
        var sums = new ulong[entries];
        var squares = new ulong[entries];
        foreach (long index in training)
        {
            var input = source.InputBytes(index);
            for (int entry = 0; entry < entries; entry++)
            {
                ulong sum = 0, square = 0;
                foreach (byte value in input.Slice(entry * plane, plane))
                {
                    sum += value;
                    square += (uint)(value * value);
                }
                sums[entry] += sum;
                squares[entry] += square;
            }
        }
        var mean = new double[entries];
        var std = new double[entries];
        ulong n = (ulong)training.Length * (ulong)plane;
        for (int entry = 0; entry < entries; entry++)
        {
            mean[entry] = (double)sums[entry] / n;
            var spread = (UInt128)n * squares[entry] - (UInt128)sums[entry] * sums[entry];
            std[entry] = spread == 0 ? 1 : Math.Sqrt((double)spread) / n;
        }
        return new Normalization(kind, [.. mean], [.. std]);
    }

    /// <summary>Two passes: the squares are of deviations from the mean.</summary>
    private static Normalization OfFloats(ISupervisedSource source, ReadOnlySpan<long> training, NormalizationKind kind, int entries,
        int plane)
    {
        var input = new float[source.Info.InputLength];
        var mean = new double[entries];
        var std = new double[entries];
        var low = new float[entries];
        var high = new float[entries];
        Array.Fill(low, float.PositiveInfinity);
        Array.Fill(high, float.NegativeInfinity);
        double n = (double)training.Length * plane;
        foreach (long index in training)
        {
            source.CopyInput(index, input);
            for (int i = 0; i < input.Length; i++)
            {
                int entry = i / plane;
                mean[entry] += input[i];
                low[entry] = Math.Min(low[entry], input[i]);
                high[entry] = Math.Max(high[entry], input[i]);
            }
        }
        for (int entry = 0; entry < entries; entry++) mean[entry] /= n;
        foreach (long index in training)
        {
            source.CopyInput(index, input);
            for (int i = 0; i < input.Length; i++)
            {
                double deviation = input[i] - mean[i / plane];
                std[i / plane] += deviation * deviation;
            }
        }
        for (int entry = 0; entry < entries; entry++)
        {
            std[entry] = Math.Sqrt(std[entry] / n);
            // by the range, since the mean of equal values may be off by a rounding and its std tiny instead of 0
            if (low[entry] == high[entry]) (mean[entry], std[entry]) = (low[entry], 1);
            else if (std[entry] == 0) std[entry] = 1;
        }
        return new Normalization(kind, [.. mean], [.. std]);
    }
}
