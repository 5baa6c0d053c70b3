using System.Collections.Immutable;
using System.Numerics.Tensors;
using System.Runtime.Intrinsics;

namespace DistOpt.Core.Datasets;

/// <summary>
/// Makes inputs zero-mean with unit variance: <c>(x - mean) * (1 / std)</c> in float32, with statistics (population variance) from
/// training samples alone. Immutable; <see cref="Mean"/> and <see cref="Std"/> are all that has to be stored.
/// </summary>
public sealed class Normalization
{
    private readonly float[] _mean;
    private readonly float[] _factor;

    /// <param name="kind">Which values share an entry.</param>
    /// <param name="mean">One entry for each channel or feature; finite.</param>
    /// <param name="std">As many entries; finite and above 0.</param>
    /// <exception cref="ArgumentException">The arrays do not fit each other, or hold a value out of range.</exception>
    public Normalization(NormalizationKind kind, ImmutableArray<double> mean, ImmutableArray<double> std)
    {
        if (kind == NormalizationKind.None) throw new ArgumentException("a normalization is per feature or per channel", nameof(kind));
        if (mean.IsDefaultOrEmpty) throw new ArgumentException("no means are given", nameof(mean));
        if (std.IsDefault || mean.Length != std.Length)
            throw new ArgumentException($"{mean.Length} means do not fit {(std.IsDefault ? 0 : std.Length)} standard deviations",
                nameof(std));
        _mean = new float[mean.Length];
        _factor = new float[mean.Length];
        for (int i = 0; i < mean.Length; i++)
        {
            if (!double.IsFinite(mean[i])) throw new ArgumentException($"mean {i} is {mean[i]}, but must be finite", nameof(mean));
            if (!double.IsFinite(std[i]) || std[i] <= 0)
                throw new ArgumentException($"standard deviation {i} is {std[i]}, but must be finite and above 0", nameof(std));
            _mean[i] = (float)mean[i];
            _factor[i] = (float)(1.0 / std[i]);
        }
        (Kind, Mean, Std) = (kind, mean, std);
    }

    public NormalizationKind Kind { get; }

    /// <summary>Mean of each channel or feature over the training samples.</summary>
    public ImmutableArray<double> Mean { get; }

    /// <summary>Standard deviation of each channel or feature; 1 for a constant one.</summary>
    public ImmutableArray<double> Std { get; }

    /// <summary>Normalizes one input in place. Allocates nothing.</summary>
    /// <param name="input">The values of one input, row-major; their number is a multiple of the channels, or equals the features.</param>
    /// <exception cref="ArgumentException">The number of values does not fit.</exception>
    public void Apply(Span<float> input)
    {
        int plane = Plane(input.Length);
        if (Kind == NormalizationKind.PerFeature)
        {
            TensorPrimitives.Subtract(input, _mean, input);
            TensorPrimitives.Multiply(input, _factor, input);
            return;
        }
        for (int channel = 0; channel < _mean.Length; channel++)
        {
            var values = input.Slice(channel * plane, plane);
            TensorPrimitives.Subtract(values, _mean[channel], values);
            TensorPrimitives.Multiply(values, _factor[channel], values);
        }
    }

    /// <summary>Converts the bytes of one input and normalizes them: the same bits as converting first. Allocates nothing.</summary>
    public void Apply(ReadOnlySpan<byte> bytes, Span<float> destination)
    {
        if (destination.Length != bytes.Length)
            throw new ArgumentException($"{bytes.Length} bytes do not fit {destination.Length} values", nameof(destination));
        int plane = Plane(bytes.Length);
        if (Kind == NormalizationKind.PerFeature)
        {
            for (int i = 0; i < bytes.Length; i++) destination[i] = (bytes[i] - _mean[i]) * _factor[i];
            return;
        }
        for (int channel = 0; channel < _mean.Length; channel++)
            ApplyPlane(bytes.Slice(channel * plane, plane), _mean[channel], _factor[channel], destination.Slice(channel * plane, plane));
    }

    private static void ApplyPlane(ReadOnlySpan<byte> bytes, float mean, float factor, Span<float> destination)
    {
        int i = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            // no fused multiply-add here: body and tail must round alike
            Vector256<float> means = Vector256.Create(mean), factors = Vector256.Create(factor);
            for (; i <= bytes.Length - Vector256<byte>.Count; i += Vector256<byte>.Count)
            {
                var (low, high) = Vector256.Widen(Vector256.Create(bytes[i..]));
                Store(low, destination[i..], means, factors);
                Store(high, destination[(i + 16)..], means, factors);
            }
        }
        for (; i < bytes.Length; i++) destination[i] = (bytes[i] - mean) * factor;

        static void Store(Vector256<ushort> values, Span<float> to, Vector256<float> means, Vector256<float> factors)
        {
            var (low, high) = Vector256.Widen(values);
            ((Vector256.ConvertToSingle(low.AsInt32()) - means) * factors).CopyTo(to);
            ((Vector256.ConvertToSingle(high.AsInt32()) - means) * factors).CopyTo(to[8..]);
        }
    }

    private int Plane(int length)
    {
        if (Kind == NormalizationKind.PerFeature ? length != _mean.Length : length == 0 || length % _mean.Length != 0)
            throw new ArgumentException($"an input of {length} values does not fit a normalization of {_mean.Length} "
                + (Kind == NormalizationKind.PerFeature ? "features" : "channels"));
        return length / _mean.Length;
    }
}
