namespace DistOpt.Benchmarks;

/// <summary>One row of the performance budget (DESIGN section 9): something of ours against a baseline, in one run.</summary>
public interface IBenchmarkRow
{
    /// <summary>Name on the command line.</summary>
    string Name { get; }

    /// <summary>One line: what is measured against what.</summary>
    string Summary { get; }

    /// <summary>Measures, and gives one or more lines of the table.</summary>
    IEnumerable<BenchmarkLine> Run(BenchmarkContext context);
}

/// <summary>A line of the table.</summary>
/// <param name="What">What is compared, with its size.</param>
/// <param name="Ours">Our figure, in <paramref name="Unit"/>.</param>
/// <param name="Baseline">The baseline's figure in the same unit; NaN = there is none, the line tells a figure of ours alone.</param>
/// <param name="Unit">Such as "GB/s"; more is better, unless <paramref name="LessIsBetter"/>.</param>
/// <param name="Budget">The least ratio ours / baseline (the most, where less is better); null: the line only informs.</param>
public sealed record BenchmarkLine(string What, double Ours, double Baseline, string Unit, double? Budget, bool LessIsBetter = false)
{
    public double Ratio => Ours / Baseline;

    public bool? Holds => Budget is not { } budget ? null : LessIsBetter ? Ratio <= budget : Ratio >= budget;
}
