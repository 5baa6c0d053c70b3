namespace DistOpt.Torch.Images;

/// <summary>
/// Scales one 8-bit plane by the triangle filter, widened by the scale when shrinking so that every source pixel counts (Pillow's
/// <c>resize(..., BILINEAR)</c>, <c>src/libImaging/Resample.c</c>): first along rows, then along columns, weights as fixed-point integers.
/// </summary>
public static class BilinearResampler
{
    private const int Bits = 22;

    /// <param name="source">height x width bytes, row-major.</param>
    /// <param name="destination">newHeight x newWidth bytes, row-major.</param>
    public static void Resize(ReadOnlySpan<byte> source, int height, int width, Span<byte> destination, int newHeight, int newWidth)
    {
        Taps[] columns = Weights(width, newWidth), rows = Weights(height, newHeight);
        byte[] narrow = new byte[height * newWidth];
        for (int y = 0; y < height; y++)
        {
            ReadOnlySpan<byte> line = source.Slice(y * width, width);
            for (int x = 0; x < newWidth; x++)
            {
                var (first, weights) = columns[x];
                int sum = 1 << (Bits - 1);
                for (int i = 0; i < weights.Length; i++) sum += line[first + i] * weights[i];
                narrow[y * newWidth + x] = Clip(sum);
            }
        }
        for (int y = 0; y < newHeight; y++)
        {
            var (first, weights) = rows[y];
            for (int x = 0; x < newWidth; x++)
            {
                int sum = 1 << (Bits - 1);
                for (int i = 0; i < weights.Length; i++) sum += narrow[(first + i) * newWidth + x] * weights[i];
                destination[y * newWidth + x] = Clip(sum);
            }
        }
    }

    private static byte Clip(int sum) => (byte)Math.Clamp(sum >> Bits, 0, 255);

    private static Taps[] Weights(int size, int newSize)
    {
        double scale = (double)size / newSize;
        double support = Math.Max(scale, 1);
        var taps = new Taps[newSize];
        for (int i = 0; i < newSize; i++)
        {
            double center = (i + 0.5) * scale;
            int first = Math.Max((int)(center - support + 0.5), 0);
            int end = Math.Min((int)(center + support + 0.5), size);
            double[] weights = new double[end - first];
            double total = 0;
            for (int j = 0; j < weights.Length; j++)
            {
                weights[j] = Math.Max(0, 1 - Math.Abs((first + j - center + 0.5) / support));
                total += weights[j];
            }
            taps[i] = new Taps(first, Array.ConvertAll(weights, w => (int)(w / total * (1 << Bits) + 0.5)));
        }
        return taps;
    }

    private readonly record struct Taps(int First, int[] Weights);
}
