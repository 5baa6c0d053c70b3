using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DistOpt.Core.Parameters;

using static TorchSharp.torch;

namespace DistOpt.Torch.Engine;

/// <summary>
/// Sees to it that matrix products have the same bits wherever their operands lie. MKL, which libtorch multiplies with, otherwise takes
/// another path for operands at other alignments, so that a 15x6 by 6x4 product of the same numbers had up to four results here. Its
/// conditional numerical reproducibility (<c>MKL_CBWR=AUTO</c>: the best path of this CPU, whatever the alignment) costs nothing
/// measurable, but must be on before MKL is first used.
/// </summary>
internal static partial class MatrixArithmetic
{
    public const string Variable = "MKL_CBWR";

    private static readonly Lazy<bool> Independent = new(Probe);

    /// <summary>The setting in force, as far as the environment tells.</summary>
    public static string Setting { get; private set; } = "";

    /// <summary>
    /// Whether products have the same bits at every alignment; tried once. False where MKL had been used before this assembly was loaded.
    /// </summary>
    public static bool IsIndependentOfAlignment => Independent.Value;

    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "must come before the first matrix product of the process, whoever computes it")]
    internal static void Initialize()
    {
        Setting = Environment.GetEnvironmentVariable(Variable) ?? "";
        if (Setting.Length > 0) return;
        Setting = "AUTO";
        // .NET's own SetEnvironmentVariable does not reach native code on Unix, nor the C runtime's copy on Windows
        try
        {
            if (OperatingSystem.IsWindows())
            {
                Environment.SetEnvironmentVariable(Variable, Setting);
                _ = PutEnvironmentWindows(Variable, Setting);
            }
            else _ = SetEnvironmentUnix(Variable, Setting, 0);
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            // a C library that cannot be called: IsIndependentOfAlignment will tell, and the job warns
            Setting = "";
        }
    }

    private static bool Probe()
    {
        using var threads = ThreadCount.One();
        using var none = no_grad();
        return Products(15, 6, 4) && Products(1, 6, 16) && Products(17, 33, 7);
    }

    /// <summary>x w^T with both operands at all 16 float offsets within a cache line.</summary>
    private static bool Products(int rows, int inner, int columns)
    {
        const int line = 16;
        using var scope = NewDisposeScope();
        var left = new FlatBuffer(rows * inner + line);
        var right = new FlatBuffer(columns * inner + line);
        var x = frombuffer(left.Storage, ScalarType.Float32);
        var w = frombuffer(right.Storage, ScalarType.Float32);
        float[]? first = null;
        for (int offset = 0; offset < line * line; offset++)
        {
            int at = offset / line, beside = offset % line;
            for (int i = 0; i < rows * inner; i++) left.Storage[at + i] = 1f / (3 + i * 7 % 101);
            for (int i = 0; i < columns * inner; i++) right.Storage[beside + i] = 1f / (5 + i * 11 % 103);
            var placed = x.narrow(0, at, rows * inner).view(rows, inner);
            var result = nn.functional.linear(placed, w.narrow(0, beside, columns * inner).view(columns, inner));
            float[] values = MemoryMarshal.Cast<byte, float>(result.bytes).ToArray();
            first ??= values;
            if (!values.AsSpan().SequenceEqual(first)) return false;
        }
        return true;
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironmentUnix(string name, string value, int overwrite);

    [LibraryImport("ucrtbase", EntryPoint = "_putenv_s", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int PutEnvironmentWindows(string name, string value);
}
