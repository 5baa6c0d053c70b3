using System.Globalization;
using DistOpt.Core.Functions;
using DistOpt.Core.Training;

namespace DistOpt;

/// <summary>
/// What a person sees when a function is minimized: a table of its variables and its value. Every step up to the tenth, then every tenth up to
/// the hundredth, and so on.
/// </summary>
internal sealed class FunctionTable(FunctionOptions options, long totalSteps, Action<string> writeLine)
{
    private const int CellWidth = 14;

    private readonly int _stepWidth = Math.Max(4, totalSteps.ToString(CultureInfo.InvariantCulture).Length);
    private long _shown = -1;

    public void Header()
    {
        string constants = options.Constants.Count == 0 ? "" : " with " + string.Join(", ", options.Constants.Select(c => $"{c.Key} = {c.Value:R}"));
        writeLine($"minimizing {options.Expression}{constants}");
        writeLine("step".PadLeft(_stepWidth) + string.Concat(options.Variables.Keys.Append("value").Select(n => Fit(n).PadLeft(CellWidth))));
    }

    /// <summary>A train row of the first step tells where it starts, a validation row where the step has led.</summary>
    public void Row(MetricRow row)
    {
        if (row.Split == DataSplit.Train && row.Step == 1) Line(0, row);
        else if (row.Split == DataSplit.Validation && (IsShown(row.Step) || row.Step == totalSteps)) Line(row.Step, row);
    }

    private void Line(long step, MetricRow row)
    {
        if (step <= _shown) return;
        _shown = step;
        var cells = options.Variables.Keys.Append(MetricSums.Loss).Select(n => Number(row.Get(n) ?? double.NaN).PadLeft(CellWidth));
        writeLine(step.ToString(CultureInfo.InvariantCulture).PadLeft(_stepWidth) + string.Concat(cells));
    }

    private static bool IsShown(long step)
    {
        long unit = 1;
        while (step / unit >= 10) unit *= 10;
        return step % unit == 0;
    }

    private static string Number(double value) => Math.Abs(value) is 0 or (>= 1e-4 and < 1e6)
        ? value.ToString("0.000000", CultureInfo.InvariantCulture) : value.ToString("0.000000e+00", CultureInfo.InvariantCulture);

    private static string Fit(string name) => name.Length < CellWidth ? name : name[..(CellWidth - 3)] + "..";
}
