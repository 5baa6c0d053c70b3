using System.Threading.Channels;
using DistOpt.Actors.Tensors;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tests.Tensors;

/// <summary>A frame as it was handed over.</summary>
public sealed record Arrival(TensorHeader Header, IWireMessage? Meta, TensorLease Payload);

/// <summary>Takes every frame and keeps it until the test asks for it.</summary>
public sealed class RecordingReceiver : ITensorReceiver
{
    private readonly Channel<Arrival> _arrivals = Channel.CreateUnbounded<Arrival>();
    private int _accepts, _abandoned;

    /// <summary>Memory for a frame, or null to have it thrown away.</summary>
    public Func<TensorHeader, TensorLease?> Give { get; init; } = h => new TensorLease(new float[h.Range.Length]);

    /// <summary>Runs in <see cref="Received"/> first.</summary>
    public Action<Arrival>? OnReceived { get; init; }

    public bool CreditOnReceipt { get; init; }

    public int Accepts => Volatile.Read(ref _accepts);

    public int Abandons => Volatile.Read(ref _abandoned);

    public int Waiting => _arrivals.Reader.Count;

    public TensorLease? Accept(in TensorHeader header)
    {
        Interlocked.Increment(ref _accepts);
        return Give(header);
    }

    public void Received(in TensorHeader header, IWireMessage? meta, TensorLease payload)
    {
        var arrival = new Arrival(header, meta, payload);
        OnReceived?.Invoke(arrival);
        _arrivals.Writer.TryWrite(arrival);
    }

    public void Abandoned(in TensorHeader header, TensorLease payload)
    {
        payload.Dispose();
        Interlocked.Increment(ref _abandoned);
    }

    public ValueTask<Arrival> NextAsync(CancellationToken cancellation) => _arrivals.Reader.ReadAsync(cancellation);
}

/// <summary>Counts how often leases are released.</summary>
public sealed class LeaseCount
{
    private readonly SemaphoreSlim _released = new(0);
    private int _made, _disposed, _seen;

    public int Made => Volatile.Read(ref _made);

    public int Disposed => Volatile.Read(ref _disposed);

    public TensorLease New(float[] values)
    {
        Interlocked.Increment(ref _made);
        return new TensorLease(values, _ =>
        {
            Interlocked.Increment(ref _disposed);
            _released.Release();
        });
    }

    /// <summary>Waits until so many are disposed in all; fails if it is ever more.</summary>
    public async Task AllDisposedAsync(int count, CancellationToken cancellation)
    {
        for (; _seen < count; _seen++) await _released.WaitAsync(cancellation);
        Assert.Equal(count, Disposed);
    }
}
