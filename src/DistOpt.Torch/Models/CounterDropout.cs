using System.Globalization;
using System.Runtime.InteropServices;
using DistOpt.Core.Randomness;
using TorchSharp;

namespace DistOpt.Torch.Models;

/// <summary>
/// Dropout (Srivastava et al. 2014) whose mask is a function of (seed, epoch, step, layer, sample position, element of the sample)
/// alone: a sample has the same mask whichever gradient shard, worker, process or micro-batch it is computed in, and whatever its
/// neighbours are padded to (as long as padding lengthens dimension 1). In training each value is zero with <see cref="Probability"/>,
/// else divided by 1 - probability; in eval mode the layer is the identity. Outside a training step of DistOpt (no
/// <see cref="LayerRandom.Current"/>) it draws from libtorch's generator.
/// </summary>
public sealed class CounterDropout : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    /// <param name="probability">Probability that a value is set to zero, from 0 (identity) to below 1.</param>
    public CounterDropout(double probability = 0.5)
        : base(nameof(CounterDropout))
    {
        if (!(probability is >= 0 and < 1))
        {
            throw new ArgumentOutOfRangeException(nameof(probability),
                string.Create(CultureInfo.InvariantCulture, $"dropout is {probability}, but must be at least 0 and below 1"));
        }
        Probability = probability;
        RegisterComponents();
    }

    public double Probability { get; }

    /// <param name="input">Float32, or bfloat16 under <c>precision: bf16</c>; the batch's samples along dimension 0.</param>
    /// <exception cref="InvalidOperationException">
    /// Dimension 0 does not hold the batch's samples, or the element type is another one.
    /// </exception>
    public override torch.Tensor forward(torch.Tensor input)
    {
        if (!training || Probability == 0) return input.alias();
        if (LayerRandom.Current is not { } random) return torch.nn.functional.dropout(input, Probability, training: true);
        using torch.Tensor mask = Mask(input, random);
        if (input.dtype == torch.ScalarType.Float32) return input * mask;
        // 1 / (1 - p) itself is not rounded to bfloat16: every value would be off by as much, on one side
        using torch.Tensor wide = input.to(torch.ScalarType.Float32), product = wide * mask;
        return product.to(input.dtype);
    }

    private torch.Tensor Mask(torch.Tensor input, LayerRandom random)
    {
        long[] shape = input.shape;
        if (shape.Length == 0 || shape[0] != random.Rows)
        {
            throw new InvalidOperationException($"dropout got a tensor of shape [{string.Join(", ", shape)}], but the batch has "
                + $"{random.Rows} samples: dimension 0 must run over the samples; apply dropout before flattening or transposing");
        }
        if (input.dtype is not (torch.ScalarType.Float32 or torch.ScalarType.BFloat16))
            throw new InvalidOperationException($"dropout got a tensor of type {input.dtype}, but works on Float32 and BFloat16");
        int layer = random.NextLayer();
        torch.Tensor mask = torch.empty(shape, torch.ScalarType.Float32);
        int rows = random.Rows;
        long elements = mask.numel();
        if (elements == 0) return mask;
        int perRow = checked((int)(elements / rows));
        Span<float> values = MemoryMarshal.Cast<byte, float>(mask.bytes);
        for (int row = 0; row < rows; row++)
        {
            var key = RandomKey.Of(random.Seed, RandomPurpose.Dropout, random.Epoch, random.Step, layer, random.FirstPosition + row);
            key.FillDropoutMask(values.Slice(row * perRow, perRow), Probability);
        }
        return mask;
    }
}
