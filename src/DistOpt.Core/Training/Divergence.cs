using System.Globalization;
using DistOpt.Core.Parameters;

namespace DistOpt.Core.Training;

/// <summary>
/// When a run has diverged, and what is told of it. Decided by the loss of a step, which every server's weights go into: the server of key 0
/// has it with the step's gradient, so it costs nothing.
/// </summary>
public static class Divergence
{
    /// <summary>A loss of so many times the first step's is no training any more, although it is a number.</summary>
    public const double Factor = 1e9;

    /// <summary>The first step's loss counts as at least this, for a run may begin with a loss of nearly 0.</summary>
    public const double SmallestFirstLoss = 1e-6;

    /// <summary>Whether a step's loss shows that training has diverged: NaN, infinite, or <see cref="Factor"/> times the first step's.</summary>
    /// <param name="loss">Mean loss of the step.</param>
    /// <param name="first">Mean loss of the run's first step; NaN where there was none.</param>
    public static bool Is(double loss, double first) =>
        !double.IsFinite(loss) || Math.Abs(loss) > Factor * Math.Max(Math.Abs(first), SmallestFirstLoss);

    /// <summary>One line: the step, and the first tensor with a value that is not finite.</summary>
    /// <param name="step">Updates applied, the one of the step that diverged included; at least 1.</param>
    /// <param name="loss">Mean loss of the step that diverged.</param>
    /// <param name="weights">The parameters after it, <c>layout.ParameterCount</c> of them.</param>
    public static string Text(ParameterLayout layout, long step, double loss, ReadOnlySpan<float> weights)
    {
        ArgumentNullException.ThrowIfNull(layout);
        int at = FiniteScan.FirstNonFinite(weights);
        string where = at < 0 ? "every weight is still finite" : Name(layout, at, weights[at]);
        string value = double.IsNaN(loss) ? "NaN" : double.IsInfinity(loss) ? "infinite"
            : string.Create(CultureInfo.InvariantCulture, $"{loss:0.###e+0}, more than {Factor:0e+0} times the first one");
        return string.Create(CultureInfo.InvariantCulture, $"training diverged: the loss of step {step - 1} is {value} ({where}); ")
            + "lower optimizer.learning_rate, or look at data and loss";
    }

    private static string Name(ParameterLayout layout, int at, float value)
    {
        var tensor = layout.ParameterAt(at);
        string shown = float.IsNaN(value) ? "NaN" : value > 0 ? "infinity" : "-infinity";
        return string.Create(CultureInfo.InvariantCulture,
            $"the first tensor with such a value is '{tensor.Name}', {shown} at element {at - tensor.Offset} of {tensor.Length}");
    }
}
