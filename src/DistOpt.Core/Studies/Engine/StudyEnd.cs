namespace DistOpt.Core.Studies.Engine;

/// <summary>
/// Whether a study has ended, by its events. An end is not the last thing to happen to a study: attributes are set and checkpoints deleted after it; and it is
/// undone where the study is to have more trials, or one that failed is let go on.
/// </summary>
public static class StudyEnd
{
    /// <summary>Why the study of these events has ended; null = it goes on.</summary>
    /// <param name="events">All of them, from the first on.</param>
    public static StudyStopReason? Of(IEnumerable<StudyEvent> events)
    {
        ArgumentNullException.ThrowIfNull(events);
        var (end, begun) = ((StudyStopReason?)null, 0);
        foreach (var e in events)
        {
            if (e is StudyEvent.Started) begun++;
            end = After(end, e, begun);
        }
        return end;
    }

    /// <summary>Why it has ended after one more event.</summary>
    /// <param name="end">Why it had ended before; null = it had not.</param>
    /// <param name="e">What happens.</param>
    /// <param name="begun">How many trials have begun.</param>
    internal static StudyStopReason? After(StudyStopReason? end, StudyEvent e, int begun) => e switch
    {
        StudyEvent.StudyEnded ended => ended.Reason,
        StudyEvent.TrialsSet set when end == StudyStopReason.Trials && begun < set.Trials => null,
        StudyEvent.SuspensionSet { Trial: null, IsSuspended: false } when end == StudyStopReason.Failures => null,
        _ => end,
    };
}
