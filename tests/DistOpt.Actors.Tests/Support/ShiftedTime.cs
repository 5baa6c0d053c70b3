namespace DistOpt.Actors.Tests.Support;

/// <summary>The system's time, and what a test puts it forward; or that alone.</summary>
internal sealed class ShiftedTime : TimeProvider
{
    private long _shift;
    private (long Timestamp, DateTimeOffset Utc)? _stopped;

    /// <summary>How much every look at the clock costs.</summary>
    public TimeSpan PerLook { get; set; }

    /// <summary>Puts the clock forward.</summary>
    public void Advance(TimeSpan by) => Interlocked.Add(ref _shift, by.Ticks);

    /// <summary>From now on the system's time plays no part.</summary>
    public void Stop() => _stopped = (System.GetElapsedTime(0).Ticks, System.GetUtcNow());

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => (_stopped?.Timestamp ?? System.GetElapsedTime(0).Ticks) + Interlocked.Add(ref _shift, PerLook.Ticks);

    public override DateTimeOffset GetUtcNow() => (_stopped?.Utc ?? System.GetUtcNow()) + TimeSpan.FromTicks(Interlocked.Read(ref _shift));
}
