using System.Collections.Immutable;
using System.Numerics.Tensors;
using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;

namespace DistOpt.Core.Optimizers;

/// <summary>
/// An <see cref="UpdateRule"/> over one server's key range. Where the rule wants norms, a step goes in rounds: <see cref="Measure"/>, the sums of
/// all servers, and in the end <see cref="Apply"/>. Allocates nothing that grows with the range once it is made.
/// </summary>
internal sealed class RangeUpdate
{
    private readonly UpdateRule _rule;
    private readonly int _tensors;
    private readonly IReadOnlyList<Memory<float>> _slots;
    private readonly ImmutableArray<Segment> _segments;
    private readonly ImmutableArray<Part> _parts;
    private readonly Memory<float> _previous;

    // of every leaf, piece by piece: |g_i|^2 of its mean gradient in the preconditioned norm
    private readonly double[] _leafSquares = [];

    /// <param name="slots">State vectors of the range, in the order of the rule's names.</param>
    /// <exception cref="ArgumentException">The rule wants whole tensors and the range cuts one.</exception>
    public RangeUpdate(UpdateRule rule, ParameterLayout layout, KeyRange range, IReadOnlyList<Memory<float>> slots)
    {
        (_rule, _tensors) = (rule, layout.Parameters.Length);
        var layouts = SlotLayout.Of(layout, rule);
        if (rule.Noise.IsOfConsecutive()) _previous = slots[rule.Optimizer.Slots.Count];
        slots = [.. slots.Take(rule.Optimizer.Slots.Count)];
        _slots = slots;
        _segments = [.. Segments(rule, layout, range, slots, layouts)];
        if (rule.NormRounds == 0) return;
        _parts = [.. Piece.Of(layout, range).Select(piece => new Part(piece.Tensor, (int)(piece.Start - range.Begin), piece.Length,
            rule.For(layout.Parameters[piece.Tensor]),
            rule.NormRounds > 1 ? Slice(slots, layouts, range, new KeyRange(piece.Start, piece.Start + piece.Length)) : []))];
        if (rule.MeasuredLeaves > 0) _leafSquares = new double[rule.MeasuredLeaves * _parts.Length];
    }

    /// <summary>Numbers that <see cref="Measure"/> writes in a round.</summary>
    public int Count(int round) => _parts.Length * TensorNormSums.Columns(round, _rule.Noise);

    /// <summary>Measures the range's share of the norms of a round. Changes nothing.</summary>
    /// <param name="sums">The sums of the rounds before.</param>
    /// <param name="partials">As many as <see cref="Count"/> says.</param>
    public void Measure(int round, in OptimizerStep step, TensorNormSums sums, ReadOnlySpan<float> weights, ReadOnlySpan<float> gradient,
        Span<double> partials)
    {
        double global = round == 0 ? 1 : GlobalFactor(sums);
        for (int i = 0; i < _parts.Length; i++)
        {
            var part = _parts[i];
            var w = weights.Slice(part.Start, part.Length);
            var g = gradient.Slice(part.Start, part.Length);
            if (round == 0)
            {
                bool isWanted = _rule.UpdateWantsNorms;
                partials[i] = isWanted ? SquareSums.Of(new ShapedGradient(step.GradientScale, part.Rule.Terms ?? GradientTerms.None, 1), g, w) : 0;
                partials[_parts.Length + i] = isWanted ? SquareSums.Of(w) : 0;
                if (_rule.Noise != NoiseSource.None)
                    partials[2 * _parts.Length + i] = SquareSums.Of(new ShapedGradient(step.GradientScale, GradientTerms.None, 1), g, w);
                if (_rule.Noise == NoiseSource.Consecutive)
                    partials[3 * _parts.Length + i] = SquareSums.Product(g, step.GradientScale, _previous.Span.Slice(part.Start, part.Length));
            }
            else
            {
                var own = For(step, part.Rule, part.Tensor, global, sums);
                partials[i] = ((IDirectionOptimizer)_rule.Optimizer).MeasureDirection(own, w, g, part.Slots);
            }
        }
        if (round == 0 && _rule.Noise.IsPreconditioned()) MeasurePreconditioned(step, gradient, partials);
    }

    /// <summary>
    /// Measures a leaf of the step's gradient before it is added to others, by the mean squares from which the step began. A repeat has the same bits.
    /// </summary>
    /// <param name="leaf">Its number, below <see cref="UpdateRule.MeasuredLeaves"/>.</param>
    /// <param name="updates">Updates before the step, at least 1.</param>
    /// <param name="weight">Sum of its weights; a leaf without weight counts nothing.</param>
    /// <param name="gradient">Sum of its gradients over the range.</param>
    public void MeasureLeaf(int leaf, long updates, double weight, ReadOnlySpan<float> gradient)
    {
        var squares = _leafSquares.AsSpan(leaf * _parts.Length, _parts.Length);
        squares.Clear();
        if (!(weight > 0)) return;
        var preconditioner = PreconditionerAfter(updates, out var means);
        for (int i = 0; i < squares.Length; i++)
        {
            var part = _parts[i];
            squares[i] = preconditioner.Squares(gradient.Slice(part.Start, part.Length), 1, means.Slice(part.Start, part.Length)) / (weight * weight);
        }
    }

    /// <summary>What a server's numbers of round 0 have of the leaves: nobody who did not get the leaves can measure it.</summary>
    /// <param name="partials">As <see cref="Measure"/> writes them; empty where leaves are not measured.</param>
    public Span<double> OfLeaves(Span<double> partials) =>
        _rule.Noise == NoiseSource.PreconditionedLeaves ? partials.Slice(4 * _parts.Length, _parts.Length) : default;

    private void MeasurePreconditioned(in OptimizerStep step, ReadOnlySpan<float> gradient, Span<double> partials)
    {
        int parts = _parts.Length;
        long updates = step.Number - 1;
        partials = partials[(3 * parts)..];
        partials.Clear();
        if (!_rule.Noise.IsMeasuredAt(updates)) return;
        var preconditioner = PreconditionerAfter(updates, out var means);
        var previous = _previous.Span;
        for (int i = 0; i < parts; i++)
        {
            var part = _parts[i];
            ReadOnlySpan<float> g = gradient.Slice(part.Start, part.Length), v = means.Slice(part.Start, part.Length);
            partials[i] = preconditioner.Squares(g, step.GradientScale, v);
            if (_rule.Noise == NoiseSource.PreconditionedConsecutive)
            {
                var before = previous.Slice(part.Start, part.Length);
                partials[parts + i] = preconditioner.Product(g, step.GradientScale, before, v);
                partials[2 * parts + i] = preconditioner.Squares(before, 1, v);
                continue;
            }
            // in the order of the leaves, whatever order they came in
            double total = 0;
            for (int leaf = 0; leaf < _rule.MeasuredLeaves; leaf++) total += _leafSquares[leaf * parts + i];
            partials[parts + i] = total;
        }
    }

    private Preconditioner PreconditionerAfter(long updates, out ReadOnlySpan<float> means)
    {
        var squares = ((IMeanSquareOptimizer)_rule.Optimizer).MeanSquaresAfter(updates);
        means = _slots[squares.Slot].Span;
        return new Preconditioner(squares);
    }

    /// <summary>Moves the weights.</summary>
    /// <param name="sums">The sums of all rounds; not looked at where the rule has none.</param>
    public void Apply(in OptimizerStep step, TensorNormSums? sums, Span<float> weights, ReadOnlySpan<float> gradient)
    {
        double global = sums is null ? 1 : GlobalFactor(sums);
        foreach (var segment in _segments)
        {
            var own = sums is null
                ? Of(step, segment.Rule)
                : For(step, segment.Rule, segment.Tensor, global, sums);
            var w = weights.Slice(segment.Start, segment.Length);
            _rule.Optimizer.Apply(own with { Tensor = segment.Slot }, w, gradient.Slice(segment.Start, segment.Length), segment.Slots);
            if (segment.Rule.MaxNorm is { } bound) LimitRows(w, (int)(segment.Slot!.Length / segment.Slot.Shape[0]), bound);
        }
        if (_rule.Noise.IsOfConsecutive()) TensorPrimitives.Multiply(gradient, step.GradientScale, _previous.Span);
    }

    private static OptimizerStep Of(in OptimizerStep step, TensorRule rule) => step with
    {
        LearningRate = step.LearningRate * rule.RateScale,
        WeightDecay = rule.WeightDecay,
        L1 = rule.ProximalL1,
        IsVector = rule.IsVector,
        Terms = rule.Terms,
    };

    private OptimizerStep For(in OptimizerStep step, TensorRule rule, int tensor, double global, TensorNormSums sums)
    {
        double factor = global * TensorFactor(sums, tensor);
        return Of(step, rule) with
        {
            ClipFactor = (float)factor,
            Norms = new TensorNorms(Math.Sqrt(sums.Parameter(tensor)), factor * Math.Sqrt(sums.Gradient(tensor)), Math.Sqrt(sums.Direction(tensor))),
        };
    }

    /// <summary>As torch.nn.utils.clip_grad_norm_: bound / (norm + 1e-6), at most 1.</summary>
    private static double Factor(double? bound, double norm) => bound is { } most ? Math.Min(1, most / (norm + 1e-6)) : 1;

    private double TensorFactor(TensorNormSums sums, int tensor) => Factor(_rule.Clip.Norm, Math.Sqrt(sums.Gradient(tensor)));

    private double GlobalFactor(TensorNormSums sums)
    {
        if (_rule.Clip.GlobalNorm is null) return 1;
        double total = 0;
        for (int t = 0; t < _tensors; t++)
        {
            double factor = TensorFactor(sums, t);
            total += factor * factor * sums.Gradient(t);
        }
        return Factor(_rule.Clip.GlobalNorm, Math.Sqrt(total));
    }

    /// <summary>Rows longer than the bound are shortened to it (Srivastava et al. 2014, section 5.1).</summary>
    private static void LimitRows(Span<float> tensor, int width, double bound)
    {
        for (int i = 0; i < tensor.Length; i += width)
        {
            var row = tensor.Slice(i, width);
            double norm = Math.Sqrt(SquareSums.Of(row));
            if (!(norm > bound)) continue;
            float factor = (float)(bound / norm);
            foreach (ref float w in row) w *= factor;
        }
    }

    private static IEnumerable<Segment> Segments(UpdateRule rule, ParameterLayout layout, KeyRange range, IReadOnlyList<Memory<float>> slots,
        ImmutableArray<SlotLayout> layouts)
    {
        Segment? open = null;
        for (int t = 0; t < layout.Parameters.Length; t++)
        {
            var tensor = layout.Parameters[t];
            long begin = Math.Max(range.Begin, tensor.Range.Begin), end = Math.Min(range.End, tensor.Range.End);
            if (begin >= end) continue;
            bool isWhole = end - begin == tensor.Length;
            if (!isWhole && rule.Needs.HasFlag(OptimizerNeeds.WholeTensors))
                throw new ArgumentException($"tensor '{tensor.Name}' is cut by {range}, but the optimizer wants whole tensors");
            var next = new Segment(t, (int)(begin - range.Begin), (int)(end - begin), rule.For(tensor), isWhole ? tensor : null, []);
            if (open is not null && !rule.IsByTensor && open.Rule == next.Rule)
            {
                open = open with { Length = open.Length + next.Length };
                continue;
            }
            if (open is not null) yield return WithSlots(open);
            open = next;
        }
        if (open is not null) yield return WithSlots(open);

        Segment WithSlots(Segment segment)
        {
            long begin = range.Begin + segment.Start;
            return segment with { Slots = Slice(slots, layouts, range, new KeyRange(begin, begin + segment.Length)) };
        }
    }

    /// <summary>What slots of a server's range have for a part of it.</summary>
    private static Memory<float>[] Slice(IReadOnlyList<Memory<float>> slots, ImmutableArray<SlotLayout> layouts, KeyRange range, KeyRange part) =>
        [.. slots.Select((slot, i) =>
        {
            var within = layouts[i].RangeOf(part);
            return slot.Slice((int)(within.Begin - layouts[i].RangeOf(range).Begin), (int)within.Length);
        })];

    /// <summary>Tensors, or a part of one, that one pass updates.</summary>
    private sealed record Segment(int Tensor, int Start, int Length, TensorRule Rule, TensorSlot? Slot, Memory<float>[] Slots);

    private sealed record Part(int Tensor, int Start, int Length, TensorRule Rule, Memory<float>[] Slots);
}
