using System.Buffers;
using System.Collections.Immutable;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.IO.Enumeration;
using System.Numerics.Tensors;
using System.Runtime.Intrinsics;
using DistOpt.Core.Parameters;

namespace DistOpt.Core.Optimizers;

/// <summary>How the length of Muon's update depends on the matrix.</summary>
public enum MuonScale
{
    /// <summary>sqrt(max(1, rows / columns)), as Jordan's.</summary>
    Original,

    /// <summary>0.2 sqrt(max(rows, columns)): the usual root mean square of an AdamW update, so that its rates can be used.</summary>
    MatchAdamw,
}

/// <summary>Options of <c>muon</c>.</summary>
public sealed record MuonOptions : ILearningRateOptions
{
    bool ILearningRateOptions.IsAdaptive => true;

    [Description("Base learning rate of the matrices")]
    [Range(0.0, 1e9, MinimumIsExclusive = true)]
    public double LearningRate { get; init; } = 0.02;

    [Description("Decay rate of the mean of gradients")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double Momentum { get; init; } = 0.95;

    [Description("Whether Nesterov's look-ahead is used")]
    public bool Nesterov { get; init; } = true;

    [Description("Newton-Schulz iterations")]
    [Range(1, 50)]
    public int NsSteps { get; init; } = 5;

    [Description("Coefficients a, b, c of an iteration a X + b A X + c A A X, with A = X X^T (torch's ns_coefficients)")]
    [Length(3, 3)]
    public ImmutableArray<double> NsCoefficients { get; init; } = [3.4445, -4.7750, 2.0315];

    [Description("Least norm that the momentum is divided by before the iterations (torch's eps)")]
    [Range(1e-30, 1.0)]
    public double Epsilon { get; init; } = 1e-7;

    [Description("How the length of an update depends on the matrix (of a convolution, flattened to a row for each output channel)")]
    public MuonScale Scale { get; init; } = MuonScale.Original;

    [Description("Share of the weights, times the learning rate, that is taken off before each update")]
    [Range(0.0, 1000.0)]
    public double WeightDecay { get; init; }

    [Description("Patterns ('*' matches any characters) of matrices that adamw updates, as it does all biases and norms: name embeddings and the output layer here, which Jordan and torch leave to it")]
    public ImmutableArray<string> AdamwFor { get; init; } = [];

    [Description("Base learning rate of what adamw updates; it follows the schedule too")]
    [Range(0.0, 1e9, MinimumIsExclusive = true)]
    public double AdamwLearningRate { get; init; } = 3e-4;
}

/// <summary>
/// Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon; torch.optim.Muon), for each matrix w [rows, columns] with gradient g; further
/// dimensions (kernels) count as columns:
/// <code>
/// m += (1 - momentum) * (g - m),  u = nesterov ? g + momentum * (m - g) : m
/// X = u / max(|u|, epsilon), transposed where it has more rows than columns
/// ns_steps times: A = X X^T,  X = a X + (b A + c A A) X
/// w -= learning_rate * (weight_decay * w + scale * X)
/// </code>
/// Everything that is no matrix, and what <see cref="MuonOptions.AdamwFor"/> names, goes by AdamW with betas 0.9 and 0.95 and epsilon 1e-10.
/// Embeddings and the output layer are meant to be named there; a run that does not name its last matrix is warned.
/// In float32, where others use bfloat16.
/// </summary>
public sealed class Muon : IOptimizer
{
    private static readonly string[] SlotNames = ["exp_avg", "exp_avg_sq"];

    private readonly MuonOptions _options;
    private readonly Adam _adamw;

    // by the tensor's name; the servers of a process share no optimizer
    private readonly Dictionary<string, bool> _isForAdamw = new(StringComparer.Ordinal);

    public Muon(MuonOptions options)
    {
        _options = options;
        _adamw = new Adam(new AdamWOptions { Beta1 = 0.9, Beta2 = 0.95, Epsilon = 1e-10, WeightDecay = options.WeightDecay });
    }

    public IReadOnlyList<string> Slots => SlotNames;

    public OptimizerNeeds Needs => OptimizerNeeds.WholeTensors;

    public void Apply(in OptimizerStep step, Span<float> parameters, ReadOnlySpan<float> gradient, IReadOnlyList<Memory<float>> slots)
    {
        var tensor = step.Tensor ?? throw new ArgumentException("muon: the update is not of one whole tensor");
        if (tensor.Shape.Length < 2 || IsForAdamw(tensor.Name))
        {
            double rate = step.LearningRate * (_options.AdamwLearningRate / _options.LearningRate);
            _adamw.Apply(step with { LearningRate = rate }, parameters, gradient, slots);
            return;
        }
        FusedUpdate.Check("muon", 2, parameters.Length, gradient.Length, slots);
        float[] work = ArrayPool<float>.Shared.Rent(parameters.Length);
        try
        {
            Update(step, parameters, gradient, slots[0].Span, work.AsSpan(0, parameters.Length), (int)tensor.Shape[0]);
        }
        finally
        {
            ArrayPool<float>.Shared.Return(work);
        }
    }

    private bool IsForAdamw(string name) => _isForAdamw.TryGetValue(name, out bool known) ? known : _isForAdamw[name] = Matches(name);

    private bool Matches(string name) =>
        _options.AdamwFor.Any(pattern => FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false));

    private void Update(in OptimizerStep step, Span<float> w, ReadOnlySpan<float> gradient, Span<float> m, Span<float> u, int rows)
    {
        FusedUpdate.Shape(step, w, gradient, u);
        Average(u, m, (float)(1 - _options.Momentum), _options.Nesterov ? (float)_options.Momentum : 1);
        int columns = u.Length / Math.Max(1, rows);
        Orthogonalize(u, rows, columns, _options);
        // of the flattened matrix also for convolutions, where Jordan's program takes height over width of the kernels, 1 for square ones
        double scale = _options.Scale == MuonScale.Original ? Math.Sqrt(Math.Max(1, rows / (double)columns)) : 0.2 * Math.Sqrt(Math.Max(rows, columns));
        float left = (float)(1 - step.LearningRate * (step.WeightDecay ?? _options.WeightDecay)), rate = (float)(step.LearningRate * scale);
        TensorPrimitives.Multiply(w, left, w);
        TensorPrimitives.MultiplyAdd(u, -rate, w, w);
    }

    /// <summary>Takes a share of the gradient u into its mean m, and moves u by another share towards it; 1 = all the way.</summary>
    private static void Average(Span<float> u, Span<float> m, float share, float towards)
    {
        int width = Vector256<float>.Count, i = 0;
        for (; i <= u.Length - width; i += width)
        {
            var (g, mean) = (Vector256.Create(u[i..]), Vector256.Create(m[i..]));
            mean += share * (g - mean);
            mean.CopyTo(m[i..]);
            (towards < 1 ? g + towards * (mean - g) : mean).CopyTo(u[i..]);
        }
        for (; i < u.Length; i++)
        {
            m[i] += share * (u[i] - m[i]);
            u[i] = towards < 1 ? u[i] + towards * (m[i] - u[i]) : m[i];
        }
    }

    /// <summary>Brings the singular values of a matrix near 1, in place.</summary>
    internal static void Orthogonalize(Span<float> u, int rows, int columns, MuonOptions options)
    {
        var (a, b, c) = ((float)options.NsCoefficients[0], (float)options.NsCoefficients[1], (float)options.NsCoefficients[2]);
        float norm = (float)Math.Max(Math.Sqrt(SquareSums.Of(u)), options.Epsilon);
        TensorPrimitives.Divide(u, norm, u);
        var (n, k) = (Math.Min(rows, columns), Math.Max(rows, columns));
        float[] x = ArrayPool<float>.Shared.Rent(n * k), next = ArrayPool<float>.Shared.Rent(n * k);
        float[] gram = ArrayPool<float>.Shared.Rent(n * n), square = ArrayPool<float>.Shared.Rent(n * n);
        if (rows <= columns) u.CopyTo(x);
        else Matrices.Transpose(u, x, rows, columns);
        for (int i = 0; i < options.NsSteps; i++)
        {
            Matrices.Gram(x, gram, n, k);
            Matrices.Gram(gram, square, n, n); // its square, since it is symmetric
            var polynomial = square.AsSpan(0, n * n);
            TensorPrimitives.Multiply(polynomial, c, polynomial);
            TensorPrimitives.MultiplyAdd(gram.AsSpan(0, n * n), b, polynomial, polynomial);
            Matrices.Multiply(polynomial, x, next, n, n, k);
            TensorPrimitives.MultiplyAdd(x.AsSpan(0, n * k), a, next.AsSpan(0, n * k), x);
        }
        if (rows <= columns) x.AsSpan(0, u.Length).CopyTo(u);
        else Matrices.Transpose(x, u, n, k);
        ArrayPool<float>.Shared.Return(x);
        ArrayPool<float>.Shared.Return(next);
        ArrayPool<float>.Shared.Return(gram);
        ArrayPool<float>.Shared.Return(square);
    }
}
