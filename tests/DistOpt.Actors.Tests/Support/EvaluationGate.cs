namespace DistOpt.Actors.Tests.Support;

/// <summary>Holds up the first evaluation until it is released.</summary>
internal sealed class EvaluationGate
{
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ManualResetEventSlim _released = new();

    public Task Reached => _reached.Task.WaitAsync(Eventually.Patience, TestContext.Current.CancellationToken);

    public void Release() => _released.Set();

    public void Pass()
    {
        if (_released.IsSet) return;
        _reached.TrySetResult();
        _released.Wait(Eventually.Patience);
    }
}
