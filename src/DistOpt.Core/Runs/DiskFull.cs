using System.Data.Common;

namespace DistOpt.Core.Runs;

/// <summary>
/// Whether something could not be written since the disk, or the user's share of it, is full: that passes, and says nothing of what was to be written.
/// </summary>
public static class DiskFull
{
    /// <summary>Linux: ENOSPC, EDQUOT. .NET has the error's number as it is.</summary>
    private const int NoSpace = 28, NoQuota = 122;

    /// <summary>Windows: ERROR_HANDLE_DISK_FULL, ERROR_DISK_FULL.</summary>
    private const int HandleDiskFull = unchecked((int)0x80070027), NoDiskSpace = unchecked((int)0x80070070);

    /// <summary>SQLITE_FULL: how SQLite's client for .NET says it.</summary>
    private const string DatabaseFull = "SQLite Error 13:";

    /// <summary>The exception by which it shows, this one or one inside of it; null = it is something else.</summary>
    public static Exception? Find(Exception? error) => error switch
    {
        null => null,
        IOException { HResult: NoSpace or NoQuota or HandleDiskFull or NoDiskSpace } => error,
        DbException when error.Message.Contains(DatabaseFull, StringComparison.Ordinal) => error,
        AggregateException several => several.InnerExceptions.Select(Find).FirstOrDefault(e => e is not null),
        _ => Find(error.InnerException),
    };
}
