using System.Collections.Immutable;
using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.TrialSchedulers;

/// <summary>
/// Population-based bandits (Parker-Holder et al., NeurIPS 2020) as Ray's <c>pb2.py</c>: exploits as <c>pbt</c> does; the new parameters are those at
/// which a time-varying Gaussian process on (time, score before, parameters) sees the greatest upper bound of the gain in score per resource, trained on
/// the last 1,000 intervals of all trials. Exploits of the same time count as observed with gain 0 in the variance, so that they differ. A donor
/// without a whole interval behind it gives its parameters as they are.
/// <para>
/// Other than there: eps is fixed at 0.1, l and noise are the most likely ones of a grid over the last 200 intervals, parameters are scaled as
/// their domains are (logarithmically where those are), and the bound is mean + kappa * standard deviation (the paper's; Ray adds the variance), with
/// Ray's kappa = sqrt(0.2 * log(0.4 n)). Where that bound is sought, places that break a constraint on parameters are left out.
/// </para>
/// <para>An exploit costs O(r^3) in the intervals that are kept, at most 1,000.</para>
/// </summary>
public sealed class Pb2 : PopulationScheduler
{
    private const int MostRows = 1000;
    private const int FittedRows = 200;
    private const int Candidates = 200;
    private const int Clip = 2;

    private readonly SortedSet<Row> _rows = new(Comparer<Row>.Create((a, b) => (a.Time, a.Trial, a.Exploits).CompareTo((b.Time, b.Trial, b.Exploits))));
    private readonly Dictionary<int, (long Time, double Score)> _before = [];
    private readonly Dictionary<int, Row> _last = [];
    private readonly List<double[]> _pending = [];
    private long _reached;
    private long _explored;

    /// <exception cref="SpecException">It cannot be used for the study.</exception>
    public Pb2(Pb2Options options, StudyContext context) : base(options, context) { }

    private protected override void Remember(Member member)
    {
        _reached = Math.Max(_reached, member.Resource);
        if (member.Score is not { } score || !double.IsFinite(score))
        {
            _before.Remove(member.Trial);
            return;
        }
        if (_before.TryGetValue(member.Trial, out var before) && member.Resource > before.Time)
        {
            double gain = (score - before.Score) / (member.Resource - before.Time);
            var row = new Row(member.Resource, member.Trial, member.Exploits, before.Score, gain, Units(member.Parameters));
            _rows.Add(row);
            if (_rows.Count > MostRows) _rows.Remove(_rows.Min!);
            _last[member.Trial] = row;
        }
        _before[member.Trial] = (member.Resource, score);
    }

    private protected override void Copied(Member member, Member donor)
    {
        _last.Remove(member.Trial);
        if (_before.TryGetValue(donor.Trial, out var before)) _before[member.Trial] = before;
        else _before.Remove(member.Trial);
    }

    private protected override void Forget(Member member)
    {
        _before.Remove(member.Trial);
        _last.Remove(member.Trial);
    }

    private protected override ImmutableArray<double> Explore(Member donor, ref CounterRandom random)
    {
        if (!_last.TryGetValue(donor.Trial, out var last)) return donor.Parameters;
        if (_reached > _explored) _pending.Clear();
        _explored = _reached;
        if (Greatest([.. _rows], last, ref random) is not { } units) return donor.Parameters;
        _pending.Add(units);
        double[] values = new double[units.Length];
        ToValues(units, values);
        return [.. values];
    }

    /// <summary>
    /// The place within the unit cube with the greatest upper bound: the best of a few random ones, from which steps lead upwards; null = none of the random
    /// ones keeps to the constraints.
    /// </summary>
    private double[]? Greatest(Row[] rows, Row at, ref CounterRandom random)
    {
        double earliest = rows.Min(r => r.Time), latest = rows.Max(r => r.Time), least = rows.Min(r => r.Before), most = rows.Max(r => r.Before);
        double time = Scale(at.Time, earliest, latest), before = Scale(at.Before, least, most);
        double[][] points = [.. rows.Select(r => (double[])[Scale(r.Time, earliest, latest), Scale(r.Before, least, most), .. r.Units])];
        double[] gains = Standardize([.. rows.Select(r => r.Gain)]);

        int from = Math.Max(0, rows.Length - FittedRows);
        var fitted = TimeVaryingProcess.Fit(points[from..], gains.AsSpan(from));
        var means = from == 0 ? fitted : new TimeVaryingProcess(points, gains, fitted.Length, fitted.Noise, fitted.Variance);
        // the variance does not depend on values
        var spread = _pending.Count == 0 ? means : new TimeVaryingProcess(
            [.. points, .. _pending.Select(p => (double[])[time, before, .. p])], [.. gains, .. new double[_pending.Count]],
            fitted.Length, fitted.Noise, fitted.Variance);
        double kappa = Math.Sqrt(Math.Max(0, 0.2 * Math.Log(0.4 * rows.Length)));

        int size = Context.Space.Count;
        double[] point = [time, before, .. new double[size]];
        double[] best = new double[size];
        double bound = double.NegativeInfinity;
        double[] tried = new double[size], values = new double[size];
        bool isFound = false;
        for (int i = 0; i < Candidates; i++)
        {
            for (int d = 0; d < size; d++) tried[d] = random.NextDouble();
            Try();
        }
        if (!isFound) return null;
        for (double step = 0.1; step > 0.001; step /= 2)
        {
            for (int d = 0; d < size; d++)
            {
                foreach (double move in new[] { -step, step })
                {
                    best.CopyTo(tried, 0);
                    tried[d] = Math.Clamp(tried[d] + move, 0, 1);
                    Try();
                }
            }
        }
        return best;

        void Try()
        {
            ToValues(tried, values);
            if (!ParameterConstraint.Hold(Context.Constraints, values)) return;
            isFound = true;
            tried.CopyTo(point, 2);
            double value = means.At(point).Mean + kappa * Math.Sqrt(spread.At(point).Variance);
            if (value <= bound) return;
            bound = value;
            tried.CopyTo(best, 0);
        }
    }

    private void ToValues(double[] units, double[] values)
    {
        for (int d = 0; d < units.Length; d++) values[d] = Context.Space.Parameters[d].Domain.FromUnit(units[d]);
    }

    private double[] Units(ImmutableArray<double> parameters) => [.. parameters.Select((value, i) => Context.Space.Parameters[i].Domain.ToUnit(value))];

    private static double Scale(double value, double least, double most) => most > least ? (value - least) / (most - least) : 0;

    private static double[] Standardize(double[] values)
    {
        double mean = values.Average();
        double deviation = Math.Sqrt(values.Average(v => (v - mean) * (v - mean)));
        return [.. values.Select(v => Math.Clamp((v - mean) / (deviation + 1e-8), -Clip, Clip))];
    }

    /// <summary>An interval of a trial.</summary>
    /// <param name="Time">Its end.</param>
    /// <param name="Trial">Whose it is.</param>
    /// <param name="Exploits">How often the trial had copied; tells its intervals of one end apart.</param>
    /// <param name="Before">Score at its beginning.</param>
    /// <param name="Gain">In score for each unit of resource.</param>
    /// <param name="Units">Parameters on the scale of their domains, 0 to 1.</param>
    private sealed record Row(long Time, int Trial, int Exploits, double Before, double Gain, double[] Units);
}
