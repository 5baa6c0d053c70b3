using DistOpt.Core.Checkpoints;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;

using static TorchSharp.torch;

namespace DistOpt.Torch.Engine;

/// <summary>Model files of a run: safetensors under <c>state_dict</c> names.</summary>
internal static class WeightFile
{
    /// <summary>Starts a module from a file: names and shapes must match.</summary>
    /// <exception cref="SpecException">The file cannot be read or does not fit; everything that is wrong at once.</exception>
    public static void Load(string path, nn.Module module)
    {
        try
        {
            module.LoadSafetensors(path);
        }
        catch (SpecException e)
        {
            throw new SpecException(e.Violations.Select(v => new SpecViolation("model.weights", v.ToString())));
        }
    }

    /// <summary>
    /// Writes trained parameters and buffers from their flat vectors, and the module's constants. A tied tensor is written under each of
    /// its names, so that a plain <c>load_state_dict</c> finds them all.
    /// </summary>
    public static void Save(string path, ModuleInventory inventory, ReadOnlyMemory<float> parameters, ReadOnlyMemory<float> buffers)
    {
        var layout = inventory.Layout;
        if (parameters.Length != layout.ParameterCount || buffers.Length != layout.BufferCount)
        {
            throw new ArgumentException($"{parameters.Length} parameters and {buffers.Length} buffer places do not fit a layout of "
                + $"{layout.ParameterCount} and {layout.BufferCount}");
        }
        var tensors = new List<SafetensorsTensor>();
        for (int i = 0; i < layout.Parameters.Length; i++) Add(layout.Parameters[i], inventory.Trainable[i].Names, parameters);
        for (int i = 0; i < layout.Buffers.Length; i++) Add(layout.Buffers[i], inventory.Buffers[i].Names, buffers);
        foreach (var constant in inventory.Constants)
        {
            var bytes = new byte[constant.Tensor.numel() * constant.Tensor.element_size()];
            FlatModule.CopyOut(constant.Tensor, bytes);
            foreach (string name in constant.Names)
                tensors.Add(SafetensorsTensor.Raw<byte>(name, TypeOf(name, constant.Tensor.dtype), [.. constant.Tensor.shape], bytes));
        }
        SafetensorsWriter.Write(path, tensors, new Dictionary<string, string> { ["format"] = "pt" });

        void Add(TensorSlot slot, IEnumerable<string> names, ReadOnlyMemory<float> section)
        {
            var type = slot.Type == ElementType.Int64 ? SafetensorsType.I64 : SafetensorsType.F32;
            foreach (string name in names)
                tensors.Add(SafetensorsTensor.Raw(name, type, slot.Shape, section.Slice((int)slot.Offset, (int)slot.Length)));
        }
    }

    /// <summary>Whether a constant of this type can be written.</summary>
    public static bool CanSave(ScalarType type) => Types.ContainsKey(type);

    private static readonly Dictionary<ScalarType, SafetensorsType> Types = new()
    {
        [ScalarType.Bool] = SafetensorsType.BOOL,
        [ScalarType.Byte] = SafetensorsType.U8,
        [ScalarType.Int8] = SafetensorsType.I8,
        [ScalarType.Int16] = SafetensorsType.I16,
        [ScalarType.Int32] = SafetensorsType.I32,
        [ScalarType.Int64] = SafetensorsType.I64,
        [ScalarType.Float16] = SafetensorsType.F16,
        [ScalarType.BFloat16] = SafetensorsType.BF16,
        [ScalarType.Float32] = SafetensorsType.F32,
        [ScalarType.Float64] = SafetensorsType.F64,
    };

    private static SafetensorsType TypeOf(string name, ScalarType type) => Types.TryGetValue(type, out var known) ? known
        : throw new NotSupportedException($"tensor '{name}' is {type}, which safetensors files cannot hold");
}
