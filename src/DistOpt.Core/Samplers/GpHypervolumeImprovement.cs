using DistOpt.Core.MultiObjective;
using DistOpt.Core.Numerics;

namespace DistOpt.Core.Samplers;

/// <summary>
/// The logarithm of the expected hypervolume improvement over the front (<see cref="LogHypervolumeImprovement"/>) by fixed samples of what independent
/// processes of the objectives say of a point. With pending trials each sample has their values too, drawn from the processes together with the point's, and
/// so a front of its own that they belong to: the expectation over fantasies, as of one objective (qLogEHVI of Optuna's <c>_gp/acqf.py</c>, which at first took
/// the processes' means for those values). Values are maximized.
/// </summary>
internal sealed class GpHypervolumeImprovement : IGpImprovement
{
    private readonly GaussianProcess[] _objectives;

    // of each objective, for each pending point and the one that is asked for: those of all samples
    private readonly double[][][] _normals;
    private readonly LogHypervolumeImprovement _improvement;
    private readonly int _samples;
    private readonly int _pending;
    private readonly double[] _scores;
    private readonly double[] _slopes;
    private readonly double[][] _solved;

    /// <param name="objectives">A process of the standardized values of each objective; with the pending points.</param>
    /// <param name="losses">Negatives of those values, of the feasible trials, which are to be improved on: at least one.</param>
    /// <param name="normals">
    /// A standard normal vector of each sample: for each objective one element for each pending point, and then one for the point that is asked for.
    /// </param>
    public GpHypervolumeImprovement(GaussianProcess[] objectives, double[][] losses, double[][] normals)
    {
        (_objectives, _samples, _pending) = (objectives, normals.Length, objectives[0].Pending);
        int each = _pending + 1;
        double[][] elements = [.. Enumerable.Range(0, objectives.Length * each).Select(i => normals.Select(n => n[i]).ToArray())];
        _normals = [.. elements.Chunk(each)];
        (_scores, _slopes) = (new double[objectives.Length * _samples], new double[objectives.Length * _samples]);
        _solved = [.. objectives.Select(o => new double[o.Observed + o.Pending])];
        double[] reference = HypervolumeSubset.ReferenceOf(losses);
        double[][] front = [.. Domination.FirstFronts(losses, 1)[0].Select(i => losses[i])];
        BoxDecomposition[] boxes = _pending == 0 ? [BoxDecomposition.Of(front, reference)]
            : [.. Fantasies().Select(fantasy => BoxDecomposition.Of(front.Concat(fantasy), reference))];
        _improvement = new LogHypervolumeImprovement(boxes, _samples);
    }

    /// <inheritdoc/>
    public double At(ReadOnlySpan<double> point, Span<double> gradient)
    {
        Span<double> deviations = stackalloc double[_objectives.Length];
        for (int k = 0; k < _objectives.Length; k++)
        {
            var (mean, variance) = _objectives[k].Predict(point, _solved[k]);
            deviations[k] = Math.Sqrt(variance);
            Draw(k, mean, deviations[k], _solved[k].AsSpan(_objectives[k].Observed));
        }
        if (gradient.IsEmpty) return _improvement.At(_scores, []);
        double value = _improvement.At(_scores, _slopes);
        double[] byPending = new double[_pending];
        for (int k = 0; k < _objectives.Length; k++)
        {
            var slopes = _slopes.AsSpan(k * _samples, _samples);
            for (int i = 0; i < _pending; i++) byPending[i] = Vectors.Dot(slopes, _normals[k][i]);
            double byDeviation = Vectors.Dot(slopes, _normals[k][_pending]);
            _objectives[k].AddGradient(point, _solved[k], Vectors.Sum(slopes), byDeviation / (2 * deviations[k]), byPending, gradient);
        }
        return value;
    }

    /// <inheritdoc/>
    public void AtMany(ReadOnlySpan<double> coordinates, int count, Span<double> values)
    {
        double[][] solved = new double[_objectives.Length][], means = new double[_objectives.Length][], variances = new double[_objectives.Length][];
        for (int k = 0; k < _objectives.Length; k++)
        {
            (solved[k], means[k], variances[k]) = (new double[_solved[k].Length * count], new double[count], new double[count]);
            _objectives[k].PredictMany(coordinates, count, solved[k], means[k], variances[k]);
        }
        double[] pending = new double[_pending];
        for (int c = 0; c < values.Length; c++)
        {
            for (int k = 0; k < _objectives.Length; k++)
            {
                for (int i = 0; i < _pending; i++) pending[i] = solved[k][(_objectives[k].Observed + i) * count + c];
                Draw(k, means[k][c], Math.Sqrt(variances[k][c]), pending);
            }
            values[c] = _improvement.At(_scores, []);
        }
    }

    /// <summary>Scores of an objective, of each sample.</summary>
    private void Draw(int k, double mean, double deviation, ReadOnlySpan<double> pending)
    {
        var scores = _scores.AsSpan(k * _samples, _samples);
        scores.Fill(mean);
        for (int i = 0; i < pending.Length; i++) Vectors.Add(pending[i], _normals[k][i], scores);
        Vectors.Add(deviation, _normals[k][_pending], scores);
    }

    /// <summary>Losses of the pending points, of each sample.</summary>
    private IEnumerable<double[][]> Fantasies()
    {
        var values = Array.ConvertAll(_objectives, o => o.PendingValues());
        for (int s = 0; s < _samples; s++)
        {
            double[][] fantasy = new double[_pending][];
            for (int i = 0; i < _pending; i++)
            {
                fantasy[i] = new double[_objectives.Length];
                for (int k = 0; k < _objectives.Length; k++)
                {
                    double seen = values[k].Means[i];
                    for (int j = 0; j <= i; j++) seen += values[k].Factor[i][j] * _normals[k][j][s];
                    fantasy[i][k] = -seen;
                }
            }
            yield return fantasy;
        }
    }
}
