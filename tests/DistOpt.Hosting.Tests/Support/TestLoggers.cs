using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Tests.Support;

/// <summary>One logger for all categories.</summary>
internal sealed class TestLoggers(ILogger logger) : ILoggerFactory
{
    public ILogger CreateLogger(string categoryName) => logger;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public void Dispose() { }
}
