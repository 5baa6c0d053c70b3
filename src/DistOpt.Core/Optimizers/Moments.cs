using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Floats = System.Runtime.Intrinsics.Vector256<float>;

namespace DistOpt.Core.Optimizers;

/// <summary>The means of gradients and of their squares as Adam and its relatives keep them, in torch's order of operations.</summary>
internal readonly struct Moments(double beta1, double beta2)
{
    private readonly float _mean = (float)(1 - beta1);
    private readonly float _keepSquare = (float)beta2;
    private readonly float _square = (float)(1 - beta2);

    /// <summary>m += (1 - beta1) (g - m), v = beta2 v + (1 - beta2) g g.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Gather(Floats g, ref Floats m, ref Floats v)
    {
        m += Vector256.Create(_mean) * (g - m);
        v = Vector256.Create(_keepSquare) * v + Vector256.Create(_square) * g * g;
    }
}
