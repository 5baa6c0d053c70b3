namespace DistOpt.Actors.Tests.Support;

/// <summary>The system's time, and what a test puts it forward.</summary>
internal sealed class ShiftedTime : TimeProvider
{
    private long _shift;

    /// <summary>Puts the clock forward.</summary>
    public void Advance(TimeSpan by) => Interlocked.Add(ref _shift, by.Ticks);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => System.GetElapsedTime(0).Ticks + Interlocked.Read(ref _shift);

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + TimeSpan.FromTicks(Interlocked.Read(ref _shift));
}
