using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace DistOpt.Core.Optimizers;

/// <summary>
/// The update of eight elements. Only operations that IEEE 754 rounds element by element (+ - * / sqrt; no fused multiply-add, which not
/// every CPU has), so the bits depend on neither the vector width nor the position of an element.
/// </summary>
internal interface IUpdateKernel
{
    /// <summary>Number of slots the kernel uses, 0 to 2.</summary>
    static abstract int Slots { get; }

    void Update(ref Vector256<float> parameter, Vector256<float> gradient, ref Vector256<float> slot0, ref Vector256<float> slot1);
}

/// <summary>Runs a kernel over flat buffers: one pass, every array read once and written once.</summary>
internal static class FusedUpdate
{
    /// <param name="kernel">The update; its coefficients are fixed for the pass.</param>
    /// <param name="optimizer">Name for error texts.</param>
    /// <param name="parameters">Updated in place.</param>
    /// <param name="gradient">As long as the parameters.</param>
    /// <param name="slots">As many as the kernel has, each as long as the parameters; updated in place.</param>
    /// <exception cref="ArgumentException">Lengths or the number of slots differ.</exception>
    public static void Run<TKernel>(TKernel kernel, string optimizer, Span<float> parameters, ReadOnlySpan<float> gradient,
        IReadOnlyList<Memory<float>> slots) where TKernel : struct, IUpdateKernel
    {
        if (gradient.Length != parameters.Length)
            throw new ArgumentException($"{optimizer}: {parameters.Length} parameters, but {gradient.Length} gradients");
        if (slots.Count != TKernel.Slots)
            throw new ArgumentException($"{optimizer}: {TKernel.Slots} slots are wanted, but {slots.Count} were given");
        var slot0 = TKernel.Slots > 0 ? slots[0].Span : default;
        var slot1 = TKernel.Slots > 1 ? slots[1].Span : default;
        if ((TKernel.Slots > 0 && slot0.Length != parameters.Length) || (TKernel.Slots > 1 && slot1.Length != parameters.Length))
            throw new ArgumentException($"{optimizer}: a slot is not as long as the {parameters.Length} parameters");
        Run(kernel, parameters, gradient, slot0, slot1);
    }

    private static void Run<TKernel>(TKernel kernel, Span<float> parameters, ReadOnlySpan<float> gradient, Span<float> slot0,
        Span<float> slot1) where TKernel : struct, IUpdateKernel
    {
        ref float p = ref MemoryMarshal.GetReference(parameters);
        ref float g = ref MemoryMarshal.GetReference(gradient);
        ref float s0 = ref MemoryMarshal.GetReference(slot0);
        ref float s1 = ref MemoryMarshal.GetReference(slot1);
        int width = Vector256<float>.Count;
        int i = 0;
        for (; i <= parameters.Length - 4 * width; i += 4 * width)
        {
            Eight(kernel, ref p, ref g, ref s0, ref s1, i);
            Eight(kernel, ref p, ref g, ref s0, ref s1, i + width);
            Eight(kernel, ref p, ref g, ref s0, ref s1, i + 2 * width);
            Eight(kernel, ref p, ref g, ref s0, ref s1, i + 3 * width);
        }
        for (; i <= parameters.Length - width; i += width) Eight(kernel, ref p, ref g, ref s0, ref s1, i);
        if (i == parameters.Length) return;
        Tail(kernel, parameters[i..], gradient[i..], TKernel.Slots > 0 ? slot0[i..] : default, TKernel.Slots > 1 ? slot1[i..] : default);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Eight<TKernel>(TKernel kernel, ref float p, ref float g, ref float s0, ref float s1, int i)
        where TKernel : struct, IUpdateKernel
    {
        var parameter = Vector256.LoadUnsafe(ref p, (nuint)i);
        var slot0 = TKernel.Slots > 0 ? Vector256.LoadUnsafe(ref s0, (nuint)i) : default;
        var slot1 = TKernel.Slots > 1 ? Vector256.LoadUnsafe(ref s1, (nuint)i) : default;
        kernel.Update(ref parameter, Vector256.LoadUnsafe(ref g, (nuint)i), ref slot0, ref slot1);
        parameter.StoreUnsafe(ref p, (nuint)i);
        if (TKernel.Slots > 0) slot0.StoreUnsafe(ref s0, (nuint)i);
        if (TKernel.Slots > 1) slot1.StoreUnsafe(ref s1, (nuint)i);
    }

    /// <summary>The last one to seven elements go through the same instructions, padded with zeros.</summary>
    private static void Tail<TKernel>(TKernel kernel, Span<float> parameters, ReadOnlySpan<float> gradient, Span<float> slot0,
        Span<float> slot1) where TKernel : struct, IUpdateKernel
    {
        Span<float> padded = stackalloc float[4 * Vector256<float>.Count];
        padded.Clear();
        var p = padded[..8];
        var g = padded[8..16];
        var s0 = padded[16..24];
        var s1 = padded[24..];
        parameters.CopyTo(p);
        gradient.CopyTo(g);
        slot0.CopyTo(s0);
        slot1.CopyTo(s1);
        Eight(kernel, ref p[0], ref g[0], ref s0[0], ref s1[0], 0);
        p[..parameters.Length].CopyTo(parameters);
        s0[..slot0.Length].CopyTo(slot0);
        s1[..slot1.Length].CopyTo(slot1);
    }
}
