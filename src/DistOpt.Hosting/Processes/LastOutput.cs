using DistOpt.Core.Training;

namespace DistOpt.Hosting.Processes;

/// <summary>
/// What a child process wrote last. The runtime's report of its end (an unhandled exception, a fail-fast, a fault in native code) is kept apart and
/// from its beginning, since it is longer than the last lines and says most in the first ones. Thread-safe.
/// </summary>
internal sealed class LastOutput
{
    /// <summary>Lines of the runtime's report that are kept: the first ones.</summary>
    public const int ReportLinesMax = 60;

    /// <summary>How the runtime's reports begin on standard error, in .NET 10.</summary>
    private static readonly string[] Begins = ["Unhandled exception. ", "Process terminated.", "Fatal error."];

    private readonly Lock _lock = new();
    private readonly LastLines _lines = new();
    private readonly List<string> _report = [];

    /// <summary>Oldest first; without the report.</summary>
    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (_lock) return _lines.Snapshot();
        }
    }

    /// <summary>The runtime's report of the end; null where it wrote none.</summary>
    public string? Report
    {
        get
        {
            lock (_lock) return _report.Count == 0 ? null : string.Join(Environment.NewLine, _report);
        }
    }

    public void Add(bool isError, string line)
    {
        lock (_lock)
        {
            bool isReport = isError && (_report.Count > 0 || Begins.Any(b => line.StartsWith(b, StringComparison.Ordinal)));
            if (!isReport) _lines.Add(line);
            else if (_report.Count < ReportLinesMax) _report.Add(line);
        }
    }
}
