using System.Data.Common;
using DistOpt.Core.Runs;

namespace DistOpt.Core.Tests.Runs;

public sealed class DiskFullTests
{
    [Fact]
    public void It_is_told_from_other_errors_however_deep_it_lies()
    {
        Exception full = new IOException("No space left on device : '/x'", 28);
        foreach (var found in (Exception[])[full, new IOException("quota", 122), new IOException("There is not enough space on the disk.", unchecked((int)0x80070070)),
            new Database("SQLite Error 13: 'database or disk is full'.")])
        {
            Assert.Same(found, DiskFull.Find(found));
            Assert.Same(found, DiskFull.Find(new InvalidOperationException("a", new IOException("b", found))));
            Assert.Same(found, DiskFull.Find(new AggregateException(new IOException("other", 5), new InvalidOperationException("a", found))));
        }
        foreach (var other in (Exception?[])[null, new IOException("no such file", 2), new Database("SQLite Error 5: 'database is locked'."),
            new InvalidOperationException("SQLite Error 13:"), new AggregateException(new IOException("other", 5))])
            Assert.Null(DiskFull.Find(other));
    }

    /// <summary>As the system says it: a device that is always full.</summary>
    [Fact]
    public void The_system_says_it_so()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && File.Exists("/dev/full"), "there is no /dev/full");
        var error = Assert.ThrowsAny<IOException>(() => File.WriteAllBytes("/dev/full", [1]));
        Assert.Same(error, DiskFull.Find(error));
    }

    private sealed class Database(string message) : DbException(message);
}
