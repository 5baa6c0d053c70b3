using System.Runtime.InteropServices;
using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;

namespace DistOpt.Core.Samplers;

/// <summary>
/// Log masses of the intervals around the values of a domain with steps, under truncated normal kernels: of half a step to both sides, on the scale on which
/// the kernels are, so that those of logarithmic integers n go from ln(n - 1/2) to ln(n + 1/2). Of integers many kernels are the same, and few values are
/// asked for: each mass is computed once.
/// </summary>
internal sealed class MassClasses
{
    /// <summary>
    /// An interval whose nearer end is so many deviations away has less than e^-50 of a kernel's mass, which is nothing beside the prior's: the logarithm is
    /// worked out to about 1 there, since most kernels are far from a value.
    /// </summary>
    private const double Far = 10;

    /// <summary>Within so many deviations to both sides is all of a normal distribution, as far as a double can tell.</summary>
    private const double All = 9;

    private const double LogFar = 2.30258509299404568402, LogSqrtTwoPi = 0.91893853320467274178;

    private readonly List<(double Mean, double Inverse, double LogMass, double LogDeviation)> _classes = [];
    private readonly Dictionary<double, double[]> _logs = [];
    private readonly Stack<double[]> _spare = [];
    private int[] _ofKernel = [];
    private int _kernels;
    private NumericDomain? _domain;

    /// <param name="means">Of the kernels, on the domain's scale.</param>
    /// <param name="deviations">Of the kernels.</param>
    /// <param name="domain">It has steps.</param>
    /// <param name="order">All kernels, those with one mean next to each other: of these, most have one deviation too.</param>
    public void Fit(ReadOnlySpan<double> means, ReadOnlySpan<double> deviations, NumericDomain domain, ReadOnlySpan<int> order)
    {
        _classes.Clear();
        foreach (double[] log in _logs.Values) _spare.Push(log);
        _logs.Clear();
        (_kernels, _domain) = (means.Length, domain);
        var (low, high) = domain.Bounds;
        if (_ofKernel.Length < _kernels) _ofKernel = new int[Math.Max(_kernels, 2 * _ofKernel.Length)];
        double mean = double.NaN, deviation = double.NaN, logDeviation = 0;
        foreach (int k in order)
        {
            if (means[k] != mean || deviations[k] != deviation)
            {
                if (deviations[k] != deviation) logDeviation = Math.Log(deviations[k]);
                (mean, deviation) = (means[k], deviations[k]);
                double a = (low - mean) / deviation, b = (high - mean) / deviation;
                _classes.Add((mean, 1 / deviation, a < -All && b > All ? 0 : Math.Log(NormalDistribution.Between(a, b)), logDeviation));
            }
            _ofKernel[k] = _classes.Count - 1;
        }
    }

    /// <summary>Adds the log mass of a value to the terms of some kernels.</summary>
    /// <param name="value">On the domain's scale.</param>
    /// <param name="begin">The first one.</param>
    /// <param name="terms">One for each of these kernels.</param>
    public void Add(double value, int begin, Span<double> terms)
    {
        if (!_logs.TryGetValue(value, out double[]? logs))
        {
            if (!_spare.TryPop(out logs) || logs.Length < _classes.Count) logs = new double[2 * _classes.Count];
            double half = _domain!.Step!.Value / 2, center = _domain.Log ? _domain.FromScale(value) : value;
            double from = _domain.ToScale(center - half), to = _domain.ToScale(center + half), logWidth = Math.Log(to - from);
            var known = CollectionsMarshal.AsSpan(_classes);
            for (int i = 0; i < known.Length; i++)
            {
                var (mean, inverse, whole, logDeviation) = known[i];
                double a = (from - mean) * inverse, b = (to - mean) * inverse, near = Math.Max(a, -b);
                // density times width, or times what the tail has of it
                double mass = near > Far ? Math.Min(logWidth - logDeviation, -LogFar) - LogSqrtTwoPi - near * near / 2 : NormalDistribution.LogBetween(a, b);
                logs[i] = mass - whole;
            }
            _logs.Add(value, logs);
        }
        var classes = _ofKernel.AsSpan(begin, terms.Length);
        for (int k = 0; k < terms.Length; k++) terms[k] += logs[classes[k]];
    }
}
