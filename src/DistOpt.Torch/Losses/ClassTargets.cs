using System.Collections.Immutable;
using System.Runtime.InteropServices;
using DistOpt.Core.Datasets;
using DistOpt.Core.Specs;
using TorchSharp;

namespace DistOpt.Torch.Losses;

/// <summary>Class indices as targets, with weights by class and a value that does not count, as PyTorch's losses on classes have them.</summary>
/// <param name="loss">The loss's name, for messages.</param>
/// <param name="weights">A weight for each class; empty = all 1.</param>
/// <param name="ignored">Targets of this value count nothing.</param>
internal sealed class ClassTargets(string loss, ImmutableArray<double> weights, long? ignored)
{
    private readonly double[] _weights = [.. weights];

    /// <summary>Weights as torch's functions take them; null where all are 1. The caller's own.</summary>
    public torch.Tensor? Weights(torch.ScalarType type) => _weights.Length == 0 ? null : torch.tensor(_weights, type);

    /// <summary>Sum of the targets' weights: the divisor of PyTorch's mean reduction.</summary>
    public double Sum(torch.Tensor target)
    {
        using var scope = torch.NewDisposeScope();
        ReadOnlySpan<long> classes = MemoryMarshal.Cast<byte, long>(target.contiguous().bytes);
        if (_weights.Length == 0) return ignored is { } none ? classes.Length - classes.Count(none) : classes.Length;
        double sum = 0;
        foreach (long index in classes)
        {
            if (index == ignored) continue;
            if ((ulong)index >= (ulong)_weights.Length)
                throw new InvalidOperationException($"a target is class {index}, but {loss} has weights for {_weights.Length} classes");
            sum += _weights[index];
        }
        return sum;
    }

    /// <exception cref="InvalidOperationException">Targets are no class indices, or the scores are not as many as the weights.</exception>
    public void Check(torch.Tensor output, torch.Tensor target)
    {
        if (target.dtype != torch.ScalarType.Int64)
        {
            throw new InvalidOperationException($"{loss} needs class indices (Int64) as targets, but they are {target.dtype}: "
                + "for values use loss mse or mae");
        }
        if (output.dim() < 2)
            throw new InvalidOperationException($"{loss} needs a score for each class, [N, C], but the model gives [{string.Join(", ", output.shape)}]");
        if (_weights.Length > 0 && output.size(1) != _weights.Length)
            throw new SpecException("loss.weight", $"has {_weights.Length} weights, but the model gives {output.size(1)} scores: give one for each class");
    }

    public IEnumerable<SpecViolation> Check(DataInfo data)
    {
        if (data.Task == TaskKind.Regression)
            yield return new("loss.kind", $"{loss} needs classes, but data set '{data.Name}' has values as targets: use mse, mae or huber");
        if (_weights.Length == 0) yield break;
        if (data.Classes.Length > 0 && data.Classes.Length != _weights.Length)
        {
            yield return new("loss.weight", $"has {_weights.Length} weights, but data set '{data.Name}' has {data.Classes.Length} classes: "
                + "give one for each class");
        }
        if (!_weights.Any(w => w > 0)) yield return new("loss.weight", "is 0 for every class; give at least one class a weight above 0");
    }
}
