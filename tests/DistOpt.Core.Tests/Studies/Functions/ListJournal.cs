using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Functions;

namespace DistOpt.Core.Tests.Studies.Functions;

/// <summary>A journal in memory, in which nothing is stored before somebody waits for it.</summary>
internal sealed class ListJournal : IStudyJournal
{
    private readonly Lock _lock = new();

    public List<StudyEvent> Events { get; } = [];

    public IReadOnlyList<string> Study { get; private set; } = [];

    /// <summary>How many of <see cref="Events"/> are stored.</summary>
    private int Stored { get; set; }

    public IReadOnlyList<StudyEvent> StoredEvents()
    {
        lock (_lock) return [.. Events.Take(Stored)];
    }

    public IEnumerable<StudyEvent> Open(IReadOnlyList<string> study)
    {
        Study = study;
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
        lock (_lock) Stored = Math.Max(Stored, count);
    }

    public Task RoomAsync() => Task.CompletedTask;
}
