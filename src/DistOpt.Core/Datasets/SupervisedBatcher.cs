using System.Numerics.Tensors;

namespace DistOpt.Core.Datasets;

/// <summary>Gathers samples into the buffers of a batch. Thread-safe, allocates nothing.</summary>
public static class SupervisedBatcher
{
    /// <summary>Inputs and classes of the samples <paramref name="indices"/>, in their order.</summary>
    /// <param name="normalization">Applied to every input; null = values as stored.</param>
    /// <param name="inputs">Receives indices x InputLength values, sample after sample.</param>
    /// <param name="classes">Receives one class index a sample.</param>
    public static void Fill(ISupervisedSource source, ReadOnlySpan<long> indices, Normalization? normalization, Span<float> inputs,
        Span<long> classes)
    {
        if (classes.Length != indices.Length)
            throw new ArgumentException($"{indices.Length} samples do not fit {classes.Length} classes", nameof(classes));
        var labels = source.Labels;
        if (labels.IsEmpty && !indices.IsEmpty)
            throw new InvalidOperationException($"data set '{source.Info.Name}' has no classes: its task is {source.Info.Task}");
        FillInputs(source, indices, normalization, inputs);
        for (int i = 0; i < indices.Length; i++) classes[i] = labels[checked((int)indices[i])];
    }

    /// <summary>Inputs and target vectors of the samples <paramref name="indices"/>, in their order.</summary>
    /// <param name="targets">Receives indices x TargetLength values, sample after sample.</param>
    /// <inheritdoc cref="Fill(ISupervisedSource, ReadOnlySpan{long}, Normalization?, Span{float}, Span{long})"/>
    public static void Fill(ISupervisedSource source, ReadOnlySpan<long> indices, Normalization? normalization, Span<float> inputs,
        Span<float> targets)
    {
        int length = source.Info.TargetLength;
        if (targets.Length != (long)indices.Length * length)
            throw new ArgumentException($"{indices.Length} samples of {length} target values do not fit {targets.Length} values",
                nameof(targets));
        FillInputs(source, indices, normalization, inputs);
        for (int i = 0; i < indices.Length; i++) source.CopyTarget(indices[i], targets.Slice(i * length, length));
    }

    /// <summary>Inputs alone.</summary>
    /// <inheritdoc cref="Fill(ISupervisedSource, ReadOnlySpan{long}, Normalization?, Span{float}, Span{long})"/>
    public static void FillInputs(ISupervisedSource source, ReadOnlySpan<long> indices, Normalization? normalization, Span<float> inputs)
    {
        int length = source.Info.InputLength;
        if (inputs.Length != (long)indices.Length * length)
            throw new ArgumentException($"{indices.Length} samples of {length} input values do not fit {inputs.Length} values",
                nameof(inputs));
        if (source is IByteSource bytes)
        {
            for (int i = 0; i < indices.Length; i++)
            {
                var destination = inputs.Slice(i * length, length);
                if (normalization is null) TensorPrimitives.ConvertTruncating(bytes.InputBytes(indices[i]), destination);
                else normalization.Apply(bytes.InputBytes(indices[i]), destination);
            }
            return;
        }
        for (int i = 0; i < indices.Length; i++)
        {
            var destination = inputs.Slice(i * length, length);
            source.CopyInput(indices[i], destination);
            normalization?.Apply(destination);
        }
    }
}
