using System.Globalization;
using DistOpt.Core.Parameters;

namespace DistOpt.Core.Training;

/// <summary>A step whose update is not applied, since training has diverged.</summary>
/// <param name="Loss">Mean loss of the step; null where it had none.</param>
/// <param name="NonFinite">First position of the flat vector at which a gradient shard is not finite; null where all are.</param>
public sealed record DivergedStep(double? Loss, long? NonFinite)
{
    /// <summary>Whether no step showed it but the end of the run, behind the last update: the loss is then that of the validation part.</summary>
    public bool IsAtEnd { get; init; }
}

/// <summary>When a run has diverged, and what is told of it.</summary>
public static class Divergence
{
    /// <summary>A loss of so many times the first step's is no training any more, although it is a number, unless the spec says otherwise.</summary>
    public const double UsualFactor = 1e5;

    /// <summary>The first step's loss counts as at least this, for a run may begin with a loss of nearly 0.</summary>
    public const double SmallestFirstLoss = 1e-2;

    /// <summary>Whether a step's loss shows that training has diverged: NaN, infinite, or so many times the first step's.</summary>
    /// <param name="loss">Mean loss of the step.</param>
    /// <param name="first">Mean loss of the run's first step; NaN where there was none.</param>
    /// <param name="factor">How many times, above 1; null = no finite loss does.</param>
    public static bool Is(double loss, double first, double? factor = UsualFactor) =>
        !double.IsFinite(loss) || (factor is { } most && Math.Abs(loss) > most * Math.Max(Math.Abs(first), SmallestFirstLoss));

    /// <summary>
    /// The first element of a gradient shard that is not finite; null where all are. Half of what a float32 holds, shared among all gradient shards, is
    /// the bound, so that sums over shards are finite too, in whatever groups they are added up: who computed what with whom decides nothing.
    /// </summary>
    /// <param name="gradient">Sum of per-sample gradients of one gradient shard.</param>
    /// <param name="gradientShards">Gradient shards of a batch, at least 1.</param>
    public static long? FirstNonFinite(ReadOnlySpan<float> gradient, int gradientShards)
    {
        int at = FiniteScan.FirstBeyond(gradient, float.MaxValue / 2 / gradientShards);
        return at < 0 ? null : at;
    }

    /// <summary>What two parts of a batch have together.</summary>
    internal static long? First(long? left, long? right) => left is { } l && right is { } r ? Math.Min(l, r) : left ?? right;

    /// <summary>One line: the step, its loss, and the first tensor whose gradient is not finite.</summary>
    /// <param name="step">Number of the step, from 0: updates applied before.</param>
    /// <param name="weights">The parameters before it, <c>layout.ParameterCount</c> of them.</param>
    /// <param name="factor">The spec's <c>stop.divergence_factor</c>.</param>
    public static string Text(ParameterLayout layout, long step, DivergedStep diverged, ReadOnlySpan<float> weights, double? factor = UsualFactor)
    {
        ArgumentNullException.ThrowIfNull(layout);
        ArgumentNullException.ThrowIfNull(diverged);
        int bad = FiniteScan.FirstNonFinite(weights);
        if (diverged.IsAtEnd) return EndText(layout, step, diverged.Loss, bad, factor);
        string gradient = diverged.NonFinite is { } at ? $"its gradient is not finite, first in {Name(layout, at)}" : "its gradient is finite";
        string what = diverged.Loss switch
        {
            null => "",
            double.NaN => "its loss is NaN and ",
            { } loss when double.IsInfinity(loss) => "its loss is infinite and ",
            { } loss when diverged.NonFinite is null =>
                string.Create(CultureInfo.InvariantCulture, $"its loss is {loss:0.###e+0}, more than {factor:0.###e+0} times the first one, and "),
            { } loss => string.Create(CultureInfo.InvariantCulture, $"its loss is {loss:0.####} and "),
        };
        string before = bad < 0 ? "" : $"; the weights before it are not finite either, first in {Name(layout, bad)}";
        return string.Create(CultureInfo.InvariantCulture, $"training diverged at step {step}: {what}{gradient}{before}; its update was not applied; ")
            + Advice;
    }

    private const string Advice = "lower optimizer.learning_rate, or look at data and loss";

    private static string EndText(ParameterLayout layout, long step, double? loss, int bad, double? factor)
    {
        string what = loss switch
        {
            double.NaN => "the validation loss is NaN",
            { } value when double.IsInfinity(value) => "the validation loss is infinite",
            { } value => string.Create(CultureInfo.InvariantCulture,
                $"the validation loss is {value:0.###e+0}, more than {factor:0.###e+0} times the first step's"),
            null => "",
        };
        string weights = bad < 0 ? "" : $"the weights are not finite, first in {Name(layout, bad)}";
        string both = string.Join(" and ", new[] { what, weights }.Where(w => w.Length > 0));
        return string.Create(CultureInfo.InvariantCulture, $"training diverged at its end: after {step} steps {both}; {Advice}");
    }

    private static string Name(ParameterLayout layout, long at)
    {
        var tensor = layout.ParameterAt(at);
        return string.Create(CultureInfo.InvariantCulture, $"'{tensor.Name}' at element {at - tensor.Offset} of {tensor.Length}");
    }
}
