using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DistOpt.Core.Parameters;
using TorchSharp.Modules;

using static TorchSharp.torch;

namespace DistOpt.Torch.Engine;

/// <summary>
/// A module whose trainable parameters are views of one flat vector, and whose gradients are views of another: backward then
/// accumulates in place, and nothing is copied. One thread at a time.
/// </summary>
internal sealed class FlatModule : IDisposable
{
    private const int MaxGradientBuffers = 64;

    private readonly Dictionary<FlatBuffer, Tensor[]> _gradients = new(ReferenceEqualityComparer.Instance);
    private readonly int[] _slotOf;
    private readonly Parameter[] _parameters;
    private FlatBuffer? _weights;
    private FlatBuffer? _gradient;
    private bool _training = true;

    public FlatModule(nn.Module module, ModuleInventory inventory)
    {
        Module = module;
        Inventory = inventory;
        _parameters = [.. inventory.Trainable.SelectMany(t => t.Parameters)];
        _slotOf = [.. inventory.Trainable.SelectMany((t, slot) => Enumerable.Repeat(slot, t.Parameters.Length))];
        Statistics = new NormStatistics(module);
        module.train();
    }

    public nn.Module Module { get; }

    public ModuleInventory Inventory { get; }

    /// <summary>Its batch-norm layers.</summary>
    public NormStatistics Statistics { get; }

    public ParameterLayout Layout => Inventory.Layout;

    /// <summary>What the parameters are views of; null before <see cref="Bind"/>.</summary>
    public FlatBuffer? Weights => _weights;

    /// <summary>Makes every trainable parameter a view of <paramref name="weights"/>, whose values become the module's.</summary>
    public void Bind(FlatBuffer weights)
    {
        CheckLength(weights, Layout.ParameterCount, "parameters");
        var views = Views(weights, Layout);
        using (no_grad())
        {
            for (int i = 0; i < _parameters.Length; i++) _parameters[i].set_(views[_slotOf[i]]);
        }
        foreach (var view in views) view.Dispose();
        _weights = weights;
        CheckViews();
    }

    /// <summary>
    /// Views of <paramref name="gradient"/>, one for each parameter of the layout, for gradients that are computed elsewhere. They are kept.
    /// </summary>
    public Tensor[] GradientViews(FlatBuffer gradient)
    {
        CheckLength(gradient, Layout.ParameterCount, "gradient");
        if (_gradients.TryGetValue(gradient, out var views)) return views;
        if (_gradients.Count >= MaxGradientBuffers) ForgetGradients();
        _gradients.Add(gradient, views = Views(gradient, Layout));
        return views;
    }

    /// <summary>Lets backward accumulate into <paramref name="gradient"/>. The views are kept for the next time.</summary>
    public void BindGradient(FlatBuffer gradient)
    {
        if (ReferenceEquals(gradient, _gradient)) return;
        var views = GradientViews(gradient);
        for (int i = 0; i < _parameters.Length; i++) _parameters[i].grad = views[_slotOf[i]];
        _gradient = gradient;
    }

    /// <summary>
    /// Throws where parameters or gradients are no longer views of what they were bound to: user code that replaces a parameter, or calls
    /// <c>zero_grad</c>, would otherwise train nothing.
    /// </summary>
    /// <param name="all">Every tensor; otherwise the first parameter's gradient alone, which is cheap enough for every step.</param>
    public unsafe void CheckViews(bool all = true)
    {
        int count = all ? _parameters.Length : 1;
        for (int i = 0; i < count; i++)
        {
            var slot = Layout.Parameters[_slotOf[i]];
            if (slot.Length == 0) continue;
            if (all && _weights is not null)
            {
                fixed (byte* at = _parameters[i].bytes)
                    if ((float*)at != Address(_weights, slot)) throw new InvalidOperationException(Replaced(slot, "memory"));
            }
            if (_gradient is null) continue;
            using var grad = _parameters[i].grad;
            if (grad is null) throw new InvalidOperationException(Replaced(slot, "gradient"));
            fixed (byte* at = grad.bytes)
                if ((float*)at != Address(_gradient, slot)) throw new InvalidOperationException(Replaced(slot, "gradient"));
        }
    }

    /// <summary>train() or eval(), only where it is not in that mode already.</summary>
    public void SetTraining(bool training)
    {
        if (_training == training && Module.training == training) return;
        Module.train(training);
        _training = training;
    }

    /// <summary>Copies the values of the trainable parameters out in layout order.</summary>
    public void ReadParameters(Span<float> destination)
    {
        for (int i = 0; i < Layout.Parameters.Length; i++)
        {
            var slot = Layout.Parameters[i];
            CopyOut(Inventory.Trainable[i].First, MemoryMarshal.AsBytes(destination.Slice((int)slot.Offset, (int)slot.Length)));
        }
    }

    public void ReadBuffers(Span<float> destination)
    {
        for (int i = 0; i < Layout.Buffers.Length; i++)
        {
            var slot = Layout.Buffers[i];
            CopyOut(Inventory.Buffers[i].Tensor, MemoryMarshal.AsBytes(destination.Slice((int)slot.Offset, (int)slot.Length)));
        }
    }

    public void WriteBuffers(ReadOnlySpan<float> source)
    {
        for (int i = 0; i < Layout.Buffers.Length; i++)
        {
            var slot = Layout.Buffers[i];
            MemoryMarshal.AsBytes(source.Slice((int)slot.Offset, (int)slot.Length)).CopyTo(Inventory.Buffers[i].Tensor.bytes);
        }
    }

    /// <summary>Lets the constants of this module share the memory of the other's, which has the same layout.</summary>
    public void ShareConstants(FlatModule other)
    {
        using var none = no_grad();
        for (int i = 0; i < Inventory.Constants.Length; i++) Inventory.Constants[i].Tensor.set_(other.Inventory.Constants[i].Tensor);
    }

    public void Dispose()
    {
        foreach (var parameter in _parameters) parameter.grad = null;
        ForgetGradients();
        Module.Dispose();
        _weights = null;
    }

    /// <summary>The bytes of a tensor, also where it is not contiguous.</summary>
    internal static void CopyOut(Tensor tensor, Span<byte> destination)
    {
        if (tensor.is_contiguous())
        {
            tensor.bytes.CopyTo(destination);
            return;
        }
        using var dense = tensor.detach().contiguous().DetachFromDisposeScope();
        dense.bytes.CopyTo(destination);
    }

    /// <summary>A view of the buffer for each parameter of the layout.</summary>
    internal static Tensor[] Views(FlatBuffer buffer, ParameterLayout layout)
    {
        var views = new Tensor[layout.Parameters.Length];
        using var scope = NewDisposeScope();
        var flat = frombuffer(buffer.Storage, ScalarType.Float32).narrow(0, buffer.Offset, buffer.Length);
        for (int i = 0; i < views.Length; i++)
        {
            var slot = layout.Parameters[i];
            views[i] = flat.narrow(0, slot.Offset, slot.Length).view([.. slot.Shape]).DetachFromDisposeScope();
        }
        return views;
    }

    private void ForgetGradients()
    {
        _gradient = null;
        foreach (var view in _gradients.Values.SelectMany(v => v)) view.Dispose();
        _gradients.Clear();
    }

    private static unsafe float* Address(FlatBuffer buffer, TensorSlot slot) =>
        (float*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(buffer.Storage)) + buffer.Offset + slot.Offset; // the array is pinned

    private static void CheckLength(FlatBuffer buffer, long length, string what)
    {
        if (buffer.Length != length)
            throw new ArgumentException($"the buffer for {what} has {buffer.Length} elements, but the layout has {length}", nameof(buffer));
    }

    private static string Replaced(TensorSlot slot, string what) =>
        $"the {what} of parameter '{slot.Name}' was replaced: a step may not assign parameters, and may not call zero_grad or an optimizer";
}
