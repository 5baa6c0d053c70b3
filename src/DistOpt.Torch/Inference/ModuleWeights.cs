using DistOpt.Core.Checkpoints;
using DistOpt.Core.Specs;
using TorchSharp;

namespace DistOpt.Torch;

/// <summary>Weights of any TorchSharp module from and to safetensors files, under the names of its <c>state_dict</c>.</summary>
public static class ModuleWeights
{
    private const int NamesShown = 10;

    /// <summary>
    /// Loads every parameter and buffer of the module, in place. F16, BF16 and F64 fit a float32 tensor (converted); otherwise types
    /// must be equal. A tensor that the module has under several names (tied) may stand in the file under any of them. Nothing is
    /// changed if anything is wrong.
    /// </summary>
    /// <param name="module">Any module; on the CPU.</param>
    /// <param name="path">A safetensors file, such as <c>model.safetensors</c> of a run or one written by PyTorch.</param>
    /// <returns>The module.</returns>
    /// <exception cref="SpecException">
    /// The file cannot be read, or does not fit: missing and unexpected names, other shapes and types, all at once.
    /// </exception>
    public static TModule LoadSafetensors<TModule>(this TModule module, string path)
        where TModule : torch.nn.Module
    {
        ArgumentNullException.ThrowIfNull(module);
        if (!File.Exists(path)) throw new SpecException(path, "does not exist");
        try
        {
            using var file = SafetensorsFile.Open(path);
            foreach (var (tensor, entry) in Match(module, file)) Read(file, entry, tensor);
        }
        catch (Exception e) when (e is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            throw new SpecException(path, e.Message);
        }
        return module;
    }

    /// <summary>Writes the module's <c>state_dict</c>, a tied tensor under each of its names; the file is replaced atomically.</summary>
    /// <exception cref="NotSupportedException">A tensor has a type that the format does not know; the message names it.</exception>
    public static void SaveSafetensors(this torch.nn.Module module, string path)
    {
        ArgumentNullException.ThrowIfNull(module);
        using var scope = torch.NewDisposeScope();
        var tensors = new List<SafetensorsTensor>();
        foreach (var (name, tensor) in module.state_dict())
        {
            var type = TypeOf(tensor.dtype)
                ?? throw new NotSupportedException($"tensor '{name}' is {tensor.dtype}, which safetensors files cannot hold");
            byte[] bytes = tensor.detach().contiguous().bytes.ToArray();
            tensors.Add(SafetensorsTensor.Raw<byte>(name, type, [.. tensor.shape], bytes));
        }
        SafetensorsWriter.Write(path, tensors);
    }

    private static List<(torch.Tensor Tensor, SafetensorsEntry Entry)> Match(torch.nn.Module module, SafetensorsFile file)
    {
        var violations = new List<SpecViolation>();
        var matched = new List<(torch.Tensor, SafetensorsEntry)>();
        var loaded = new HashSet<object>();
        var absent = new List<(string Name, torch.Tensor Tensor)>();
        var known = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (name, tensor) in module.state_dict())
        {
            known.Add(name);
            if (!file.TryGet(name, out var entry))
            {
                absent.Add((name, tensor));
                continue;
            }
            loaded.Add(Identity(tensor));
            if (!entry.Shape.AsSpan().SequenceEqual(tensor.shape))
            {
                violations.Add(new(file.Path, $"'{name}' has shape [{string.Join(", ", entry.Shape)}], "
                    + $"but the model's is [{string.Join(", ", tensor.shape)}]"));
            }
            else if (!Fits(entry.Type, tensor.dtype))
                violations.Add(new(file.Path, $"'{name}' is {entry.Type}, but the model's is {tensor.dtype}"));
            matched.Add((tensor, entry));
        }
        string[] missing = [.. absent.Where(a => !loaded.Contains(Identity(a.Tensor))).Select(a => a.Name)];
        string[] unexpected = [.. file.Tensors.Select(t => t.Name).Where(n => !known.Contains(n))];
        if (unexpected.Length > 0) violations.Insert(0, new(file.Path, $"has tensors that the model does not: {Names(unexpected)}"));
        if (missing.Length > 0) violations.Insert(0, new(file.Path, $"lacks tensors of the model: {Names(missing)}"));
        if (violations.Count > 0) throw new SpecException(violations);
        return matched;
    }

    private static void Read(SafetensorsFile file, SafetensorsEntry entry, torch.Tensor tensor)
    {
        if (entry.ElementCount == 0) return;
        if (!tensor.is_contiguous())
        {
            using torch.Tensor dense = torch.empty(tensor.shape, tensor.dtype);
            Read(file, entry, dense);
            using var _ = torch.no_grad();
            tensor.copy_(dense);
        }
        else if (tensor.dtype == torch.ScalarType.Float32)
            file.ReadFloat32(entry.Name, System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(tensor.bytes));
        else
            file.ReadBytes(entry.Name, tensor.bytes);
    }

    private static string Names(string[] names) => string.Join(", ", names.Take(NamesShown))
        + (names.Length > NamesShown ? $", ... ({names.Length} in all)" : "");

    private static bool Fits(SafetensorsType type, torch.ScalarType wanted) => wanted == torch.ScalarType.Float32
        ? type is SafetensorsType.F32 or SafetensorsType.F16 or SafetensorsType.BF16 or SafetensorsType.F64
        : TypeOf(wanted) == type;

    private static SafetensorsType? TypeOf(torch.ScalarType type) => type switch
    {
        torch.ScalarType.Bool => SafetensorsType.BOOL,
        torch.ScalarType.Byte => SafetensorsType.U8,
        torch.ScalarType.Int8 => SafetensorsType.I8,
        torch.ScalarType.Int16 => SafetensorsType.I16,
        torch.ScalarType.Int32 => SafetensorsType.I32,
        torch.ScalarType.Int64 => SafetensorsType.I64,
        torch.ScalarType.Float16 => SafetensorsType.F16,
        torch.ScalarType.BFloat16 => SafetensorsType.BF16,
        torch.ScalarType.Float32 => SafetensorsType.F32,
        torch.ScalarType.Float64 => SafetensorsType.F64,
        _ => null,
    };

    /// <summary>What tied tensors share: their memory and shape; a tensor that has no memory of its own is itself.</summary>
    private static unsafe object Identity(torch.Tensor tensor)
    {
        if (tensor.numel() == 0 || !tensor.is_contiguous()) return tensor.Handle;
        fixed (byte* start = tensor.bytes) return ((nint)start, string.Join(',', tensor.shape));
    }
}
