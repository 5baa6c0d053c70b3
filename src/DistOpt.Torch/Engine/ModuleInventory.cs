using System.Collections.Immutable;
using System.IO.Enumeration;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using TorchSharp.Modules;

using static TorchSharp.torch;

namespace DistOpt.Torch.Engine;

/// <summary>A tensor of a module under all its <c>state_dict</c> names; the first one is the layout's.</summary>
internal sealed record NamedTensor(ImmutableArray<string> Names, Tensor Tensor)
{
    public string Name => Names[0];
}

/// <summary>A trainable parameter: the distinct <see cref="Parameter"/> objects that share one memory, and its names.</summary>
internal sealed record TrainableTensor(ImmutableArray<string> Names, ImmutableArray<Parameter> Parameters)
{
    public string Name => Names[0];

    public Parameter First => Parameters[0];
}

/// <summary>
/// What a module holds, sorted by how training treats it: trainable parameters, buffers that travel with the parameters, constants (frozen
/// parameters and buffers of other types) and buffers outside the state_dict.
/// </summary>
internal sealed class ModuleInventory
{
    private ModuleInventory(ImmutableArray<TrainableTensor> trainable, ImmutableArray<NamedTensor> buffers,
        ImmutableArray<NamedTensor> constants, ImmutableArray<NamedTensor> transient)
    {
        Trainable = trainable;
        Buffers = buffers;
        Constants = constants;
        Transient = transient;
        Layout = MakeLayout(trainable, buffers);
    }

    public ImmutableArray<TrainableTensor> Trainable { get; }

    /// <summary>Float32 and int64 buffers of the state_dict.</summary>
    public ImmutableArray<NamedTensor> Buffers { get; }

    /// <summary>Frozen parameters, and state_dict buffers of other types; training must not change them.</summary>
    public ImmutableArray<NamedTensor> Constants { get; }

    /// <summary>Buffers that the module keeps out of its state_dict; training must not change them.</summary>
    public ImmutableArray<NamedTensor> Transient { get; }

    public ParameterLayout Layout { get; }

    /// <param name="module">The module; <c>requires_grad</c> of parameters that match <paramref name="freeze"/> is switched off.</param>
    /// <param name="freeze">Patterns ('*' matches any characters) of parameter names.</param>
    /// <exception cref="SpecException">A type cannot be trained, a pattern matches nothing, or nothing is left to train.</exception>
    public static ModuleInventory Read(nn.Module module, IReadOnlyList<string> freeze)
    {
        var violations = new List<SpecViolation>();
        var state = module.state_dict().Select(s => (Name: s.Key, Tensor: s.Value)).ToList();
        var named = module.named_parameters().ToList();
        var isParameter = named.Select(p => p.parameter.Handle).ToHashSet();

        var groups = new List<(List<string> Names, List<Parameter> Parameters)>();
        var byMemory = new Dictionary<object, int>();
        foreach (var (name, parameter) in named)
        {
            object memory = MemoryOf(parameter);
            if (!byMemory.TryGetValue(memory, out int index))
            {
                byMemory.Add(memory, index = groups.Count);
                groups.Add(([], []));
            }
            else if (!groups[index].Parameters[0].shape.AsSpan().SequenceEqual(parameter.shape))
            {
                violations.Add(new("model.kind", $"parameters '{groups[index].Names[0]}' and '{name}' share memory, but their shapes "
                    + "differ: tie equal shapes only"));
            }
            groups[index].Names.Add(name);
            groups[index].Parameters.Add(parameter);
        }
        foreach (var (name, tensor) in state)
        {
            if (!isParameter.Contains(tensor.Handle)) continue;
            var names = groups.Find(g => g.Parameters.Exists(p => p.Handle == tensor.Handle)).Names;
            if (!names.Contains(name)) names.Add(name);
        }

        Freeze(groups, freeze, violations);
        var trainable = ImmutableArray.CreateBuilder<TrainableTensor>();
        var constants = ImmutableArray.CreateBuilder<NamedTensor>();
        foreach (var (names, parameters) in groups)
        {
            if (!parameters[0].requires_grad)
            {
                constants.Add(new NamedTensor([.. names], parameters[0]));
                continue;
            }
            if (parameters[0].dtype != ScalarType.Float32)
            {
                violations.Add(new("model.kind", $"parameter '{names[0]}' is {parameters[0].dtype}, but only Float32 can be trained: "
                    + "convert or freeze it"));
            }
            trainable.Add(new TrainableTensor([.. names], [.. parameters]));
        }
        var buffers = ReadBuffers(state.Where(s => !isParameter.Contains(s.Tensor.Handle)), constants, violations);
        var stateNames = state.Select(s => s.Name).ToHashSet(StringComparer.Ordinal);
        var transient = module.named_buffers()
            .Where(b => !stateNames.Contains(b.name))
            .Select(b => new NamedTensor([b.name], b.buffer))
            .ToImmutableArray();
        foreach (var constant in constants.Where(c => !WeightFile.CanSave(c.Tensor.dtype)))
            violations.Add(new("model.kind", $"'{constant.Name}' is {constant.Tensor.dtype}, which model files cannot hold: convert it"));
        if (trainable.Count == 0 && violations.Count == 0)
        {
            violations.Add(new(freeze.Count > 0 ? "model.freeze" : "model.kind",
                "the model has no parameter to train: all are frozen, or it has none"));
        }
        if (violations.Count > 0) throw new SpecException(violations);
        return new ModuleInventory(trainable.ToImmutable(), buffers, constants.ToImmutable(), transient);
    }

    private static void Freeze(List<(List<string> Names, List<Parameter> Parameters)> groups, IReadOnlyList<string> patterns,
        List<SpecViolation> violations)
    {
        foreach (string pattern in patterns)
        {
            var matching = groups.FindAll(g => g.Names.Exists(n => FileSystemName.MatchesSimpleExpression(pattern, n, ignoreCase: false)));
            if (matching.Count == 0)
            {
                violations.Add(new("model.freeze", $"'{pattern}' matches no parameter; there are "
                    + string.Join(", ", groups.Take(20).Select(g => g.Names[0])) + (groups.Count > 20 ? ", ..." : "")));
            }
            foreach (var parameter in matching.SelectMany(g => g.Parameters)) parameter.requires_grad = false;
        }
    }

    private static ImmutableArray<NamedTensor> ReadBuffers(IEnumerable<(string Name, Tensor Tensor)> state,
        ImmutableArray<NamedTensor>.Builder constants, List<SpecViolation> violations)
    {
        var byMemory = new Dictionary<object, (List<string> Names, Tensor Tensor)>();
        foreach (var (name, tensor) in state)
        {
            object memory = tensor.Handle;
            if (byMemory.TryGetValue(memory, out var known)) known.Names.Add(name);
            else byMemory.Add(memory, ([name], tensor));
        }
        var buffers = ImmutableArray.CreateBuilder<NamedTensor>();
        foreach (var (names, tensor) in byMemory.Values)
        {
            var buffer = new NamedTensor([.. names], tensor);
            if (tensor.dtype is ScalarType.Float32 or ScalarType.Int64) buffers.Add(buffer);
            else if (tensor.is_floating_point() || tensor.is_complex())
            {
                violations.Add(new("model.kind", $"buffer '{names[0]}' is {tensor.dtype}, but floating-point buffers must be Float32: "
                    + "convert it"));
            }
            else constants.Add(buffer);
        }
        return buffers.ToImmutable();
    }

    /// <summary>The address where there is one, else the tensor itself.</summary>
    private static unsafe object MemoryOf(Tensor tensor)
    {
        if (tensor.numel() == 0 || !tensor.is_contiguous()) return tensor.Handle;
        fixed (byte* start = tensor.bytes) return ((nint)start, "memory");
    }

    private static ParameterLayout MakeLayout(ImmutableArray<TrainableTensor> trainable, ImmutableArray<NamedTensor> buffers)
    {
        long offset = 0;
        var parameters = new List<TensorSlot>();
        var ties = new Dictionary<string, string>();
        foreach (var tensor in trainable)
        {
            long length = tensor.First.numel();
            parameters.Add(new TensorSlot(tensor.Name, [.. tensor.First.shape], offset, length));
            offset += length;
            foreach (string other in tensor.Names.Skip(1)) ties.Add(other, tensor.Name);
        }
        offset = 0;
        var section = new List<TensorSlot>();
        foreach (var buffer in buffers)
        {
            bool wide = buffer.Tensor.dtype == ScalarType.Int64;
            long length = buffer.Tensor.numel() * (wide ? 2 : 1);
            var type = wide ? ElementType.Int64 : ElementType.Float32;
            section.Add(new TensorSlot(buffer.Name, [.. buffer.Tensor.shape], offset, length, type));
            offset += length;
            foreach (string other in buffer.Names.Skip(1)) ties.Add(other, buffer.Name);
        }
        return new ParameterLayout(parameters, section, ties);
    }
}
