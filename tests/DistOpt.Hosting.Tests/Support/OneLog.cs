using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Tests.Support;

/// <summary>All loggers of a host in one.</summary>
internal sealed class OneLog(ILogger log) : ILoggerFactory
{
    public ILogger CreateLogger(string categoryName) => log;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public void Dispose() { }
}
