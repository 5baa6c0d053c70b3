using System.Globalization;

namespace DistOpt.Hosting.Processes;

/// <summary>How a process ended, in words.</summary>
internal static class ExitStatus
{
    /// <summary>On Unix a process that a signal ended has 128 and the signal's number as its exit code.</summary>
    private const int SignalBase = 128;

    private static readonly Dictionary<int, string> Signals = new()
    {
        [1] = "SIGHUP",
        [2] = "SIGINT",
        [3] = "SIGQUIT",
        [4] = "SIGILL",
        [6] = "SIGABRT",
        [8] = "SIGFPE",
        [9] = "SIGKILL",
        [11] = "SIGSEGV",
        [13] = "SIGPIPE",
        [14] = "SIGALRM",
        [15] = "SIGTERM",
    };

    public static string Describe(int exitCode)
    {
        string code = string.Create(CultureInfo.InvariantCulture, $"exit code {exitCode}");
        // SIGBUS has another number elsewhere
        string? signal = OperatingSystem.IsLinux() && exitCode == SignalBase + 7 ? "SIGBUS" : Signals.GetValueOrDefault(exitCode - SignalBase);
        return OperatingSystem.IsWindows() || signal is null ? code : $"{code} ({signal})";
    }
}
