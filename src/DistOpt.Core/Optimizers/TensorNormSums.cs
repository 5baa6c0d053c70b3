using System.Collections.Immutable;
using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;

namespace DistOpt.Core.Optimizers;

/// <summary>
/// A stretch of the flat vector within one tensor and one block of 1,024 parameters. A norm is the sum of what its pieces add to it, in their
/// order; since key ranges are cut between pieces, its bits do not depend on the number of servers (DESIGN section 5).
/// </summary>
/// <param name="Tensor">Number of the tensor in the layout.</param>
/// <param name="Start">First position in the flat vector.</param>
internal readonly record struct Piece(int Tensor, long Start, int Length)
{
    /// <summary>The pieces of a key range, in ascending order.</summary>
    public static ImmutableArray<Piece> Of(ParameterLayout layout, KeyRange range)
    {
        var pieces = ImmutableArray.CreateBuilder<Piece>();
        for (int t = 0; t < layout.Parameters.Length; t++)
        {
            long begin = Math.Max(range.Begin, layout.Parameters[t].Range.Begin), end = Math.Min(range.End, layout.Parameters[t].Range.End);
            while (begin < end)
            {
                long next = Math.Min(end, (begin / KeyRangePartitioner.Block + 1) * KeyRangePartitioner.Block);
                pieces.Add(new Piece(t, begin, (int)(next - begin)));
                begin = next;
            }
        }
        return pieces.ToImmutable();
    }
}

/// <summary>What servers have measured of a step's mean gradient of the loss, without penalties and before clipping, for estimates of its noise.</summary>
/// <param name="Gradient">Its squared Euclidean norm.</param>
/// <param name="Squares">Its squared norm in the norm of the <see cref="NoiseSource"/>.</param>
/// <param name="Dot">Its product in that norm with the gradient of the step before; 0 where estimates are of leaves.</param>
public readonly record struct NoiseSums(double Gradient, double Squares, double Dot)
{
    /// <summary>Sum over the leaves of the squared norms of their mean gradients (<see cref="NoiseSource.PreconditionedLeaves"/>).</summary>
    public double Leaves { get; init; }

    /// <summary>Squared norm of the gradient of the step before in the norm of this one (<see cref="NoiseSource.PreconditionedConsecutive"/>).</summary>
    public double Previous { get; init; }
}

/// <summary>
/// Sums of squares over whole tensors of one step, in float64: of the gradient as the optimizer sees it before clipping by norm, of the weights,
/// and of the direction (LAMB); for batch strategies also of the gradient of the loss alone, its product with that of the step before, and what
/// <see cref="NoiseSums"/> has beside these. Filled round by round from what every server measured.
/// </summary>
public sealed class TensorNormSums
{
    /// <summary>Name of <see cref="GradientNorm"/> in training rows.</summary>
    public const string Metric = "gradient_norm";

    private readonly double[][] _sums;
    private readonly NoiseSource _noise;

    public TensorNormSums(int tensors, NoiseSource noise = NoiseSource.None) =>
        (_sums, _noise) = ([new double[Columns(0, noise) * tensors], new double[tensors]], noise);

    /// <summary>Numbers for each piece of a tensor in a round.</summary>
    internal static int Columns(int round, NoiseSource noise) => round == 0 ? 2 + (int)noise : 1;

    /// <summary>The sums of a round, for sending: of gradients and then weights in round 0, of directions in round 1.</summary>
    public Span<double> Round(int round) => _sums[round];

    internal double Gradient(int tensor) => _sums[0][tensor];

    internal double Parameter(int tensor) => _sums[0][_sums[1].Length + tensor];

    internal double Direction(int tensor) => _sums[1][tensor];

    /// <summary>What is measured of the gradient for estimates of its noise; 0 where it is not.</summary>
    public NoiseSums Noise() => _noise switch
    {
        NoiseSource.Leaves => new NoiseSums(Column(2), Column(2), 0),
        NoiseSource.Consecutive => new NoiseSums(Column(2), Column(2), Column(3)),
        NoiseSource.PreconditionedLeaves => new NoiseSums(Column(2), Column(3), 0) { Leaves = Column(4) },
        NoiseSource.PreconditionedConsecutive => new NoiseSums(Column(2), Column(3), Column(4)) { Previous = Column(5) },
        _ => default,
    };

    private double Column(int column)
    {
        double total = 0;
        foreach (double sum in _sums[0].AsSpan(column * _sums[1].Length, _sums[1].Length)) total += sum;
        return total;
    }

    /// <summary>The Euclidean norm of the whole gradient before clipping by norm, in float64.</summary>
    public double GradientNorm()
    {
        double total = 0;
        for (int t = 0; t < _sums[1].Length; t++) total += _sums[0][t];
        return Math.Sqrt(total);
    }
}

/// <summary>Adds up what the servers of a placement have measured in one round of one step, in the order of the flat vector.</summary>
public sealed class TensorNormReducer
{
    private readonly ImmutableArray<ImmutableArray<Piece>> _pieces;
    private readonly double[][] _partials;
    private readonly bool[] _arrived;
    private readonly int _tensors;
    private readonly NoiseSource _noise;

    /// <param name="ranges">Key range of each server, in ascending order.</param>
    public TensorNormReducer(ParameterLayout layout, IEnumerable<KeyRange> ranges, NoiseSource noise = NoiseSource.None)
    {
        _noise = noise;
        _pieces = [.. ranges.Select(range => Piece.Of(layout, range))];
        _partials = [.. _pieces.Select(p => new double[TensorNormSums.Columns(0, noise) * p.Length])];
        _arrived = new bool[_pieces.Length];
        _tensors = layout.Parameters.Length;
    }

    /// <summary>Numbers that a server sends in a round.</summary>
    public int Count(int server, int round) => _pieces[server].Length * TensorNormSums.Columns(round, _noise);

    /// <summary>Takes in a server's numbers. A repeat has the same bits.</summary>
    /// <exception cref="ArgumentException">As many are wanted as <see cref="Count"/> says.</exception>
    public void Add(int server, int round, ReadOnlySpan<double> partials)
    {
        if (partials.Length != Count(server, round))
            throw new ArgumentException($"server {server} gave {partials.Length} partial sums, but round {round} has {Count(server, round)}");
        partials.CopyTo(_partials[server]);
        _arrived[server] = true;
    }

    /// <summary>Servers whose numbers are missing.</summary>
    public IEnumerable<int> Missing => Enumerable.Range(0, _arrived.Length).Where(s => !_arrived[s]);

    /// <summary>Whether every server's numbers are here.</summary>
    public bool IsComplete => Array.IndexOf(_arrived, false) < 0;

    /// <summary>Writes the sums of the round and forgets what has come.</summary>
    public void Take(int round, TensorNormSums into)
    {
        if (!IsComplete) throw new InvalidOperationException($"the partial sums of server {Missing.First()} are missing");
        var sums = into.Round(round);
        sums.Clear();
        int columns = TensorNormSums.Columns(round, _noise);
        for (int s = 0; s < _partials.Length; s++)
        {
            for (int i = 0; i < _pieces[s].Length; i++)
            {
                int tensor = _pieces[s][i].Tensor;
                for (int column = 0; column < columns; column++) sums[column * _tensors + tensor] += _partials[s][column * _pieces[s].Length + i];
            }
        }
        Clear();
    }

    /// <summary>Forgets what has come.</summary>
    public void Clear() => Array.Clear(_arrived);
}
