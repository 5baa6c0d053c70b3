using System.Collections.Immutable;
using DistOpt.Core.Parameters;

namespace DistOpt.Core.Optimizers;

/// <summary>
/// One state vector of an update rule over a whole model: a tensor for each parameter, in the same order. Most are the parameter's; of a factored one
/// only its factors are kept.
/// </summary>
public sealed class SlotLayout
{
    private readonly ParameterLayout _parameters;
    private readonly bool _isFactored;

    private SlotLayout(ParameterLayout parameters, UpdateRule rule, int slot)
    {
        _parameters = parameters;
        Name = rule.Slots[slot];
        var tensors = ImmutableArray.CreateBuilder<TensorSlot>(parameters.Parameters.Length);
        foreach (var parameter in parameters.Parameters)
        {
            var shape = rule.SlotShape(slot, parameter);
            long length = shape.Aggregate(1L, (product, size) => checked(product * size));
            tensors.Add(new TensorSlot(parameter.Name, shape, Length, length));
            Length += length;
            _isFactored |= length != parameter.Length;
        }
        Tensors = tensors.MoveToImmutable();
        if (_isFactored && !rule.Needs.HasFlag(OptimizerNeeds.WholeTensors))
            throw new ArgumentException($"slot '{Name}' is not as long as the parameters, but the update does not want whole tensors");
    }

    /// <summary>As it stands in a checkpoint.</summary>
    public string Name { get; }

    /// <summary>Its tensors, under the parameters' names.</summary>
    public ImmutableArray<TensorSlot> Tensors { get; }

    /// <summary>In float32 places.</summary>
    public long Length { get; }

    /// <summary>The state vectors of an optimizer alone.</summary>
    /// <exception cref="ArgumentException">Slots are factored, but tensors may be cut.</exception>
    public static ImmutableArray<SlotLayout> Of(ParameterLayout parameters, IOptimizer optimizer) => Of(parameters, new UpdateRule(optimizer));

    /// <summary>The state vectors of an update rule.</summary>
    /// <exception cref="ArgumentException">Slots are factored, but tensors may be cut.</exception>
    public static ImmutableArray<SlotLayout> Of(ParameterLayout parameters, UpdateRule rule) =>
        [.. Enumerable.Range(0, rule.Slots.Count).Select(slot => new SlotLayout(parameters, rule, slot))];

    /// <summary>What belongs to a key range, which cuts no tensor where the vector is factored.</summary>
    public KeyRange RangeOf(KeyRange keys) => _isFactored ? new KeyRange(At(keys.Begin), At(keys.End)) : keys;

    private long At(long key)
    {
        for (int t = 0; t < Tensors.Length; t++)
            if (_parameters.Parameters[t].Offset >= key) return Tensors[t].Offset;
        return Length;
    }
}
