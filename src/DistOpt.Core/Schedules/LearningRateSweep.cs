namespace DistOpt.Core.Schedules;

/// <summary>A step of a sweep.</summary>
/// <param name="LearningRate">Rate of the step's update.</param>
/// <param name="Loss">Training loss of the step's batch, before its update.</param>
/// <param name="Smoothed">The loss averaged exponentially over the steps so far, corrected for its start at zero.</param>
public sealed record SweepPoint(long Step, double LearningRate, double Loss, double Smoothed);

/// <summary>
/// The learning rate range test (Smith 2017) as fastai and Lightning do it: the rate grows by the same factor at every step, the loss is smoothed,
/// the sweep ends when it has grown to a multiple of its lowest, and the rate where it fell fastest is suggested.
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
    public LearningRateSweep(double beta = 0.98, double threshold = 4)
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
            HasDiverged = true;
            return;
        }
        _average = _beta * _average + (1 - _beta) * loss;
        double smoothed = _average / (1 - Math.Pow(_beta, _points.Count + 1));
        _points.Add(new SweepPoint(step, learningRate, loss, smoothed));
        // a loss of the first step is no measure yet, and a negative one (log densities) has no multiple
        HasDiverged = _points.Count > 1 && _best > 0 && smoothed > _threshold * _best;
        _best = Math.Min(_best, smoothed);
    }

    /// <summary>
    /// The point of steepest descent of the smoothed loss over the logarithm of the rate; null where it fell nowhere or there are too few points.
    /// </summary>
    public SweepPoint? Suggestion()
    {
        SweepPoint? steepest = null;
        double slope = 0;
        for (int i = SkippedAtBegin; i < _points.Count - SkippedAtEnd; i++)
        {
            if (i == 0 || i == _points.Count - 1) continue;
            var (before, after) = (_points[i - 1], _points[i + 1]);
            double here = (after.Smoothed - before.Smoothed) / Math.Log(after.LearningRate / before.LearningRate);
            if (here < slope) (slope, steepest) = (here, _points[i]);
        }
        return steepest;
    }
}
