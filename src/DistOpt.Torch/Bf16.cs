using System.Diagnostics;
using System.Globalization;
using System.Runtime.Intrinsics.X86;
using DistOpt.Torch.Engine;

using static TorchSharp.torch;

namespace DistOpt.Torch;

/// <summary>
/// Whether this CPU multiplies in bfloat16 faster than in float32, which <c>training.precision: bf16</c> needs. The instructions alone do not tell:
/// AVX512-BF16 without AMX has, on some CPUs, no more throughput than two float32 units, and then loses to them. So it is measured.
/// </summary>
public static class Bf16
{
    /// <summary>Set to 1, bfloat16 is computed where it is slower too: to see what a model makes of it, or in tests.</summary>
    public const string SlowVariable = "DISTOPT_SLOW_BF16";

    /// <summary>How many times as fast as float32 it must be: what is gained otherwise goes into the rounding of weights and gradients.</summary>
    public const double FastRatio = 1.1;

    private static readonly Lazy<Bf16Speed> Measured = new(Measure);

    /// <summary>AVX512-BF16: CPUID leaf 7.1, EAX bit 5.</summary>
    public static bool HasAvx512 { get; } = Avx512F.IsSupported && X86Base.CpuId(0, 0).Eax >= 7
        && X86Base.CpuId(7, 0).Eax >= 1 && (X86Base.CpuId(7, 1).Eax & 1 << 5) != 0;

    /// <summary>AMX-BF16: CPUID leaf 7.0, EDX bit 22.</summary>
    public static bool HasAmx { get; } = Avx512F.IsSupported && X86Base.CpuId(0, 0).Eax >= 7 && (X86Base.CpuId(7, 0).Edx & 1 << 22) != 0;

    /// <summary>GFLOP/s of one thread, measured once in a process (some 50 ms).</summary>
    public static Bf16Speed Speed => Measured.Value;

    /// <summary>Why bfloat16 would be slower than float32 here, or null.</summary>
    public static string? Missing => Reason(HasAvx512, HasAmx, () => Speed);

    /// <summary>"AVX512-BF16", "AVX512-BF16 and AMX-BF16" with what they give, or why there is nothing to be gained.</summary>
    public static string Description => Missing ?? $"{Instructions(HasAvx512, HasAmx)}, {Speed}";

    /// <summary>Whether <see cref="SlowVariable"/> allows it all the same.</summary>
    public static bool IsAllowedWhereSlow => Environment.GetEnvironmentVariable(SlowVariable) == "1";

    internal static string? Reason(bool hasAvx512, bool hasAmx, Func<Bf16Speed> speed)
    {
        if (!hasAvx512 && !hasAmx) return "this CPU has neither AVX512-BF16 nor AMX-BF16, so that bfloat16 would be slower than float32";
        return speed() is var measured && measured.Ratio >= FastRatio ? null
            : $"this CPU has {Instructions(hasAvx512, hasAmx)}, but gains nothing by it ({measured})";
    }

    private static string Instructions(bool hasAvx512, bool hasAmx) => (hasAvx512, hasAmx) switch
    {
        (true, true) => "AVX512-BF16 and AMX-BF16",
        (true, false) => "AVX512-BF16",
        _ => "AMX-BF16",
    };

    /// <summary>The middle layer of a perceptron with 784 inputs and 512 units at batch 256: the best of several turns, taken in turn.</summary>
    private static Bf16Speed Measure()
    {
        const int rows = 256, inner = 784, columns = 512, turns = 8;
        using var threads = ThreadCount.One();
        using var none = no_grad();
        using var scope = NewDisposeScope();
        var (x, w) = (zeros(rows, inner), zeros(columns, inner));
        var (roundedX, roundedW) = (x.to(ScalarType.BFloat16), w.to(ScalarType.BFloat16));
        var (whole, rounded) = (TimeSpan.MaxValue, TimeSpan.MaxValue);
        for (int turn = 0; turn < turns; turn++)
        {
            whole = Faster(whole, x, w);
            rounded = Faster(rounded, roundedX, roundedW);
        }
        const double operations = 2e-9 * rows * inner * columns;
        return new Bf16Speed(operations / rounded.TotalSeconds, operations / whole.TotalSeconds);
    }

    private static TimeSpan Faster(TimeSpan best, Tensor x, Tensor w)
    {
        long start = Stopwatch.GetTimestamp();
        using var product = nn.functional.linear(x, w);
        var taken = Stopwatch.GetElapsedTime(start);
        return taken < best ? taken : best;
    }
}

/// <summary>What one thread computes in products of matrices, in GFLOP/s.</summary>
/// <param name="Bfloat16">In bfloat16.</param>
/// <param name="Float32">In float32.</param>
public sealed record Bf16Speed(double Bfloat16, double Float32)
{
    /// <summary>How many times as fast as float32 bfloat16 is.</summary>
    public double Ratio => Bfloat16 / Float32;

    /// <inheritdoc/>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Bfloat16:0} GFLOP/s a core in bfloat16, {Float32:0} in float32");
}
