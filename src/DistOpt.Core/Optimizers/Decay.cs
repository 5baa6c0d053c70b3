using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Floats = System.Runtime.Intrinsics.Vector256<float>;

namespace DistOpt.Core.Optimizers;

/// <summary>
/// Weight decay as torch's optimizers do it: added to the gradient (an L2 penalty), or taken off the parameter before the update (decoupled,
/// Loshchilov and Hutter 2019).
/// </summary>
internal readonly struct Decay(double weightDecay, double learningRate, bool decoupled)
{
    private readonly float _penalty = decoupled ? 0 : (float)weightDecay;
    private readonly float _keep = decoupled ? (float)(1 - learningRate * weightDecay) : 1;

    /// <summary>The gradient to go on with. A factor of 0 or 1 leaves everything as it is: 0 times an infinite weight would be NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Floats Apply(Floats gradient, ref Floats parameter)
    {
        if (_keep != 1) parameter *= Vector256.Create(_keep);
        return _penalty == 0 ? gradient : gradient + Vector256.Create(_penalty) * parameter;
    }
}
