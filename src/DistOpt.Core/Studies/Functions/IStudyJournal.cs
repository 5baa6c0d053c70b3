using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Exchange;

namespace DistOpt.Core.Studies.Functions;

/// <summary>
/// Where the events of a <see cref="FunctionStudy"/> are kept, so that it survives its process. Many events go to the disk together: taking one does not
/// wait for it. Of one study at a time, and disposed of by whoever has made it, after the study.
/// </summary>
public interface IStudyJournal
{
    /// <summary>What is stored so far, in order; called once, when the study is opened.</summary>
    /// <param name="study">What the study searches: stored with its first event, and its lines compared when it goes on, but for those of the space.</param>
    /// <exception cref="Specs.SpecException">What is stored is another study's, or cannot be read.</exception>
    IEnumerable<StudyEvent> Open(StudyDeclaration study);

    /// <summary>
    /// Once it is opened: what the study searched when it was begun; null = nothing is stored yet, or not that. Where it is here, <see cref="Open"/> takes
    /// another space: whether that is a wider one is for the study to say.
    /// </summary>
    StudyDeclaration? Declared => null;

    /// <summary>Takes an event, to be stored after those before it, and not waited for. One thread at a time.</summary>
    /// <exception cref="InvalidOperationException">Nothing can be stored any more.</exception>
    void Append(StudyEvent e);

    /// <summary>Completed when everything that has been taken so far is on the disk; faulted when that is not possible.</summary>
    Task StoredAsync();

    /// <summary>Completed when so little is unstored that more may be taken: bounds memory where events come faster than the disk takes them.</summary>
    Task RoomAsync();

    /// <summary>What is stored by now, in order; null = nothing is kept. While others append to it.</summary>
    /// <exception cref="Specs.SpecException">It cannot be read.</exception>
    IReadOnlyList<TimedEvent>? Stored();
}

/// <summary>Keeps nothing: the study ends with its process.</summary>
internal sealed class NoStudyJournal : IStudyJournal
{
    public IEnumerable<StudyEvent> Open(StudyDeclaration study) => [];

    public void Append(StudyEvent e) { }

    public Task StoredAsync() => Task.CompletedTask;

    public Task RoomAsync() => Task.CompletedTask;

    public IReadOnlyList<TimedEvent>? Stored() => null;
}
