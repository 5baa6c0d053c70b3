using DistOpt.Core.Training;

namespace DistOpt.Actors.Tests.Support;

/// <summary>Holds up whoever computes a leaf of a step (or of a later one, whichever comes first) until it is released.</summary>
internal sealed class StepGate(long step)
{
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ManualResetEventSlim _released = new();

    public Task Reached(CancellationToken cancellationToken) => _reached.Task.WaitAsync(Eventually.Patience, cancellationToken);

    public void Release() => _released.Set();

    public void Pass(StepPlan plan, int shard)
    {
        if (plan.Step < step || _released.IsSet) return;
        _reached.TrySetResult();
        _released.Wait(Eventually.Patience);
    }
}
