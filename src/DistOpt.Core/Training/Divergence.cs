using System.Globalization;
using DistOpt.Core.Parameters;

namespace DistOpt.Core.Training;

/// <summary>What is told of a run whose loss became NaN or infinite.</summary>
public static class Divergence
{
    /// <summary>Whether the step's loss shows that training has diverged. Steps without a loss (no samples counted) do not.</summary>
    /// <param name="step">Metrics of the whole step.</param>
    public static bool Is(MetricSums step)
    {
        ArgumentNullException.ThrowIfNull(step);
        return step.TryGet(MetricSums.Loss, out var loss) && !double.IsFinite(loss.Sum);
    }

    /// <summary>One line: the step, and the first tensor with a value that is not finite.</summary>
    /// <param name="step">Updates applied, the one of the step that diverged included; at least 1.</param>
    /// <param name="weights">The parameters after it, <c>layout.ParameterCount</c> of them.</param>
    public static string Text(ParameterLayout layout, long step, ReadOnlySpan<float> weights)
    {
        ArgumentNullException.ThrowIfNull(layout);
        int at = FiniteScan.FirstNonFinite(weights);
        string where = at < 0 ? "every weight is still finite" : Name(layout, at, weights[at]);
        return string.Create(CultureInfo.InvariantCulture, $"training diverged: the loss of step {step - 1} is NaN or infinite ({where}); ")
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
