using DistOpt.Core.Schedules;
using DistOpt.Core.Training;

namespace DistOpt;

/// <summary>Feeds a sweep with the training row of every step, and ends the run when the sweep knows enough.</summary>
/// <param name="sweep">What to feed.</param>
/// <param name="steps">Points that are wanted.</param>
/// <param name="end">Ends the run.</param>
/// <param name="warnings">Where warnings about model and data go.</param>
internal sealed class SweepObserver(LearningRateSweep sweep, int steps, Action end, TextWriter warnings) : ITrainingObserver
{
    public bool IsDone => sweep.HasDiverged || sweep.Points.Count >= steps;

    public void Started(RunStarted run, TrainingContext context)
    {
        foreach (string warning in run.Warnings) warnings.WriteLine("warning: " + warning);
    }

    public void Evaluated(MetricRow row, TrainingContext context)
    {
        if (IsDone || row.Split != DataSplit.Train || row.LearningRate is not { } rate || row.Get(MetricSums.Loss) is not { } loss) return;
        sweep.Add(row.Step - 1, rate, loss);
        if (IsDone) end();
    }
}
