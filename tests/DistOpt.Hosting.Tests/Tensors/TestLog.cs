using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Tests.Tensors;

/// <summary>Keeps the lines of a logger.</summary>
internal sealed class TestLog : ILogger
{
    private readonly SemaphoreSlim _written = new(0);

    public ConcurrentQueue<(LogLevel Level, string Text)> Lines { get; } = [];

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        Lines.Enqueue((logLevel, formatter(state, exception)));
        _written.Release();
    }

    /// <summary>Waits until the condition holds, looking again after each line.</summary>
    public async Task UntilAsync(Func<bool> holds)
    {
        while (!holds()) await _written.WaitAsync(TestContext.Current.CancellationToken);
    }
}
