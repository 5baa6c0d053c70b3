using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Tests.Tensors;

/// <summary>Keeps the lines of a logger.</summary>
internal sealed class TestLog : ILogger
{
    public ConcurrentQueue<(LogLevel Level, string Text)> Lines { get; } = [];

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        Lines.Enqueue((logLevel, formatter(state, exception)));
        if (logLevel >= LogLevel.Error) TestContext.Current.SendDiagnosticMessage("{0} {1}", formatter(state, exception), exception);
    }
}
