using System.Runtime.InteropServices;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Samplers;

/// <summary>
/// Log masses of the intervals around the values of a domain with steps, under truncated normal kernels. Of integers many kernels are the same, and
/// few values are asked for: each mass is computed once.
/// </summary>
internal sealed class MassClasses
{
    private readonly Dictionary<(double Mean, double Deviation), int> _known = [];
    private readonly List<(double Mean, double Deviation, double LogMass)> _classes = [];
    private readonly Dictionary<double, double[]> _logs = [];
    private readonly Stack<double[]> _spare = [];
    private int[] _ofKernel = [];
    private int _kernels;
    private double _half;

    public void Fit(ReadOnlySpan<double> means, ReadOnlySpan<double> deviations, double low, double high, double step)
    {
        _known.Clear();
        _classes.Clear();
        foreach (double[] log in _logs.Values) _spare.Push(log);
        _logs.Clear();
        (_kernels, _half) = (means.Length, step / 2);
        if (_ofKernel.Length < _kernels) _ofKernel = new int[Math.Max(_kernels, 2 * _ofKernel.Length)];
        for (int k = 0; k < _kernels; k++)
        {
            ref int known = ref CollectionsMarshal.GetValueRefOrAddDefault(_known, (means[k], deviations[k]), out bool exists);
            if (!exists)
            {
                known = _classes.Count;
                double whole = Math.Log(NormalDistribution.Between((low - means[k]) / deviations[k], (high - means[k]) / deviations[k]));
                _classes.Add((means[k], deviations[k], whole));
            }
            _ofKernel[k] = known;
        }
    }

    /// <summary>Adds the log mass of a value to the terms of some kernels.</summary>
    /// <param name="begin">The first one.</param>
    public void Add(double value, int begin, Span<double> terms)
    {
        if (!_logs.TryGetValue(value, out double[]? logs))
        {
            if (!_spare.TryPop(out logs) || logs.Length < _classes.Count) logs = new double[2 * _classes.Count];
            for (int i = 0; i < _classes.Count; i++)
            {
                var (mean, deviation, whole) = _classes[i];
                logs[i] = Math.Log(NormalDistribution.Between((value - _half - mean) / deviation, (value + _half - mean) / deviation)) - whole;
            }
            _logs.Add(value, logs);
        }
        var classes = _ofKernel.AsSpan(begin, terms.Length);
        for (int k = 0; k < terms.Length; k++) terms[k] += logs[classes[k]];
    }
}
