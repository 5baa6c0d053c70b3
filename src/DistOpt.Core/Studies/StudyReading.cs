using System.Collections.Immutable;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Exchange;
using DistOpt.Core.Studies.Functions;

namespace DistOpt.Core.Studies;

/// <summary>A study with its trials as far as they are known, to be explained and drawn: over training specs or over a function.</summary>
/// <param name="Outline">What it searches.</param>
/// <param name="Ended">Trials that have ended, by number, in the outline's space.</param>
/// <param name="NotEnded">Those that have not, as far as they have come; null = nothing is known of them.</param>
public sealed partial record StudyReading(StudyOutline Outline, ImmutableArray<TrialRecord> Ended, ImmutableArray<TrialRecord>? NotEnded)
{
    /// <summary>Why it has ended; null = it has not, or that is not known.</summary>
    public StudyStopReason? End { get; init; }

    /// <summary>Trials of other studies that its sampler knows, as far as that is known.</summary>
    public int Imported { get; init; }

    /// <summary>How often it was interrupted, as far as that is known.</summary>
    public int Sessions { get; init; }

    /// <summary>What users, or its function, want to be known of it and its trials.</summary>
    public ToldAttributes Attributes { get; init; } = new([]);

    /// <summary>All trials that are known, by number.</summary>
    public ImmutableArray<TrialRecord> All => NotEnded is { IsEmpty: false } open ? [.. Ended.Concat(open).OrderBy(t => t.Number)] : Ended;

    /// <summary>
    /// A study over a function, by what its journal has. Where its trials define their parameters, a number is told between the least and the greatest bound
    /// that any trial has had, so that all are in the space. Trials of a space that was widened have what earlier ones are taken to have had.
    /// </summary>
    /// <param name="name">What it is to be called.</param>
    /// <param name="study">What it searches.</param>
    /// <param name="events">Everything that has happened, up to now if it goes on.</param>
    public static StudyReading Of(string name, StudyDeclaration study, IReadOnlyList<TimedEvent> events)
    {
        ArgumentNullException.ThrowIfNull(study);
        ArgumentNullException.ThrowIfNull(events);
        var (records, ended) = (new TrialRecords(), new List<TrialRecord>());
        var (defined, widened) = (new DefinedSpace(), new WidenedSpaces(study.Space));
        foreach (var e in WithTimes(events))
        {
            if (e is StudyEvent.Defined parameter)
            {
                int place = defined.IndexOf(parameter.Name);
                defined.Set(parameter.Name, place < 0 ? parameter.Domain : DefinedSpace.Hull(defined.Space.Parameters[place].Domain, parameter.Domain));
            }
            else if (e is StudyEvent.SpaceWidened wider) widened.Add(wider);
            if (records.Add(e) is { } record) ended.Add(record);
        }
        var space = study.IsDefinedByRun ? defined.Space : widened.Newest;
        return new StudyReading(StudyOutline.Of(name, study, space), [.. ended.OrderBy(t => t.Number).Select(Told)], [.. records.Open.Select(Told)])
        {
            Brackets = study.Brackets,
            Attributes = new ToldAttributes(events.Select(e => e.Event).OfType<StudyEvent.AttributeSet>()),
            End = StudyEnd.Of(events.Select(e => e.Event)),
            Imported = events.Count(e => e.Event is StudyEvent.Imported),
            Sessions = events.Count(e => e.Event is StudyEvent.Reopened),
        };

        TrialRecord Told(TrialRecord trial) => trial with
        {
            Parameters = study.IsDefinedByRun ? [.. trial.Parameters, .. Enumerable.Repeat(double.NaN, space.Count - trial.Parameters.Length)]
                : widened.ToNewest(trial.Parameters, trial.SpaceVersion),
        };
    }

    /// <summary>
    /// A study that has no clock has counted no seconds: then those between the times at which its events were stored tell when trials ran, without those
    /// in which no process had the study.
    /// </summary>
    private static IEnumerable<StudyEvent> WithTimes(IReadOnlyList<TimedEvent> events)
    {
        bool counts = events.Any(e => e.Event is StudyEvent.TimePassed);
        var (seconds, last) = (0.0, (DateTime?)null);
        foreach (var (e, at) in events)
        {
            if (!counts && at is { } now)
            {
                if (last is { } before && now > before && e is not StudyEvent.Reopened)
                {
                    seconds += (now - before).TotalSeconds;
                    yield return new StudyEvent.TimePassed(seconds);
                }
                last = now;
            }
            yield return e;
        }
    }
}

/// <summary>The spaces of a study of no study spec: the one that it began with, and those by which it was replaced.</summary>
internal sealed class WidenedSpaces(SearchSpace first)
{
    private readonly List<SpaceWidening> _widenings = [];

    /// <summary>The widest.</summary>
    public SearchSpace Newest { get; private set; } = first;

    public void Add(StudyEvent.SpaceWidened widened)
    {
        _widenings.Add(new SpaceWidening(Newest, widened.Space, widened.Defaults));
        Newest = widened.Space;
    }

    /// <summary>A configuration of one of the spaces in the widest one.</summary>
    public ImmutableArray<double> ToNewest(ImmutableArray<double> values, int version) =>
        _widenings.Skip(version).Aggregate(values, (mapped, widening) => widening.Map(mapped.AsSpan()));
}
