using System.ComponentModel.DataAnnotations;
using TorchSharp;
using TorchSharp.Modules;

namespace DistOpt.Torch.Models;

/// <summary>
/// Normalization layers by the names that stand in a spec, with PyTorch's parameters (eps 1e-5, momentum 0.1) and <c>state_dict</c> names.
/// Batch norm (Ioffe, Szegedy 2015) takes mean and variance over one gradient shard (or micro batch), as PyTorch's DDP over one rank; its
/// running statistics are those of gradient shard 0. Layer norm (Ba et al. 2016) sees one sample. Both compute in float32 where the rest
/// of the model is in bfloat16.
/// </summary>
public static class Norms
{
    public const string None = "none";
    public const string Batch = "batch";
    public const string Layer = "layer";

    public static IReadOnlyList<string> Names { get; } = [None, Batch, Layer];

    /// <summary>The layer for rows [N, width], or null for <see cref="None"/>.</summary>
    /// <exception cref="ArgumentException">Unknown name; the message lists what exists.</exception>
    public static torch.nn.Module<torch.Tensor, torch.Tensor>? OfRows(string name, long width) => name switch
    {
        None => null,
        Batch => torch.nn.BatchNorm1d(width),
        Layer => torch.nn.LayerNorm(width),
        _ => throw Unknown(name),
    };

    /// <summary>
    /// The layer for pictures [N, channels, height, width], or null for <see cref="None"/>. Layer norm is over all values of a sample with one
    /// scale and one shift a channel: PyTorch's <c>GroupNorm(1, channels)</c>.
    /// </summary>
    /// <inheritdoc cref="OfRows" path="/exception"/>
    public static torch.nn.Module<torch.Tensor, torch.Tensor>? OfPictures(string name, long channels) => name switch
    {
        None => null,
        Batch => torch.nn.BatchNorm2d(channels),
        Layer => OneGroup(channels),
        _ => throw Unknown(name),
    };

    /// <summary>Whether the layer takes the mean away, so that a bias just before it would do nothing.</summary>
    internal static bool CancelsBias(string name) => name == Batch;

    /// <summary>
    /// Applies the layer. Batch norm in training with one value a channel (a gradient shard of one row) has no variance, and would make the
    /// running variance NaN: it then uses its running statistics and leaves them alone.
    /// </summary>
    public static torch.Tensor Apply(torch.nn.Module<torch.Tensor, torch.Tensor> norm, torch.Tensor input)
    {
        ArgumentNullException.ThrowIfNull(norm);
        ArgumentNullException.ThrowIfNull(input);
        if (norm is not BatchNorm || !norm.training || input.numel() != input.size(1)) return norm.forward(input);
        norm.eval();
        try
        {
            return norm.forward(input);
        }
        finally
        {
            norm.train();
        }
    }

    /// <summary>TorchSharp 0.107 leaves scale and shift of a GroupNorm as the memory happens to be: PyTorch begins with 1 and 0.</summary>
    private static GroupNorm OneGroup(long channels)
    {
        var norm = torch.nn.GroupNorm(1, channels);
        torch.nn.init.ones_(norm.weight);
        torch.nn.init.zeros_(norm.bias);
        return norm;
    }

    private static ArgumentException Unknown(string name) =>
        new($"norm '{name}' is not known. Available: {string.Join(", ", Names)}", nameof(name));
}

/// <summary>The field takes one of <see cref="Norms.Names"/>.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class NormNameAttribute() : AllowedValuesAttribute(Norms.None, Norms.Batch, Norms.Layer);
