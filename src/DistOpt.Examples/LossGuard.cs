using DistOpt.Core.Training;

namespace DistOpt.Examples;

/// <summary>An observer that ends a run which diverges, instead of letting it burn through its epochs.</summary>
/// <param name="factor">How many times the lowest loss so far is too much.</param>
public sealed class LossGuard(double factor) : ITrainingObserver
{
    private double _lowest;

    public void Started(RunStarted run, TrainingContext context) => _lowest = double.PositiveInfinity;

    public void Step(RunProgress progress, TrainingContext context)
    {
        _lowest = Math.Min(_lowest, progress.Loss);
        if (double.IsFinite(progress.Loss) && progress.Loss <= factor * Math.Max(_lowest, 1)) return;
        Console.Error.WriteLine($"loss {progress.Loss:G4} at step {progress.Step}, after {_lowest:G4}: the run diverges and is stopped");
        context.RequestStop();
    }
}
