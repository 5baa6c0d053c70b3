using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using DistOpt.Core.Numerics;
using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Samplers;

/// <summary>How wide the kernels of a Parzen estimator are.</summary>
public enum Bandwidth
{
    /// <summary>The larger one of the gaps to both neighbours (Bergstra et al. 2011; Optuna from version 5 on, also for joint densities).</summary>
    Gaps,

    /// <summary>0.2 n^(-1/(d+4)) of the domain for all kernels (Optuna to version 4 where it is multivariate, with d = 1 for what is drawn alone).</summary>
    Scott,
}

/// <summary>
/// A mixture of product kernels, one for each observation and one for the prior, over some parameters of a space: truncated normal ones on the
/// domain's scale (as masses of the intervals around the values where the domain has steps), and for choices without an order the observed one lifted
/// above all others. Points stand on the scales of <see cref="NumericDomain.Bounds"/>, choices as indices. As in Optuna's
/// <c>samplers/_tpe/parzen_estimator.py</c>. Buffers are kept from one use to the next.
/// </summary>
internal sealed class ParzenEstimator(double priorWeight, bool endpoints, Bandwidth bandwidth)
{
    /// <summary>Observations that count in full; older ones count less and less.</summary>
    private const int Recent = 25;

    /// <summary>Beyond so many deviations a normal distribution has no mass that float64 could add to 1.</summary>
    private const double Far = 8.3;

    /// <summary>Logarithm of what does not change a sum to which 1 belongs, also ten thousand times.</summary>
    private const double Negligible = -48;

    /// <summary>Kernels that are evaluated at all points before the next ones are: their numbers stay in the nearest cache.</summary>
    private const int Block = 256;

    private readonly List<Dimension> _dimensions = [];
    private double[] _weights = [];
    private double[] _base = [];
    private double[] _logs = [];
    private int[] _places = [];
    private int[] _order = [];
    private int _kernels;

    /// <summary>Fits the mixture to the trials on one side, which have a value of every parameter.</summary>
    /// <param name="history">The trials.</param>
    /// <param name="parameters">Indices of the parameters.</param>
    /// <param name="members">For each trial whether it is an observation.</param>
    /// <param name="weights">For each trial how much it counts; empty = by age.</param>
    public void Fit(StudyHistory history, ReadOnlySpan<int> parameters, ReadOnlySpan<bool> members, ReadOnlySpan<double> weights = default)
    {
        int count = members.Count(true);
        _kernels = count + 1;
        Ensure(ref _weights, _kernels);
        Ensure(ref _base, _kernels);
        Ensure(ref _logs, _kernels);
        if (_places.Length < members.Length) _places = new int[Math.Max(members.Length, 2 * _places.Length)];
        int place = 0;
        for (int i = 0; i < members.Length; i++)
            if (members[i]) _places[i] = place++;
        Weigh(count, members, weights);
        while (_dimensions.Count < parameters.Length) _dimensions.Add(new Dimension());
        TensorPrimitives.Log<double>(_weights.AsSpan(0, _kernels), _base);
        for (int d = 0; d < parameters.Length; d++)
        {
            var dimension = _dimensions[d];
            dimension.Domain = history.Space.Parameters[parameters[d]].Domain.Searched;
            if (dimension.Domain is NumericDomain numbers) Numeric(dimension, numbers, history, parameters[d], members, count, parameters.Length);
            else Choices(dimension, history, parameters[d], members, count);
        }
        Count = parameters.Length;
    }

    /// <summary>Number of parameters.</summary>
    public int Count { get; private set; }

    /// <summary>Draws a point.</summary>
    public void Draw(ref CounterRandom random, Span<double> point)
    {
        double left = random.NextDouble();
        int kernel = 0;
        while (kernel < _kernels - 1 && (left -= _weights[kernel]) >= 0) kernel++;
        for (int d = 0; d < Count; d++)
        {
            var dimension = _dimensions[d];
            double uniform = random.NextDouble();
            point[d] = dimension.Domain is NumericDomain numbers ? Draw(dimension, numbers, kernel, uniform) : Choose(dimension, kernel, uniform);
        }
    }

    /// <summary>The logarithms of the densities of points.</summary>
    /// <param name="points">One after the other, each as <see cref="Draw(ref CounterRandom, Span{double})"/> writes it.</param>
    /// <param name="densities">One for each point.</param>
    public void LogDensities(ReadOnlySpan<double> points, Span<double> densities)
    {
        // kernels block by block, so that they are read from memory once for all points: sum of exp(term - largest) so far
        Span<double> sums = densities.Length <= 64 ? stackalloc double[densities.Length] : new double[densities.Length];
        Span<double> block = stackalloc double[Block];
        sums.Clear();
        densities.Fill(double.NegativeInfinity);
        for (int begin = 0; begin < _kernels; begin += Block)
        {
            var terms = block[..Math.Min(Block, _kernels - begin)];
            for (int p = 0; p < densities.Length; p++)
            {
                LogTerms(points.Slice(p * Count, Count), begin, terms);
                double largest = TensorPrimitives.Max<double>(terms);
                if (double.IsNegativeInfinity(largest)) continue;
                if (largest > densities[p])
                {
                    sums[p] *= Math.Exp(densities[p] - largest);
                    densities[p] = largest;
                }
                sums[p] += SumExp(terms, densities[p]);
            }
        }
        for (int p = 0; p < densities.Length; p++)
            if (!double.IsNegativeInfinity(densities[p])) densities[p] += Math.Log(sums[p]);
    }

    /// <summary>The sum of exp(term - largest) over the terms, without those that are too small to count: most kernels are far from a point.</summary>
    private static double SumExp(ReadOnlySpan<double> terms, double largest)
    {
        double sum = 0, least = largest + Negligible;
        int k = 0;
        ref double term = ref MemoryMarshal.GetReference(terms);
        for (; k <= terms.Length - Vector256<double>.Count; k += Vector256<double>.Count)
        {
            var some = Vector256.LoadUnsafe(ref term, (nuint)k);
            if (!Vector256.GreaterThanAny(some, Vector256.Create(least))) continue;
            for (int i = 0; i < Vector256<double>.Count; i++) sum += Math.Exp(some[i] - largest);
        }
        for (; k < terms.Length; k++) sum += Math.Exp(terms[k] - largest);
        return sum;
    }

    /// <summary>For some kernels the logarithm of weight times density of a point.</summary>
    /// <param name="begin">The first one.</param>
    private void LogTerms(ReadOnlySpan<double> point, int begin, Span<double> terms)
    {
        _base.AsSpan(begin, terms.Length).CopyTo(terms);
        for (int d = 0; d < Count; d++)
        {
            var dimension = _dimensions[d];
            if (dimension.Classes is { } classes) classes.Add(point[d], begin, terms);
            else if (dimension.Domain is NumericDomain)
                AddSquares(terms, dimension.Means.AsSpan(begin, terms.Length), dimension.Inverses.AsSpan(begin, terms.Length), point[d]);
            else AddChoices(terms, dimension, begin, point[d]);
        }
    }

    private static void Ensure<T>(ref T[] buffer, int count)
    {
        if (buffer.Length < count) buffer = new T[Math.Max(count, 2 * buffer.Length)];
    }

    /// <summary>As they are given, or by age: the last <see cref="Recent"/> count 1, those before them from 1/n up; the prior comes last.</summary>
    private void Weigh(int count, ReadOnlySpan<bool> members, ReadOnlySpan<double> weights)
    {
        int ramp = count - Recent;
        for (int trial = 0; trial < weights.Length; trial++)
            if (members[trial]) _weights[_places[trial]] = weights[trial];
        for (int k = 0; weights.IsEmpty && k < count; k++)
            _weights[k] = k >= ramp ? 1 : ramp == 1 ? 1.0 / count : 1.0 / count + (1 - 1.0 / count) * k / (ramp - 1);
        _weights[count] = count == 0 ? 1 : priorWeight;
        double sum = Vectors.Sum(_weights.AsSpan(0, _kernels));
        TensorPrimitives.Divide(_weights.AsSpan(0, _kernels), sum, _weights);
    }

    private void Numeric(Dimension dimension, NumericDomain numbers, StudyHistory history, int parameter, ReadOnlySpan<bool> members, int count, int dimensions)
    {
        var (low, high) = numbers.Bounds;
        double span = high - low;
        Ensure(ref dimension.Means, _kernels);
        Ensure(ref dimension.Inverses, _kernels);
        var (means, deviations) = (dimension.Means, dimension.Inverses);
        var columns = history.Scaled(parameter);
        if (bandwidth == Bandwidth.Gaps) ByGaps(columns, history.Ordered(parameter), members);
        else ByScott(columns, members);
        (means[count], deviations[count]) = ((low + high) / 2, span);
        // "magic clip"
        double least = span / Math.Min(100, 1 + _kernels);
        for (int k = 0; k < count; k++) deviations[k] = Math.Clamp(deviations[k], least, span);
        if (numbers.Step is not null)
        {
            Ensure(ref _order, _kernels);
            int ordered = 0;
            foreach (int trial in history.Ordered(parameter))
                if (trial < members.Length && members[trial]) _order[ordered++] = _places[trial];
            _order[ordered++] = count;
            (dimension.Classes ??= new MassClasses()).Fit(means.AsSpan(0, _kernels), deviations.AsSpan(0, _kernels), numbers, _order.AsSpan(0, ordered));
            for (int k = 0; k < _kernels; k++) deviations[k] = 1 / deviations[k];
            return;
        }
        dimension.Classes = null;
        const double logSqrtTwoPi = 0.91893853320467274178;
        var inverses = deviations.AsSpan(0, _kernels);
        TensorPrimitives.Divide(1, inverses, inverses);
        TensorPrimitives.Log<double>(inverses, _logs);
        for (int k = 0; k < _kernels; k++)
            _base[k] += _logs[k] - logSqrtTwoPi - LogMass((low - means[k]) * inverses[k], (high - means[k]) * inverses[k]);

        void ByScott(ReadOnlySpan<double> scaled, ReadOnlySpan<bool> isMember)
        {
            double all = 0.2 * Math.Pow(Math.Max(count, 1), -1.0 / (dimensions + 4)) * span;
            for (int trial = 0; trial < isMember.Length; trial++)
                if (isMember[trial]) (means[_places[trial]], deviations[_places[trial]]) = (scaled[trial], all);
        }

        // from one observation to the next in the order of their values; the domain's ends are neighbours too
        void ByGaps(ReadOnlySpan<double> scaled, ReadOnlySpan<int> ordered, ReadOnlySpan<bool> isMember)
        {
            int last = -1, first = -1;
            double before = low, gap = 0;
            foreach (int trial in ordered)
            {
                if (trial >= isMember.Length || !isMember[trial]) continue;
                int kernel = _places[trial];
                double mean = scaled[trial];
                if (last >= 0) deviations[last] = Math.Max(gap, mean - before);
                else first = kernel;
                (means[kernel], gap, before, last) = (mean, mean - before, mean, kernel);
            }
            if (last < 0) return;
            deviations[last] = Math.Max(gap, high - before);
            if (endpoints || count < 2) return;
            // the outermost ones reach to their one neighbour
            deviations[last] = gap;
            deviations[first] = NextGap(scaled, ordered, isMember);
        }
    }

    /// <summary>From the first observation to the second one.</summary>
    private static double NextGap(ReadOnlySpan<double> scaled, ReadOnlySpan<int> ordered, ReadOnlySpan<bool> members)
    {
        double first = double.NaN;
        foreach (int trial in ordered)
        {
            if (trial >= members.Length || !members[trial]) continue;
            if (!double.IsNaN(first)) return scaled[trial] - first;
            first = scaled[trial];
        }
        return 0;
    }

    private void Choices(Dimension dimension, StudyHistory history, int parameter, ReadOnlySpan<bool> members, int count)
    {
        int choices = (int)dimension.Domain!.Count!;
        dimension.Classes = null;
        Ensure(ref dimension.Means, _kernels);
        for (int trial = 0; trial < members.Length; trial++)
            if (members[trial]) dimension.Means[_places[trial]] = history.Trials[trial].Parameters[parameter];
        dimension.Means[count] = -1; // the prior has seen none
        double share = priorWeight / _kernels, sum = 1 + choices * share;
        (dimension.Hit, dimension.Miss, dimension.Even) = ((1 + share) / sum, share / sum, 1.0 / choices);
    }

    private static double Draw(Dimension dimension, NumericDomain numbers, int kernel, double uniform)
    {
        var (low, high) = numbers.Bounds;
        double mean = dimension.Means[kernel], inverse = dimension.Inverses[kernel];
        // on the side of the lower tail, where probabilities have their full precision
        bool isAbove = mean < low;
        var (a, b) = ((low - mean) * inverse, (high - mean) * inverse);
        if (isAbove) (a, b) = (-b, -a);
        double from = NormalDistribution.Cdf(a), to = NormalDistribution.Cdf(b);
        double deviate = NormalDistribution.Quantile(Math.Clamp(from + uniform * (to - from), double.Epsilon, 1 - 1e-16));
        double value = Math.Clamp(mean + (isAbove ? -deviate : deviate) / inverse, low, high);
        return numbers.Step is null ? value : numbers.ToScale(numbers.FromScale(value));
    }

    private static double Choose(Dimension dimension, int kernel, double uniform)
    {
        int choices = (int)dimension.Domain!.Count!;
        double seen = dimension.Means[kernel];
        for (int c = 0; c < choices - 1; c++)
            if ((uniform -= seen < 0 ? dimension.Even : c == seen ? dimension.Hit : dimension.Miss) < 0) return c;
        return choices - 1;
    }

    private static void AddSquares(Span<double> terms, ReadOnlySpan<double> means, ReadOnlySpan<double> inverses, double value)
    {
        int k = 0;
        ref double term = ref MemoryMarshal.GetReference(terms), mean = ref MemoryMarshal.GetReference(means);
        ref double inverse = ref MemoryMarshal.GetReference(inverses);
        for (; k <= terms.Length - Vector256<double>.Count; k += Vector256<double>.Count)
        {
            var z = (Vector256.Create(value) - Vector256.LoadUnsafe(ref mean, (nuint)k)) * Vector256.LoadUnsafe(ref inverse, (nuint)k);
            (Vector256.LoadUnsafe(ref term, (nuint)k) - 0.5 * z * z).StoreUnsafe(ref term, (nuint)k);
        }
        for (; k < terms.Length; k++)
        {
            double z = (value - means[k]) * inverses[k];
            terms[k] -= 0.5 * z * z;
        }
    }

    private static void AddChoices(Span<double> terms, Dimension dimension, int begin, double value)
    {
        double hit = Math.Log(dimension.Hit), miss = Math.Log(dimension.Miss), even = Math.Log(dimension.Even);
        var seen = dimension.Means.AsSpan(begin, terms.Length);
        ref double term = ref MemoryMarshal.GetReference(terms), choice = ref MemoryMarshal.GetReference(seen);
        int k = 0;
        for (; k <= terms.Length - Vector256<double>.Count; k += Vector256<double>.Count)
        {
            var choices = Vector256.LoadUnsafe(ref choice, (nuint)k);
            var others = Vector256.ConditionalSelect(Vector256.LessThan(choices, Vector256<double>.Zero), Vector256.Create(even), Vector256.Create(miss));
            var logs = Vector256.ConditionalSelect(Vector256.Equals(choices, Vector256.Create(value)), Vector256.Create(hit), others);
            (Vector256.LoadUnsafe(ref term, (nuint)k) + logs).StoreUnsafe(ref term, (nuint)k);
        }
        for (; k < terms.Length; k++) terms[k] += seen[k] < 0 ? even : seen[k] == value ? hit : miss;
    }

    /// <summary>Log of the mass from a to b, where at least one of both is far out in most cases.</summary>
    private static double LogMass(double a, double b)
    {
        if (a <= -Far && b >= Far) return 0;
        // the mean lies between, and what is beyond the end that is far out takes nothing off
        if (a <= 0 && b >= Far) return Math.Log(NormalDistribution.Cdf(-a));
        if (b >= 0 && a <= -Far) return Math.Log(NormalDistribution.Cdf(b));
        return Math.Log(NormalDistribution.Between(a, b));
    }

    private sealed class Dimension
    {
        public Domain? Domain;

        /// <summary>Means on the domain's scale; of choices the one that was seen.</summary>
        public double[] Means = [];

        /// <summary>1 / deviation of each kernel.</summary>
        public double[] Inverses = [];

        /// <summary>Probabilities of the choice that a kernel has seen, of every other one, and of each for the prior.</summary>
        public double Hit, Miss, Even;

        /// <summary>Not null where the domain has steps.</summary>
        public MassClasses? Classes;
    }
}
