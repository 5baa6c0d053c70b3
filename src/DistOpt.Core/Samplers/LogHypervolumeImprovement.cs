using System.Runtime.Intrinsics;
using DistOpt.Core.MultiObjective;

namespace DistOpt.Core.Samplers;

/// <summary>
/// The logarithm of the average, over samples of what a point may be worth, of what it adds to the hypervolume of a front (Daulton, Balandat, Bakshy,
/// "Differentiable Expected Hypervolume Improvement for Parallel Multi-Objective Bayesian Optimization", NeurIPS 2020, arXiv:2006.05078, equation 1). As
/// Optuna's <c>_gp/acqf.py</c> (logEHVI): the sides of a sample's part in a box are at least 1e-12 long, so that the logarithm is finite everywhere. Values are
/// scores: more is better, and their negatives are what the boxes are about. One thread at a time.
/// </summary>
internal sealed class LogHypervolumeImprovement
{
    /// <summary>The least side of a part.</summary>
    private const double Least = 1e-12;

    private const int Lanes = 4;

    private readonly Sides[] _sides;
    private readonly int _samples;

    /// <param name="boxes">Those that no point of the front is as good as: the same for all samples, or of each sample its own.</param>
    /// <param name="samples">Number of samples.</param>
    public LogHypervolumeImprovement(IReadOnlyList<BoxDecomposition> boxes, int samples)
    {
        if (boxes.Count != 1 && boxes.Count != samples)
            throw new ArgumentException($"{boxes.Count} sets of boxes are not those of {samples} samples", nameof(boxes));
        (_sides, _samples) = ([.. boxes.Select(b => new Sides(b))], samples);
    }

    /// <summary>Ends and lengths of boxes, objective after objective, each filled up to whole lanes with boxes of no length.</summary>
    private sealed class Sides
    {
        public Sides(BoxDecomposition boxes)
        {
            Stride = (boxes.Count + Lanes - 1) / Lanes * Lanes;
            (Objectives, Ends, Lengths) = (boxes.Objectives, new double[boxes.Objectives * Stride], new double[boxes.Objectives * Stride]);
            for (int k = 0; k < boxes.Objectives; k++)
            {
                for (int b = 0; b < boxes.Count; b++)
                {
                    double end = boxes.Upper(k)[b];
                    Ends[k * Stride + b] = end;
                    Lengths[k * Stride + b] = Math.Max(Least, end - boxes.Lower(k)[b]);
                }
            }
        }

        public int Objectives { get; }

        public int Stride { get; }

        public double[] Ends { get; }

        public double[] Lengths { get; }
    }

    /// <summary>Its value.</summary>
    /// <param name="scores">Of each sample, one objective after the other.</param>
    /// <param name="slopes">Receives the derivative by each score; may be empty.</param>
    public double At(ReadOnlySpan<double> scores, Span<double> slopes)
    {
        int objectives = _sides[0].Objectives;
        Span<double> score = stackalloc double[objectives], slope = stackalloc double[slopes.IsEmpty ? 0 : objectives];
        double sum = 0;
        for (int s = 0; s < _samples; s++)
        {
            for (int k = 0; k < objectives; k++) score[k] = scores[k * _samples + s];
            var sides = _sides[_sides.Length == 1 ? 0 : s];
            if (slope.IsEmpty)
            {
                sum += Volume(sides, score);
                continue;
            }
            sum += Volume(sides, score, slope);
            for (int k = 0; k < objectives; k++) slopes[k * _samples + s] = slope[k];
        }
        foreach (ref double each in slopes) each /= sum;
        return Math.Log(sum / _samples);
    }

    private static double Volume(Sides sides, ReadOnlySpan<double> score)
    {
        var sums = Vector256<double>.Zero;
        for (int b = 0; b < sides.Stride; b += Lanes)
        {
            var product = Side(sides, score, 0, b);
            for (int k = 1; k < score.Length; k++) product *= Side(sides, score, k, b);
            sums += product;
        }
        return sums[0] + sums[1] + (sums[2] + sums[3]);
    }

    private static double Volume(Sides sides, ReadOnlySpan<double> score, Span<double> slope)
    {
        int objectives = score.Length;
        Span<Vector256<double>> parts = stackalloc Vector256<double>[objectives], slopes = stackalloc Vector256<double>[objectives];
        slopes.Clear();
        var sums = Vector256<double>.Zero;
        for (int b = 0; b < sides.Stride; b += Lanes)
        {
            // of those before each side, then of those after it
            var before = Vector256<double>.One;
            for (int k = 0; k < objectives; k++)
            {
                parts[k] = before;
                before *= Side(sides, score, k, b);
            }
            sums += before;
            var after = Vector256<double>.One;
            for (int k = objectives - 1; k >= 0; k--)
            {
                Vector256<double> side = Side(sides, score, k, b), length = Vector256.Create<double>(sides.Lengths.AsSpan(k * sides.Stride + b));
                // at either end it stays as long as it is
                var moves = Vector256.GreaterThan(side, Vector256.Create(Least)) & Vector256.LessThan(side, length);
                slopes[k] += (parts[k] * after) & moves;
                after *= side;
            }
        }
        for (int k = 0; k < objectives; k++) slope[k] = slopes[k][0] + slopes[k][1] + (slopes[k][2] + slopes[k][3]);
        return sums[0] + sums[1] + (sums[2] + sums[3]);
    }

    private static Vector256<double> Side(Sides sides, ReadOnlySpan<double> score, int k, int b)
    {
        int at = k * sides.Stride + b;
        var length = Vector256.Create(score[k]) + Vector256.Create<double>(sides.Ends.AsSpan(at));
        return Vector256.Min(Vector256.Max(length, Vector256.Create(Least)), Vector256.Create<double>(sides.Lengths.AsSpan(at)));
    }
}
