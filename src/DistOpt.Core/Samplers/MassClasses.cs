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
    private readonly Dictionary<double, Masses> _known = [];
    private readonly Stack<Masses> _spare = [];
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
        foreach (var masses in _known.Values) _spare.Push(masses);
        _known.Clear();
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

    /// <summary>Adds the log mass of a value to the terms of neighbouring kernels.</summary>
    /// <param name="value">On the domain's scale.</param>
    /// <param name="begin">The first one.</param>
    /// <param name="terms">One for each of these kernels.</param>
    public void AddAll(double value, int begin, Span<double> terms)
    {
        var masses = At(value);
        masses.Complete();
        var classes = _ofKernel.AsSpan(begin, terms.Length);
        double[] logs = masses.Logs;
        for (int k = 0; k < terms.Length; k++) terms[k] += logs[classes[k]];
    }

    /// <summary>The masses of a value, until the next fit.</summary>
    /// <param name="value">On the domain's scale.</param>
    public Masses At(double value)
    {
        if (_known.TryGetValue(value, out var masses)) return masses;
        if (!_spare.TryPop(out masses)) masses = new Masses(this);
        masses.Begin(value);
        _known.Add(value, masses);
        return masses;
    }

    /// <summary>The log masses of one value, each worked out when it is asked for.</summary>
    internal sealed class Masses(MassClasses owner)
    {
        private double _from, _to, _logWidth;
        private bool _isComplete;

        /// <summary>By class; no number where it was not asked for.</summary>
        public double[] Logs { get; private set; } = [];

        public void Begin(double value)
        {
            int count = owner._classes.Count;
            if (Logs.Length < count) Logs = new double[2 * count];
            Logs.AsSpan(0, count).Fill(double.NaN);
            var domain = owner._domain!;
            double half = domain.Step!.Value / 2, center = domain.Log ? domain.FromScale(value) : value;
            (_from, _to, _isComplete) = (domain.ToScale(center - half), domain.ToScale(center + half), false);
            _logWidth = Math.Log(_to - _from);
        }

        /// <summary>The log mass that a kernel has of the value.</summary>
        public double Of(int kernel)
        {
            int place = owner._ofKernel[kernel];
            double log = Logs[place];
            return double.IsNaN(log) ? Logs[place] = Compute(owner._classes[place]) : log;
        }

        /// <summary>Works out what was not asked for yet.</summary>
        public void Complete()
        {
            if (_isComplete) return;
            var classes = CollectionsMarshal.AsSpan(owner._classes);
            for (int i = 0; i < classes.Length; i++)
                if (double.IsNaN(Logs[i])) Logs[i] = Compute(classes[i]);
            _isComplete = true;
        }

        private double Compute((double Mean, double Inverse, double LogMass, double LogDeviation) kernel)
        {
            double a = (_from - kernel.Mean) * kernel.Inverse, b = (_to - kernel.Mean) * kernel.Inverse, near = Math.Max(a, -b);
            // density times width, or times what the tail has of it
            double mass = near > Far
                ? Math.Min(_logWidth - kernel.LogDeviation, -LogFar) - LogSqrtTwoPi - near * near / 2 : NormalDistribution.LogBetween(a, b);
            return mass - kernel.LogMass;
        }
    }
}
