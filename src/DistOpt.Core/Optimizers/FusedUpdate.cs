using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace DistOpt.Core.Optimizers;

/// <summary>
/// The update of eight elements. Only operations that IEEE 754 rounds element by element (+ - * / sqrt, comparisons; no fused multiply-add,
/// which not every CPU has), so the bits depend on neither the vector width nor the position of an element.
/// </summary>
internal interface IUpdateKernel
{
    /// <summary>Number of slots the kernel uses, 0 to 3.</summary>
    static abstract int Slots { get; }

    /// <param name="parameter">Updated.</param>
    /// <param name="gradient">The gradient as the optimizer is to see it: divided, with penalties, clipped.</param>
    void Update(ref Vector256<float> parameter, Vector256<float> gradient, ref Vector256<float> slot0, ref Vector256<float> slot1,
        ref Vector256<float> slot2);
}

/// <summary>Where an update of eight elements is about to go.</summary>
internal interface IDirectionKernel
{
    /// <summary>1 or 2.</summary>
    static abstract int Slots { get; }

    Vector256<float> Direction(Vector256<float> parameter, Vector256<float> gradient, Vector256<float> slot0, Vector256<float> slot1);
}

/// <summary>Runs a kernel over flat buffers: one pass, every array read once and written once.</summary>
internal static class FusedUpdate
{
    /// <param name="kernel">The update; its coefficients are fixed for the pass.</param>
    /// <param name="optimizer">Name for error texts.</param>
    /// <param name="step">Of which the gradient's scale and terms are used.</param>
    /// <param name="parameters">Updated in place.</param>
    /// <param name="gradient">As long as the parameters.</param>
    /// <param name="slots">As many as the kernel has, each as long as the parameters; updated in place.</param>
    /// <exception cref="ArgumentException">Lengths or the number of slots differ.</exception>
    public static void Run<TKernel>(TKernel kernel, string optimizer, in OptimizerStep step, Span<float> parameters, ReadOnlySpan<float> gradient,
        IReadOnlyList<Memory<float>> slots) where TKernel : struct, IUpdateKernel
    {
        Check(optimizer, TKernel.Slots, parameters.Length, gradient.Length, slots);
        var slot0 = TKernel.Slots > 0 ? slots[0].Span : default;
        var slot1 = TKernel.Slots > 1 ? slots[1].Span : default;
        var slot2 = TKernel.Slots > 2 ? slots[2].Span : default;
        if (step.Terms is { } terms) Run(kernel, new ShapedGradient(step.GradientScale, terms, step.ClipFactor), parameters, gradient, slot0, slot1, slot2);
        else if (step.ClipFactor != 1) Run(kernel, new ClippedGradient(step.GradientScale, step.ClipFactor), parameters, gradient, slot0, slot1, slot2);
        else Run(kernel, new ScaledGradient(step.GradientScale), parameters, gradient, slot0, slot1, slot2);
    }

    /// <summary>The same with the proximal step behind the update where the step's <see cref="OptimizerStep.L1"/> is above 0.</summary>
    /// <exception cref="ArgumentException">Lengths or the number of slots differ.</exception>
    public static void RunProximal<TKernel>(TKernel kernel, string optimizer, in OptimizerStep step, Span<float> parameters,
        ReadOnlySpan<float> gradient, IReadOnlyList<Memory<float>> slots) where TKernel : struct, IProximalKernel
    {
        if (step.L1 > 0) Run(new Proximal<TKernel>(kernel), optimizer, step, parameters, gradient, slots);
        else Run(kernel, optimizer, step, parameters, gradient, slots);
    }

    private static void Run<TKernel, TGradient>(TKernel kernel, TGradient source, Span<float> parameters, ReadOnlySpan<float> gradient,
        Span<float> slot0, Span<float> slot1, Span<float> slot2)
        where TKernel : struct, IUpdateKernel where TGradient : struct, IGradientSource
    {
        ref float p = ref MemoryMarshal.GetReference(parameters);
        ref float g = ref MemoryMarshal.GetReference(gradient);
        ref float s0 = ref MemoryMarshal.GetReference(slot0);
        ref float s1 = ref MemoryMarshal.GetReference(slot1);
        ref float s2 = ref MemoryMarshal.GetReference(slot2);
        int width = Vector256<float>.Count;
        int i = 0;
        for (; i <= parameters.Length - 4 * width; i += 4 * width)
        {
            Eight(kernel, source, ref p, ref g, ref s0, ref s1, ref s2, i);
            Eight(kernel, source, ref p, ref g, ref s0, ref s1, ref s2, i + width);
            Eight(kernel, source, ref p, ref g, ref s0, ref s1, ref s2, i + 2 * width);
            Eight(kernel, source, ref p, ref g, ref s0, ref s1, ref s2, i + 3 * width);
        }
        for (; i <= parameters.Length - width; i += width) Eight(kernel, source, ref p, ref g, ref s0, ref s1, ref s2, i);
        if (i == parameters.Length) return;
        Tail(kernel, source, parameters[i..], gradient[i..], TKernel.Slots > 0 ? slot0[i..] : default, TKernel.Slots > 1 ? slot1[i..] : default,
            TKernel.Slots > 2 ? slot2[i..] : default);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Eight<TKernel, TGradient>(TKernel kernel, TGradient source, ref float p, ref float g, ref float s0, ref float s1,
        ref float s2, int i) where TKernel : struct, IUpdateKernel where TGradient : struct, IGradientSource
    {
        var parameter = Vector256.LoadUnsafe(ref p, (nuint)i);
        var slot0 = TKernel.Slots > 0 ? Vector256.LoadUnsafe(ref s0, (nuint)i) : default;
        var slot1 = TKernel.Slots > 1 ? Vector256.LoadUnsafe(ref s1, (nuint)i) : default;
        var slot2 = TKernel.Slots > 2 ? Vector256.LoadUnsafe(ref s2, (nuint)i) : default;
        kernel.Update(ref parameter, source.Of(Vector256.LoadUnsafe(ref g, (nuint)i), parameter), ref slot0, ref slot1, ref slot2);
        parameter.StoreUnsafe(ref p, (nuint)i);
        if (TKernel.Slots > 0) slot0.StoreUnsafe(ref s0, (nuint)i);
        if (TKernel.Slots > 1) slot1.StoreUnsafe(ref s1, (nuint)i);
        if (TKernel.Slots > 2) slot2.StoreUnsafe(ref s2, (nuint)i);
    }

    /// <summary>The last one to seven elements go through the same instructions, padded with zeros.</summary>
    private static void Tail<TKernel, TGradient>(TKernel kernel, TGradient source, Span<float> parameters, ReadOnlySpan<float> gradient,
        Span<float> slot0, Span<float> slot1, Span<float> slot2) where TKernel : struct, IUpdateKernel where TGradient : struct, IGradientSource
    {
        Span<float> padded = stackalloc float[5 * Vector256<float>.Count];
        padded.Clear();
        var p = padded[..8];
        var g = padded[8..16];
        var s0 = padded[16..24];
        var s1 = padded[24..32];
        var s2 = padded[32..];
        parameters.CopyTo(p);
        gradient.CopyTo(g);
        slot0.CopyTo(s0);
        slot1.CopyTo(s1);
        slot2.CopyTo(s2);
        Eight(kernel, source, ref p[0], ref g[0], ref s0[0], ref s1[0], ref s2[0], 0);
        p[..parameters.Length].CopyTo(parameters);
        s0[..slot0.Length].CopyTo(slot0);
        s1[..slot1.Length].CopyTo(slot1);
        s2[..slot2.Length].CopyTo(slot2);
    }

    /// <summary>Sum of squares of the direction, in a fixed order. Nothing is changed.</summary>
    /// <exception cref="ArgumentException">Lengths or the number of slots differ.</exception>
    public static double MeasureDirection<TKernel>(TKernel kernel, string optimizer, in OptimizerStep step, ReadOnlySpan<float> parameters,
        ReadOnlySpan<float> gradient, IReadOnlyList<Memory<float>> slots) where TKernel : struct, IDirectionKernel
    {
        Check(optimizer, TKernel.Slots, parameters.Length, gradient.Length, slots);
        var source = new ShapedGradient(step.GradientScale, step.Terms ?? GradientTerms.None, step.ClipFactor);
        ReadOnlySpan<float> slot0 = slots[0].Span, slot1 = TKernel.Slots > 1 ? slots[1].Span : default;
        var sums = default(SquareSums);
        int width = Vector256<float>.Count, i = 0;
        for (; i <= parameters.Length - width; i += width)
            sums.Add(Direction(kernel, source, parameters[i..], gradient[i..], slot0[i..], TKernel.Slots > 1 ? slot1[i..] : default), width);
        if (i == parameters.Length) return sums.Total;
        // the last ones go through the same instructions, padded with zeros
        Span<float> padded = stackalloc float[4 * Vector256<float>.Count];
        padded.Clear();
        parameters[i..].CopyTo(padded);
        gradient[i..].CopyTo(padded[width..]);
        slot0[i..].CopyTo(padded[(2 * width)..]);
        if (TKernel.Slots > 1) slot1[i..].CopyTo(padded[(3 * width)..]);
        sums.Add(Direction(kernel, source, padded, padded[width..], padded[(2 * width)..], padded[(3 * width)..]), parameters.Length - i);
        return sums.Total;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Direction<TKernel, TGradient>(TKernel kernel, TGradient source, ReadOnlySpan<float> parameters,
        ReadOnlySpan<float> gradient, ReadOnlySpan<float> slot0, ReadOnlySpan<float> slot1)
        where TKernel : struct, IDirectionKernel where TGradient : struct, IGradientSource
    {
        var parameter = Vector256.Create(parameters);
        return kernel.Direction(parameter, source.Of(Vector256.Create(gradient), parameter), Vector256.Create(slot0),
            TKernel.Slots > 1 ? Vector256.Create(slot1) : default);
    }

    /// <summary>Writes the gradient as an optimizer sees it: divided, with penalties, clipped.</summary>
    public static void Shape(in OptimizerStep step, ReadOnlySpan<float> parameters, ReadOnlySpan<float> gradient, Span<float> shaped)
    {
        var source = new ShapedGradient(step.GradientScale, step.Terms ?? GradientTerms.None, step.ClipFactor);
        int width = Vector256<float>.Count;
        int i = 0;
        for (; i <= shaped.Length - width; i += width) source.Of(Vector256.Create(gradient[i..]), Vector256.Create(parameters[i..])).CopyTo(shaped[i..]);
        if (i == shaped.Length) return;
        Span<float> padded = stackalloc float[2 * Vector256<float>.Count];
        padded.Clear();
        gradient[i..shaped.Length].CopyTo(padded);
        parameters[i..shaped.Length].CopyTo(padded[width..]);
        source.Of(Vector256.Create<float>(padded), Vector256.Create<float>(padded[width..])).CopyTo(padded);
        padded[..(shaped.Length - i)].CopyTo(shaped[i..]);
    }

    /// <exception cref="ArgumentException">Lengths or the number of slots differ.</exception>
    internal static void Check(string optimizer, int wanted, int parameters, int gradients, IReadOnlyList<Memory<float>> slots, int? slotLength = null)
    {
        if (gradients != parameters) throw new ArgumentException($"{optimizer}: {parameters} parameters, but {gradients} gradients");
        if (slots.Count != wanted) throw new ArgumentException($"{optimizer}: {wanted} slots are wanted, but {slots.Count} were given");
        for (int i = 0; i < wanted; i++)
        {
            int length = slotLength ?? parameters;
            if (slots[i].Length != length) throw new ArgumentException($"{optimizer}: a slot has {slots[i].Length} places, but {parameters} parameters need {length}");
        }
    }
}
