using System.Runtime.InteropServices;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using TorchSharp;
using TorchSharp.Modules;

using static TorchSharp.torch;

namespace DistOpt.Torch.Engine;

/// <summary>
/// A second module of a worker under <c>precision: bf16</c>: parameters in bfloat16, rounded anew from the float32 weights for every gradient
/// shard, but normalization layers in float32 with their statistics. Its gradients are added into the float32 gradient. One thread at a time.
/// </summary>
internal sealed class Bf16Replica : IDisposable
{
    private readonly ParameterLayout _layout;
    private readonly (Parameter Parameter, int Slot)[] _parameters;
    private readonly Tensor[] _buffers;
    private FlatBuffer? _weights;
    private Tensor[] _views = [];

    /// <param name="module">A new float32 module, which is converted; it belongs to the replica from now on.</param>
    /// <param name="inventory">What it held before.</param>
    /// <param name="initial">The module whose constants (frozen parameters, other buffers) hold.</param>
    /// <exception cref="SpecException">A float32 buffer stands outside a normalization layer.</exception>
    public Bf16Replica(nn.Module module, ModuleInventory inventory, FlatModule initial)
    {
        Module = module;
        _layout = inventory.Layout;
        module.to(ScalarType.BFloat16);
        foreach (var (_, layer) in module.named_modules())
            if (IsNorm(layer)) layer.to(ScalarType.Float32);
        module.train();
        var named = module.named_parameters().ToDictionary(p => p.name, p => p.parameter, StringComparer.Ordinal);
        _parameters = [.. inventory.Trainable.SelectMany((tensor, slot) => tensor.Names.Where(named.ContainsKey).Select(n => (named[n], slot)))];
        var state = module.state_dict();
        _buffers = [.. _layout.Buffers.Select(slot => state[slot.Name])];
        CheckBuffers();
        using var none = no_grad();
        foreach (var constant in initial.Inventory.Constants)
            foreach (string name in constant.Names) state[name].copy_(constant.Tensor);
    }

    public nn.Module Module { get; }

    /// <summary>Rounds the weights to bfloat16, and takes over the running statistics.</summary>
    public void Load(FlatBuffer weights, ReadOnlySpan<float> buffers)
    {
        if (!ReferenceEquals(weights, _weights))
        {
            Forget();
            _views = FlatModule.Views(weights, _layout);
            _weights = weights;
        }
        using (no_grad())
        using (NewDisposeScope())
        {
            foreach (var (parameter, slot) in _parameters) parameter.copy_(_views[slot]);
        }
        for (int i = 0; i < _buffers.Length && !buffers.IsEmpty; i++)
        {
            var slot = _layout.Buffers[i];
            MemoryMarshal.AsBytes(buffers.Slice((int)slot.Offset, (int)slot.Length)).CopyTo(_buffers[i].bytes);
        }
    }

    public void ReadBuffers(Span<float> destination)
    {
        for (int i = 0; i < _buffers.Length; i++)
        {
            var slot = _layout.Buffers[i];
            FlatModule.CopyOut(_buffers[i], MemoryMarshal.AsBytes(destination.Slice((int)slot.Offset, (int)slot.Length)));
        }
    }

    /// <summary>Adds the gradients of the last backward pass in float32, and forgets them.</summary>
    /// <param name="views">Views of the gradient, one for each parameter of the layout.</param>
    public void AddGradients(Tensor[] views)
    {
        using var none = no_grad();
        using var scope = NewDisposeScope();
        foreach (var (parameter, slot) in _parameters)
        {
            if (parameter.grad is not { } gradient) continue;
            views[slot].add_(gradient);
            parameter.grad = null;
        }
    }

    public void Dispose()
    {
        Forget();
        Module.Dispose();
    }

    private static bool IsNorm(nn.Module layer) => layer.GetType() is { Namespace: "TorchSharp.Modules" } type
        && type.Name.Contains("Norm", StringComparison.Ordinal);

    private void CheckBuffers()
    {
        var violations = new List<SpecViolation>();
        for (int i = 0; i < _buffers.Length; i++)
        {
            if (_buffers[i].dtype is ScalarType.Float32 or ScalarType.Int64) continue;
            violations.Add(new("training.precision", $"is bf16, but the model trains buffer '{_layout.Buffers[i].Name}' outside of torch's "
                + "normalization layers, which alone stay in float32: use float32"));
        }
        if (violations.Count > 0) throw new SpecException(violations);
    }

    private void Forget()
    {
        foreach (var view in _views) view.Dispose();
        (_views, _weights) = ([], null);
    }
}
