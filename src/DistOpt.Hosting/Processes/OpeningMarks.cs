using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DistOpt.Core.Runs;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Processes;

/// <summary>
/// Remembers in a folder which model and data this node's process is opening, so that the next process knows what its predecessor was opening when it
/// ended. User code may take the whole process along (native code that aborts, memory that runs out), and whoever opens the same again after that ends the
/// same way, as often as it is started.
/// </summary>
/// <remarks>
/// A mark is a file of its own for each opening under way. One whose process is no more makes its family (the kinds of data and model) suspect: the spec that
/// was being opened until it has been opened well, the family until <see cref="CleanOpenings"/> of it have. A folder may serve several processes.
/// </remarks>
internal sealed class OpeningMarks
{
    /// <summary>Openings in good order, one after the other, after which a family is trusted again.</summary>
    public const int CleanOpenings = 3;

    /// <summary>Specs of a family that are kept as suspect; older ones are forgotten.</summary>
    public const int SpecsMax = 1_000;

    /// <summary>Times of start that are told differently by less are the same: they are derived from the clock.</summary>
    private static readonly TimeSpan SameStart = TimeSpan.FromSeconds(2);

    private static int s_number;

    private readonly string _folder;
    private readonly ILogger _log;
    private readonly Lock _lock = new();

    /// <param name="folder">Made where it is missing.</param>
    /// <param name="isAlive">Whether the process with that id, started at that time (UTC), is there; null = ask the system.</param>
    public OpeningMarks(string folder, ILogger log, Func<int, DateTime, bool>? isAlive = null)
    {
        (_folder, _log) = (folder, log);
        TakeOver(isAlive ?? IsAlive);
    }

    /// <summary>What may be opened: its family (such as <c>data mnist, model cnn</c>) and a hash of all of its spec.</summary>
    public readonly record struct Subject(string Family, string Spec);

    private sealed record Suspicion(int Clean, IReadOnlyList<string> Specs);

    /// <summary>Marks that the subject is being opened, until the result is disposed of.</summary>
    public IDisposable Begin(Subject subject)
    {
        using var self = Process.GetCurrentProcess();
        string path = Path.Combine(_folder, $"{Environment.ProcessId}-{Interlocked.Increment(ref s_number)}.opening");
        string[] lines = [subject.Family, subject.Spec, Started(self).ToString("O", CultureInfo.InvariantCulture)];
        // only the process may end, not the machine: nothing is flushed
        Try(() =>
        {
            Directory.CreateDirectory(_folder);
            File.WriteAllLines(path, lines);
        });
        return new Mark(() => Try(() => File.Delete(path)));
    }

    /// <summary>Whether a process ended while it opened this, or lately something of its family.</summary>
    public bool IsSuspect(Subject subject)
    {
        lock (_lock) return Load(subject.Family) is { } known && (known.Clean < CleanOpenings || known.Specs.Contains(subject.Spec));
    }

    /// <summary>What was suspect has been opened in good order.</summary>
    public void Clear(Subject subject)
    {
        lock (_lock)
        {
            if (Load(subject.Family) is not { } known) return;
            var left = new Suspicion(known.Clean + 1, [.. known.Specs.Where(s => s != subject.Spec)]);
            if (left.Clean >= CleanOpenings && left.Specs.Count == 0) Try(() => File.Delete(PathOf(subject.Family)));
            else Save(subject.Family, left);
        }
    }

    /// <summary>The subject has ended a process.</summary>
    public void Blame(Subject subject)
    {
        lock (_lock)
        {
            var specs = (Load(subject.Family)?.Specs ?? []).Where(s => s != subject.Spec).Append(subject.Spec);
            Save(subject.Family, new Suspicion(0, [.. specs.TakeLast(SpecsMax)]));
        }
    }

    private void TakeOver(Func<int, DateTime, bool> isAlive) => Try(() =>
    {
        if (!Directory.Exists(_folder)) return;
        foreach (string path in Directory.GetFiles(_folder, "*.opening"))
        {
            string[] lines = File.ReadAllLines(path);
            int pid = int.TryParse(Path.GetFileName(path).Split('-')[0], CultureInfo.InvariantCulture, out int id) ? id : 0;
            // the process ended while it wrote the mark, and so not in user code
            if (lines.Length >= 3 && DateTime.TryParse(lines[2], CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind, out var started))
            {
                // in a container every process has the same number: marks of this one are those of its predecessor
                if (pid != Environment.ProcessId && isAlive(pid, started)) continue;
                _log.LogWarning("A process of this node (pid {Pid}) ended while it opened {What}: that is opened by a process of its own first", pid, lines[0]);
                Blame(new Subject(lines[0], lines[1]));
            }
            File.Delete(path);
        }
    });

    private Suspicion? Load(string family)
    {
        string path = PathOf(family);
        Suspicion? found = null;
        Try(() =>
        {
            if (!File.Exists(path)) return;
            string[] lines = File.ReadAllLines(path);
            // one that cannot be read is as good as a new one
            found = lines.Length >= 2 && int.TryParse(lines[1], CultureInfo.InvariantCulture, out int clean)
                ? new Suspicion(clean, lines[2..]) : new Suspicion(0, []);
        });
        return found;
    }

    private void Save(string family, Suspicion suspicion) => Try(() =>
    {
        string text = string.Join('\n', [family, suspicion.Clean.ToString(CultureInfo.InvariantCulture), .. suspicion.Specs]) + "\n";
        AtomicFile.Write(PathOf(family), Encoding.UTF8.GetBytes(text));
    });

    private string PathOf(string family) => Path.Combine(_folder, Hash(family) + ".suspect");

    /// <summary>The first 64 bits of SHA-256, in hexadecimal.</summary>
    public static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 8));

    /// <summary>A folder that cannot be written keeps nobody from training: what is lost is the protection.</summary>
    private void Try(Action act)
    {
        try
        {
            act();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _log.LogWarning("What is being opened cannot be remembered in {Folder}: {Error}", _folder, e.Message);
        }
    }

    private static bool IsAlive(int pid, DateTime started)
    {
        try
        {
            using var process = Process.GetProcessById(pid);
            return (Started(process) - started).Duration() < SameStart;
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            return false; // there is none, or it ended just now
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return true; // one of another user, of whom nothing can be known
        }
    }

    private static DateTime Started(Process process) => process.StartTime.ToUniversalTime();

    private sealed class Mark(Action remove) : IDisposable
    {
        public void Dispose() => remove();
    }
}
