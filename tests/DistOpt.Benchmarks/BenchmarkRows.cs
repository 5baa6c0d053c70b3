using DistOpt.Benchmarks.Rows;

namespace DistOpt.Benchmarks;

/// <summary>All rows. Adding one is one file in <c>Rows</c> and one line here.</summary>
internal static class BenchmarkRows
{
    public static IReadOnlyList<IBenchmarkRow> All { get; } =
    [
        new AdamRow(),
        new OptimizersRow(),
        new NoiseRow(),
        new ScanRow(),
        new PushPullRow(),
        new TrainingRow(),
        new PrecisionRow(),
        new CheckpointRow(),
        new StudyRow(),
        new FunctionStudyRow(),
    ];
}
