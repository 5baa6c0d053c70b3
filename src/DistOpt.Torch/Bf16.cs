using System.Runtime.Intrinsics.X86;

namespace DistOpt.Torch;

/// <summary>Whether this CPU multiplies in bfloat16 faster than in float32, which <c>training.precision: bf16</c> needs.</summary>
public static class Bf16
{
    /// <summary>AVX512-BF16: CPUID leaf 7.1, EAX bit 5.</summary>
    public static bool HasAvx512 { get; } = Avx512F.IsSupported && X86Base.CpuId(0, 0).Eax >= 7
        && X86Base.CpuId(7, 0).Eax >= 1 && (X86Base.CpuId(7, 1).Eax & 1 << 5) != 0;

    /// <summary>AMX-BF16: CPUID leaf 7.0, EDX bit 22.</summary>
    public static bool HasAmx { get; } = Avx512F.IsSupported && X86Base.CpuId(0, 0).Eax >= 7 && (X86Base.CpuId(7, 0).Edx & 1 << 22) != 0;

    public static bool IsFast => HasAvx512 || HasAmx;

    /// <summary>"AVX512-BF16", "AVX512-BF16 and AMX-BF16", or why there is none.</summary>
    public static string Description => (HasAvx512, HasAmx) switch
    {
        (true, true) => "AVX512-BF16 and AMX-BF16",
        (true, false) => "AVX512-BF16",
        (false, true) => "AMX-BF16",
        _ => "this CPU has neither AVX512-BF16 nor AMX-BF16, so that bfloat16 would be slower than float32",
    };
}
