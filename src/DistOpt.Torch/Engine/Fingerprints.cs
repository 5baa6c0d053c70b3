using System.Collections.Immutable;
using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using System.Security.Cryptography;
using System.Text;
using DistOpt.Core.Parameters;
using DistOpt.Core.Training;
using TorchSharp;

namespace DistOpt.Torch.Engine;

/// <summary>Makes the <see cref="JobFingerprint"/> of an opened job.</summary>
internal static class Fingerprints
{
    private const int HashedSamples = 64;
    private const int ShortHash = 16;

    /// <summary>What is DistOpt's own: in another build of it the models of the catalogue are the same by its version's promise.</summary>
    private static readonly Assembly[] s_own = [typeof(Fingerprints).Assembly, typeof(ParameterLayout).Assembly];

    public static JobFingerprint Of(TorchJobState job)
    {
        var counts = job.Splits.Counts;
        var exact = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["user code"] = UserCode(job.Code),
            ["data rows"] = string.Create(CultureInfo.InvariantCulture,
                $"{job.Dataset.Count} (train {counts.Train}, validation {counts.Validation}, test {counts.Test})"),
            ["data hash"] = Short(job.Dataset.ContentHash ?? SampleHash(job)),
            ["layout"] = LayoutHash(job.Initial.Layout),
        };
        var numeric = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["libtorch"] = torch.__version__,
            ["cpu capability"] = CpuCapability(),
            ["initial weights"] = Short(Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(job.Weights.Span)))),
            ["probe gradient"] = Short(job.Probe.GradientHash),
        };
        return new JobFingerprint(exact, numeric) { Engine = CodeOf(s_own) };
    }

    /// <summary>What libtorch and MKL pick their kernels by: the environment's wish, else the widest vectors.</summary>
    public static string CpuCapability()
    {
        string? wish = Environment.GetEnvironmentVariable("ATEN_CPU_CAPABILITY");
        string vectors = Avx512BW.IsSupported && Avx512DQ.IsSupported && Avx512BW.VL.IsSupported ? "AVX512"
            : Avx2.IsSupported && Fma.IsSupported ? "AVX2"
            : RuntimeInformation.ProcessArchitecture.ToString();
        string kernels = string.IsNullOrEmpty(wish) ? vectors : $"{vectors} (ATEN_CPU_CAPABILITY={wish})";
        string products = MatrixArithmetic.IsIndependentOfAlignment ? MatrixArithmetic.Setting : "not in force";
        return $"{kernels}, {MatrixArithmetic.Variable} {(products.Length > 0 ? products : "unset")}";
    }

    /// <summary>The user's among these assemblies: names with module version ids; <c>none</c> = there is none.</summary>
    public static string UserCode(IEnumerable<Assembly> assemblies) => CodeOf(assemblies.Except(s_own)) is { Length: > 0 } code ? code : "none";

    /// <summary>Names with module version ids, which a deterministic compiler derives from the source.</summary>
    private static string CodeOf(IEnumerable<Assembly> assemblies) => string.Join(", ", assemblies.Distinct()
        .Select(a => $"{a.GetName().Name} {a.ManifestModule.ModuleVersionId.ToString("N")[..ShortHash]}")
        .Order(StringComparer.Ordinal));

    private static string LayoutHash(ParameterLayout layout)
    {
        var text = new StringBuilder();
        foreach (var slot in layout.Parameters.Concat(layout.Buffers))
            text.Append(CultureInfo.InvariantCulture, $"{slot.Name}:{slot.Type}[{string.Join(',', slot.Shape)}]@{slot.Offset};");
        foreach (var (name, first) in layout.Ties) text.Append(CultureInfo.InvariantCulture, $"{name}={first};");
        string hash = Short(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString()))));
        return string.Create(CultureInfo.InvariantCulture,
            $"{layout.ParameterCount} parameters, {layout.BufferCount} buffer places, {hash}");
    }

    /// <summary>Over samples that lie evenly over the data, as evaluation loads them.</summary>
    private static string SampleHash(TorchJobState job)
    {
        long count = job.Dataset.Count;
        int samples = (int)Math.Min(HashedSamples, count);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<long> index = stackalloc long[1];
        for (int i = 0; i < samples; i++)
        {
            index[0] = (long)((Int128)i * count / samples);
            using var batch = job.Loader.LoadIndices(index);
            foreach (var tensor in batch.Tensors) TensorHash.Append(hash, tensor);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static string Short(string hash) => hash.Length > ShortHash ? hash[..ShortHash] : hash;
}
