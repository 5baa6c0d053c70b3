namespace DistOpt.Actors.Workers;

/// <summary>How far a node's replica of a job has come, for whoever asks its node.</summary>
internal sealed class ReachedStep
{
    private long _step;

    /// <summary>Steps that were complete when it last began to compute; 0 before the first one.</summary>
    public long Step
    {
        get => Volatile.Read(ref _step);
        set => Volatile.Write(ref _step, value);
    }
}
