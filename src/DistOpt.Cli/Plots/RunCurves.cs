using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Plots;

/// <summary>A run's rows as curves.</summary>
/// <param name="Name">In the legend.</param>
/// <param name="Rows">Of training and validation, in order.</param>
/// <param name="Selected">Step of the selected weights; null while there are none.</param>
internal sealed record RunCurves(string Name, IReadOnlyList<MetricRow> Rows, long? Selected)
{
    /// <exception cref="SpecException">The run has no rows yet, or a file of it is damaged.</exception>
    public static RunCurves Read(RunDirectoryReader run, string? name)
    {
        string path = run.Directory.Path;
        MetricRow[] rows = [.. run.Rows().Where(r => r.Split != DataSplit.Test)];
        if (rows.Length == 0) throw new SpecException("", $"run '{path}' has no metrics yet; wait for its first evaluation");
        return new RunCurves(name ?? Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path))), rows, run.Summary()?.Selected?.Step);
    }

    /// <summary>Names of the metrics, in the order of their first appearance.</summary>
    public IEnumerable<string> Metrics => Rows.SelectMany(r => r.Metrics).Select(m => m.Key).Distinct();

    /// <summary>
    /// Epochs that are done at a step, with fractions. The last training row of an epoch is its end, and where the batch size varies epochs differ in steps;
    /// of those without rows each has as many. The latest one has ended if it was evaluated there or has as many steps as the one before; else it will have
    /// those.
    /// </summary>
    public Func<double, double> EpochsAt()
    {
        var ends = new List<(double Step, double Epochs)> { (0, 0) };
        foreach (var epoch in Rows.Where(r => r.Split == DataSplit.Train).GroupBy(r => r.Epoch, r => r.Step).OrderBy(g => g.Key))
            if (epoch.Max() > ends[^1].Step) ends.Add((epoch.Max(), epoch.Key + 1));
        if (ends.Count > 2 && !Rows.Any(r => r.Split != DataSplit.Train && r.Step == ends[^1].Step))
        {
            var (start, before) = (ends[^2], ends[^3]);
            double usual = (start.Step - before.Step) / (start.Epochs - before.Epochs) * (ends[^1].Epochs - start.Epochs);
            ends[^1] = (Math.Max(ends[^1].Step, start.Step + usual), ends[^1].Epochs);
        }
        return step =>
        {
            if (ends.Count == 1) return step;
            int i = ends.FindIndex(1, e => e.Step >= step);
            if (i < 0) i = ends.Count - 1;
            var (from, to) = (ends[i - 1], ends[i]);
            return from.Epochs + (step - from.Step) / (to.Step - from.Step) * (to.Epochs - from.Epochs);
        };
    }

    /// <summary>
    /// Batch sizes without what remained for the last batch of an epoch, which no strategy chose, as far as other rows of the epoch tell the size.
    /// </summary>
    public (double[] Steps, double[] Sizes) BatchSizes()
    {
        var rows = Rows.Where(r => r.Split == DataSplit.Train && r.BatchSize is not null).ToList();
        var kept = rows.Where((row, i) =>
        {
            if (row.BatchReason is { } reason) return reason != "epoch_end";
            bool endsEpoch = i == rows.Count - 1 || rows[i + 1].Epoch != row.Epoch;
            return !(endsEpoch && i > 0 && rows[i - 1].Epoch == row.Epoch && row.BatchSize < rows[i - 1].BatchSize);
        }).ToList();
        return ([.. kept.Select(r => (double)r.Step)], [.. kept.Select(r => (double)r.BatchSize!.Value)]);
    }

    /// <summary>The values of one split; rows without one are left out.</summary>
    public (double[] Steps, double[] Values) Curve(DataSplit split, Func<MetricRow, double?> value)
    {
        var points = Rows.Where(r => r.Split == split).Select(r => (r.Step, Value: value(r))).Where(p => p.Value is not null).ToArray();
        return ([.. points.Select(p => (double)p.Step)], [.. points.Select(p => p.Value!.Value)]);
    }
}
