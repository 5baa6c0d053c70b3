using System.Collections.Immutable;
using Akka.Persistence;
using Akka.Persistence.Journal;

namespace DistOpt.Actors.Tests.Support;

/// <summary>Akka's journal in memory, with writes that can be held back or made to fail.</summary>
internal sealed class SwitchJournal : MemoryJournal
{
    public const string Hocon = """
        akka.persistence {
          journal {
            plugin = "distopt.test-journal"
          }
          snapshot-store.plugin = "akka.persistence.snapshot-store.inmem"
        }
        distopt.test-journal {
          class = "DistOpt.Actors.Tests.Support.SwitchJournal, DistOpt.Actors.Tests"
          plugin-dispatcher = "akka.actor.default-dispatcher"
          # writes that a test holds back are no failures
          circuit-breaker.call-timeout = 60s
        }
        """;

    /// <summary>Set by the test classes that use the journal; they are one collection, whose tests run one after the other.</summary>
    public static volatile JournalSwitch Switch = new();

    protected override async Task<IImmutableList<Exception?>> WriteMessagesAsync(IEnumerable<AtomicWrite> messages, CancellationToken cancellationToken)
    {
        var writes = messages.ToList();
        await Switch.BeforeWriteAsync(writes.Sum(w => w.Size));
        return (await base.WriteMessagesAsync(writes, cancellationToken))!;
    }
}

/// <summary>What happens before a write.</summary>
internal sealed class JournalSwitch
{
    private readonly List<int> _writes = [];
    private volatile TaskCompletionSource _open = Opened();

    private Exception? _next;

    /// <summary>Thrown by all writes.</summary>
    public Exception? Failure { get; init; }

    /// <summary>The next write fails, and those after it do not: whoever begins anew has a sound journal at once.</summary>
    public void FailNext(Exception failure) => Volatile.Write(ref _next, failure);

    /// <summary>How many events each write so far had.</summary>
    public IReadOnlyList<int> Writes
    {
        get
        {
            lock (_writes) return [.. _writes];
        }
    }

    /// <summary>Holds all writes back until the returned is called.</summary>
    public Action Hold()
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _open = gate;
        return () => gate.TrySetResult();
    }

    public async Task BeforeWriteAsync(int events)
    {
        lock (_writes) _writes.Add(events);
        await _open.Task;
        if (Interlocked.Exchange(ref _next, null) is { } next) throw next;
        if (Failure is { } failure) throw failure;
    }

    private static TaskCompletionSource Opened()
    {
        var source = new TaskCompletionSource();
        source.SetResult();
        return source;
    }
}
