using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Exchange;
using DistOpt.Core.Studies.Functions;

namespace DistOpt.Core.Tests.Studies.Functions;

/// <summary>A journal in memory, in which nothing is stored before somebody waits for it.</summary>
internal sealed class ListJournal : IStudyJournal
{
    private readonly Lock _lock = new();

    public List<StudyEvent> Events { get; } = [];

    public StudyDeclaration? Study { get; private set; }

    /// <summary>That with which it was opened first.</summary>
    public StudyDeclaration? Declared { get; private set; }

    /// <summary>How many of <see cref="Events"/> are stored.</summary>
    private int StoredCount { get; set; }

    public IReadOnlyList<StudyEvent> StoredEvents()
    {
        lock (_lock) return [.. Events.Take(StoredCount)];
    }

    public IEnumerable<StudyEvent> Open(StudyDeclaration study)
    {
        (Study, Declared) = (study, Declared ?? study);
        return [.. Events];
    }

    public void Append(StudyEvent e)
    {
        lock (_lock) Events.Add(e);
    }

    public async Task StoredAsync()
    {
        int count;
        lock (_lock) count = Events.Count;
        await Task.Yield();
        lock (_lock) StoredCount = Math.Max(StoredCount, count);
    }

    public Task RoomAsync() => Task.CompletedTask;

    public IReadOnlyList<TimedEvent> Stored() => [.. StoredEvents().Select(e => new TimedEvent(e, null))];
}
