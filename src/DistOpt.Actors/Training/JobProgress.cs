namespace DistOpt.Actors.Training;

/// <summary>Step, speed and age of a job as its coordinator sees them.</summary>
internal sealed class JobProgress(TimeProvider time)
{
    private long _startedAt = time.GetTimestamp();
    private long _movedAt = time.GetTimestamp();
    private (long At, long Samples) _speedMark;
    private double _secondsBefore;

    public long CurrentStep { get; private set; }

    public long TotalSteps { get; private set; }

    public long Samples { get; private set; }

    public double? Loss { get; private set; }

    /// <summary>Over the latest second or so.</summary>
    public double SamplesPerSecond { get; private set; }

    /// <summary>Of the run, those before it was resumed included.</summary>
    public double WallSeconds => _secondsBefore + time.GetElapsedTime(_startedAt).TotalSeconds;

    /// <summary>How long nothing has been heard of the job.</summary>
    public TimeSpan Silence => time.GetElapsedTime(_movedAt);

    /// <param name="step">Steps that are done; 0 at the beginning of a run.</param>
    /// <param name="samples">Trained on until then.</param>
    /// <param name="seconds">That it took.</param>
    public void Start(long totalSteps, long step, long samples, double seconds)
    {
        TotalSteps = totalSteps;
        _startedAt = _movedAt = time.GetTimestamp();
        (CurrentStep, Samples, _secondsBefore) = (step, samples, seconds);
        _speedMark = (_startedAt, Samples);
    }

    public void Moved() => _movedAt = time.GetTimestamp();

    public void Step(long step, long samples, double? loss)
    {
        (CurrentStep, Samples, Loss) = (step, samples, loss ?? Loss);
        double seconds = time.GetElapsedTime(_speedMark.At).TotalSeconds;
        if (seconds < 0.5 && SamplesPerSecond > 0) return;
        if (seconds > 0) SamplesPerSecond = (samples - _speedMark.Samples) / seconds;
        if (seconds >= 0.5) _speedMark = (time.GetTimestamp(), samples);
    }
}
