using System.Collections.Immutable;

namespace DistOpt.Core.Parameters;

/// <summary>Element type of a tensor in the layout. An int64 element takes two float32 places, as raw bits.</summary>
public enum ElementType
{
    Float32 = 0,
    Int64 = 1,
}

/// <summary>One tensor of the flat vector.</summary>
/// <param name="Name">Name in PyTorch's <c>state_dict</c> form, such as <c>layers.0.weight</c>.</param>
/// <param name="Shape">Sizes of the dimensions; empty for a scalar.</param>
/// <param name="Offset">First position in its section (parameters or buffers), in float32 places.</param>
/// <param name="Length">Number of float32 places.</param>
/// <param name="Type">Element type; parameters are always float32.</param>
public sealed record TensorSlot(string Name, ImmutableArray<long> Shape, long Offset, long Length, ElementType Type = ElementType.Float32)
{
    public KeyRange Range => new(Offset, Offset + Length);

    public bool Equals(TensorSlot? other) => other is not null && Name == other.Name && Offset == other.Offset
        && Length == other.Length && Type == other.Type && Shape.AsSpan().SequenceEqual(other.Shape.AsSpan());

    public override int GetHashCode() => HashCode.Combine(Name, Offset, Length, Type);
}

/// <summary>
/// Names, shapes and places of a model's tensors in the flat vector. Two sections: trainable parameters (what servers optimize)
/// and buffers (batch-norm statistics and the like, kept beside the parameters and updated once a step).
/// Tied parameters appear once, under their first name; frozen parameters are not part of the vector.
/// </summary>
public sealed class ParameterLayout
{
    public ParameterLayout(IEnumerable<TensorSlot> parameters, IEnumerable<TensorSlot> buffers, IReadOnlyDictionary<string, string>? ties = null)
    {
        Parameters = [.. parameters];
        Buffers = [.. buffers];
        Ties = ties?.ToImmutableSortedDictionary(StringComparer.Ordinal) ?? ImmutableSortedDictionary<string, string>.Empty;
        ParameterCount = CheckSection(Parameters, "parameter");
        BufferCount = CheckSection(Buffers, "buffer");
    }

    public ImmutableArray<TensorSlot> Parameters { get; }

    public ImmutableArray<TensorSlot> Buffers { get; }

    /// <summary>Second and later names of tied parameters, each with the name under which the tensor stands in the layout.</summary>
    public ImmutableSortedDictionary<string, string> Ties { get; }

    /// <summary>Length of the parameter section, in float32 places.</summary>
    public long ParameterCount { get; }

    /// <summary>Length of the buffer section, in float32 places.</summary>
    public long BufferCount { get; }

    /// <summary>A layout of one vector.</summary>
    internal static ParameterLayout Of(int length) => new([new TensorSlot("parameters", [length], 0, length)], []);

    /// <summary>The parameter that holds a position of the flat vector.</summary>
    /// <param name="position">Within <c>[0, ParameterCount)</c>.</param>
    public TensorSlot ParameterAt(long position)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(position, ParameterCount);
        int low = 0, high = Parameters.Length - 1;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (Parameters[middle].Range.End <= position) low = middle + 1;
            else high = middle;
        }
        return Parameters[low];
    }

    private static long CheckSection(ImmutableArray<TensorSlot> slots, string what)
    {
        long next = 0;
        foreach (var slot in slots)
        {
            if (slot.Offset != next)
                throw new ArgumentException($"{what} '{slot.Name}' begins at {slot.Offset}, but the one before it ends at {next}");
            long elements = 1;
            foreach (long size in slot.Shape) elements = checked(elements * size);
            long places = slot.Type == ElementType.Int64 ? elements * 2 : elements;
            if (slot.Length != places)
                throw new ArgumentException($"{what} '{slot.Name}' has {slot.Length} places, but its shape needs {places}");
            next = checked(next + slot.Length);
        }
        return next;
    }
}
