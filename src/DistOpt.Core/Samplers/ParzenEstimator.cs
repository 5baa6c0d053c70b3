using System.Numerics.Tensors;
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

    /// <summary>Kernels that are evaluated at all points before the next ones are: their numbers stay in the nearest cache.</summary>
    private const int Block = 256;

    /// <summary>One of so many kernels may be left for them to be asked one by one.</summary>
    private const int Sparse = 4;

    private readonly List<KernelDimension> _dimensions = [];
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
        while (_dimensions.Count < parameters.Length) _dimensions.Add(new KernelDimension());
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
        Span<double> least = densities.Length <= 64 ? stackalloc double[densities.Length] : new double[densities.Length];
        Span<double> block = stackalloc double[Block];
        Span<int> kernels = stackalloc int[Block];
        sums.Clear();
        densities.Fill(double.NegativeInfinity);
        // the prior is nowhere far away: what is nothing beside it need not be worked out
        for (int p = 0; p < densities.Length; p++) least[p] = LogTerm(points.Slice(p * Count, Count), _kernels - 1) + KernelTerms.Negligible;
        for (int begin = 0; begin < _kernels; begin += Block)
        {
            int length = Math.Min(Block, _kernels - begin);
            for (int p = 0; p < densities.Length; p++)
            {
                double bound = Math.Max(least[p], densities[p] + KernelTerms.Negligible);
                int count = LogTerms(points.Slice(p * Count, Count), begin, block[..length], kernels, bound);
                if (count == 0) continue;
                var terms = block[..count];
                double largest = TensorPrimitives.Max<double>(terms);
                if (double.IsNegativeInfinity(largest)) continue;
                if (largest > densities[p])
                {
                    sums[p] *= Math.Exp(densities[p] - largest);
                    densities[p] = largest;
                }
                sums[p] += KernelTerms.SumExp(terms, densities[p]);
            }
        }
        for (int p = 0; p < densities.Length; p++)
            if (!double.IsNegativeInfinity(densities[p])) densities[p] += Math.Log(sums[p]);
    }

    /// <summary>The logarithm of weight times density of a point for one kernel.</summary>
    private double LogTerm(ReadOnlySpan<double> point, int kernel)
    {
        Span<int> kernels = [kernel];
        Span<double> term = [_base[kernel]];
        for (int d = 0; d < Count; d++) _dimensions[d].AddTo(point[d], kernels, term, double.NegativeInfinity);
        return term[0];
    }

    /// <summary>
    /// For neighbouring kernels the logarithm of weight times density of a point, without those at or below a bound. No parameter raises a term, so that a
    /// kernel that has come down to the bound is dropped before the other parameters are asked: of many kernels few are left after the first ones.
    /// </summary>
    /// <param name="begin">The first one.</param>
    /// <param name="terms">As many as there are kernels.</param>
    /// <param name="kept">Room for as many.</param>
    /// <param name="bound">Terms up to it are of no account; some may stay.</param>
    /// <returns>How many terms are left, in the order of their kernels.</returns>
    private int LogTerms(ReadOnlySpan<double> point, int begin, Span<double> terms, Span<int> kept, double bound)
    {
        _base.AsSpan(begin, terms.Length).CopyTo(terms);
        int d = 0;
        do
        {
            _dimensions[d].AddAll(point[d], begin, terms);
            if (++d == Count) return terms.Length;
        }
        while (KernelTerms.Above(terms, bound) * Sparse > terms.Length);
        int left = KernelTerms.Keep(terms, kept, bound, begin);
        for (; d < Count && left > 0; d++) left = _dimensions[d].AddTo(point[d], kept[..left], terms[..left], bound);
        return left;
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

    private void Numeric(
        KernelDimension dimension, NumericDomain numbers, StudyHistory history, int parameter, ReadOnlySpan<bool> members, int count, int dimensions)
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
        TensorPrimitives.Clamp(deviations.AsSpan(0, count), least, span, deviations);
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

    private void Choices(KernelDimension dimension, StudyHistory history, int parameter, ReadOnlySpan<bool> members, int count)
    {
        int choices = (int)dimension.Domain!.Count!;
        dimension.Classes = null;
        Ensure(ref dimension.Means, _kernels);
        for (int trial = 0; trial < members.Length; trial++)
            if (members[trial]) dimension.Means[_places[trial]] = history.Trials[trial].Parameters[parameter];
        dimension.Means[count] = -1; // the prior has seen none
        double share = priorWeight / _kernels, sum = 1 + choices * share;
        dimension.SetProbabilities((1 + share) / sum, share / sum, 1.0 / choices);
    }

    private static double Draw(KernelDimension dimension, NumericDomain numbers, int kernel, double uniform)
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

    private static double Choose(KernelDimension dimension, int kernel, double uniform)
    {
        int choices = (int)dimension.Domain!.Count!;
        double seen = dimension.Means[kernel];
        for (int c = 0; c < choices - 1; c++)
            if ((uniform -= seen < 0 ? dimension.Even : c == seen ? dimension.Hit : dimension.Miss) < 0) return c;
        return choices - 1;
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
}
