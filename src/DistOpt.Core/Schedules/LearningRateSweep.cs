namespace DistOpt.Core.Schedules;

/// <summary>A step of a sweep.</summary>
/// <param name="LearningRate">Rate of the step's update.</param>
/// <param name="Loss">Training loss of the step's batch, before its update.</param>
/// <param name="Smoothed">
/// The loss averaged exponentially, corrected for its start at zero: over the steps so far, or there and back (see
/// <see cref="LearningRateSweep.Curve"/>).
/// </param>
public sealed record SweepPoint(long Step, double LearningRate, double Loss, double Smoothed);

/// <summary>
/// The learning rate range test (Smith 2017) as fastai and Lightning do it: the rate grows by the same factor at every step, the loss is smoothed,
/// the sweep ends when it has grown to a multiple of its lowest, and the rate where it fell fastest is suggested. One thing differs: their average
/// (0.98 of it kept at each of 100 steps) lags behind the rate by up to decades, so here less is kept, and for the suggestion it runs over the
/// points there and back, which does not lag.
/// </summary>
public sealed class LearningRateSweep
{
    private readonly List<SweepPoint> _points = [];
    private readonly double _beta;
    private readonly double _threshold;
    private double _average;
    private double _best = double.PositiveInfinity;

    /// <param name="beta">Share of the average that is kept at each step, in [0, 1).</param>
    /// <param name="threshold">The loss has diverged when it is above so many times its lowest; above 1.</param>
    public LearningRateSweep(double beta = 0.8, double threshold = 4)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(beta);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(beta, 1);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(threshold, 1);
        (_beta, _threshold) = (beta, threshold);
    }

    /// <summary>The first points, whose average means little yet, and the last, which diverge, are not asked for a suggestion (fastai).</summary>
    public const int SkippedAtBegin = 10, SkippedAtEnd = 5;

    public IReadOnlyList<SweepPoint> Points => _points;

    /// <summary>Whether the loss has diverged; later points are dropped.</summary>
    public bool HasDiverged { get; private set; }

    /// <summary>The factor from one step's rate to the next, so that the last of <paramref name="steps"/> has the rate <paramref name="last"/>.</summary>
    public static double Factor(double first, double last, long steps) => Math.Pow(last / first, 1.0 / (steps - 1));

    /// <summary>Takes the next step.</summary>
    public void Add(long step, double learningRate, double loss)
    {
        if (HasDiverged) return;
        if (!double.IsFinite(loss))
        {
            Diverge();
            return;
        }
        double smoothed = Smooth(ref _average, loss, _points.Count);
        _points.Add(new SweepPoint(step, learningRate, loss, smoothed));
        // a loss of the first step is no measure yet, and a negative one (log densities) has no multiple
        HasDiverged = _points.Count > 1 && _best > 0 && smoothed > _threshold * _best;
        _best = Math.Min(_best, smoothed);
    }

    /// <summary>The run itself saw that the loss has diverged.</summary>
    public void Diverge() => HasDiverged = true;

    /// <summary>The points with the loss averaged there and back.</summary>
    public IReadOnlyList<SweepPoint> Curve()
    {
        var curve = _points.ToArray();
        double average = 0;
        for (int i = curve.Length - 1; i >= 0; i--)
            curve[i] = curve[i] with { Smoothed = Smooth(ref average, curve[i].Smoothed, curve.Length - 1 - i) };
        return curve;
    }

    /// <summary>
    /// The point of <see cref="Curve"/> from which the loss falls most steeply over the logarithm of the rate, before its lowest; null where it
    /// falls nowhere or there are too few points.
    /// </summary>
    public SweepPoint? Suggestion()
    {
        var curve = Curve();
        if (curve.Count == 0) return null;
        double lowest = curve.Min(p => p.Smoothed);
        SweepPoint? steepest = null;
        double slope = 0;
        for (int i = SkippedAtBegin; i < curve.Count - SkippedAtEnd && curve[i].Smoothed > lowest; i++)
        {
            var (before, after) = (curve[i - 1], curve[i + 1]);
            double here = (after.Smoothed - before.Smoothed) / Math.Log(after.LearningRate / before.LearningRate);
            if (here < slope) (slope, steepest) = (here, curve[i]);
        }
        return steepest;
    }

    private double Smooth(ref double average, double value, int before)
    {
        average = _beta * average + (1 - _beta) * value;
        return average / (1 - Math.Pow(_beta, before + 1));
    }
}
