using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Floats = System.Runtime.Intrinsics.Vector256<float>;

namespace DistOpt.Core.Optimizers;

/// <summary>
/// An update whose step is a positive length for each element times a mean of gradients, so that the proximal step of an L1 penalty can be taken in the
/// same lengths: proximal AdaGrad (Duchi, Hazan and Singer, JMLR 2011, section 5), and for Adam and its relatives ProxGen (Yun, Lozano and Yang,
/// NeurIPS 2021). With them a weight rests where its gradient is l1, as a lasso's minimum asks for; with one length for all it would not.
/// </summary>
internal interface IProximalKernel : IUpdateKernel
{
    /// <summary>How far each weight is drawn towards 0: as far as a lasting gradient of l1 would have moved it in this update.</summary>
    /// <param name="slot0">As the update has left it, and so are the others.</param>
    Floats Threshold(Floats slot0, Floats slot1, Floats slot2);
}

/// <summary>The update, and then the proximal step of an L1 penalty (soft thresholding).</summary>
internal readonly struct Proximal<TKernel>(TKernel kernel) : IUpdateKernel where TKernel : struct, IProximalKernel
{
    public static int Slots => TKernel.Slots;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Update(ref Floats parameter, Floats gradient, ref Floats slot0, ref Floats slot1, ref Floats slot2)
    {
        kernel.Update(ref parameter, gradient, ref slot0, ref slot1, ref slot2);
        var threshold = kernel.Threshold(slot0, slot1, slot2);
        var above = Vector256.ConditionalSelect(Vector256.GreaterThan(parameter, threshold), parameter - threshold, Floats.Zero);
        var moved = Vector256.ConditionalSelect(Vector256.LessThan(parameter, -threshold), parameter + threshold, above);
        // NaN stays
        parameter = Vector256.ConditionalSelect(Vector256.Equals(parameter, parameter), moved, parameter);
    }
}

/// <summary>Parts of an update that a lasting gradient moves a weight by, in units of rate times gradient.</summary>
internal static class Gain
{
    /// <summary>The momentum buffer b = momentum * b + (1 - dampening) * g, which begins with g, at step t under a gradient g of 1 at every step.</summary>
    public static double Of(double momentum, double dampening, long t)
    {
        double first = Math.Pow(momentum, t - 1);
        return first + (1 - dampening) * (1 - first) / (1 - momentum);
    }

    /// <summary>The same where it begins with 0 and nothing is dampened: (1 - momentum^t) / (1 - momentum).</summary>
    public static double Of(double momentum, long t) => (1 - Math.Pow(momentum, t)) / (1 - momentum);
}
