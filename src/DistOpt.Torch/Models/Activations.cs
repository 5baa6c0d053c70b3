using System.ComponentModel.DataAnnotations;
using TorchSharp;

namespace DistOpt.Torch.Models;

/// <summary>Activation functions by the names that stand in a spec, each with PyTorch's default parameters.</summary>
public static class Activations
{
    public const string Relu = "relu";
    public const string Tanh = "tanh";
    public const string Sigmoid = "sigmoid";
    public const string Gelu = "gelu";
    public const string LeakyRelu = "leaky-relu";
    public const string Elu = "elu";
    public const string Silu = "silu";
    public const string Softplus = "softplus";

    public static IReadOnlyList<string> Names { get; } = [Relu, Tanh, Sigmoid, Gelu, LeakyRelu, Elu, Silu, Softplus];

    /// <summary>
    /// The function of a name. It may overwrite its argument where autograd allows that (relu, tanh, sigmoid, leaky-relu and elu need
    /// nothing but their own output for the backward pass): use only the result afterwards.
    /// </summary>
    /// <exception cref="ArgumentException">Unknown name; the message lists what exists.</exception>
    public static Func<torch.Tensor, torch.Tensor> Get(string name) => name switch
    {
        Relu => static x => x.relu_(),
        Tanh => static x => x.tanh_(),
        Sigmoid => static x => x.sigmoid_(),
        Gelu => static x => torch.nn.functional.gelu(x),
        LeakyRelu => static x => torch.nn.functional.leaky_relu(x, 0.01, inplace: true),
        Elu => static x => torch.nn.functional.elu(x, 1.0, inplace: true),
        Silu => static x => torch.nn.functional.silu(x),
        Softplus => static x => x.softplus(1.0, 20.0),
        _ => throw new ArgumentException($"activation '{name}' is not known. Available: {string.Join(", ", Names)}", nameof(name)),
    };
}

/// <summary>The field takes one of <see cref="Activations.Names"/>.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ActivationNameAttribute() : AllowedValuesAttribute(Activations.Relu, Activations.Tanh, Activations.Sigmoid,
    Activations.Gelu, Activations.LeakyRelu, Activations.Elu, Activations.Silu, Activations.Softplus);
