using System.Collections.Immutable;
using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Functions;

namespace DistOpt.Core.Studies.Exchange;

/// <summary>An event of a study and when it was stored.</summary>
/// <param name="Event">What has happened.</param>
/// <param name="At">UTC; null = not known.</param>
public readonly record struct TimedEvent(StudyEvent Event, DateTime? At);

/// <summary>
/// A study for other programs, from its events. A list of variable length is a parameter for its length and one for each element, and a parameter
/// that a condition leaves without a value is not among the trial's, as in a study of Optuna that is defined by running it. Choices that are whole lists
/// or sections are texts, as YAML of one line; that choices are ordered is not told. A trial that was sent on with others' parameters (pbt) has those that
/// it ended with, and how it came to them as the attribute <c>exploits</c>. Trials that the study has imported are not its own and are left out.
/// </summary>
public static class StudyExport
{
    /// <summary>Attribute of a study over training specs: what the steps of its trials' reports count.</summary>
    internal const string ResourceAttribute = "resource";

    /// <summary>A study over training specs.</summary>
    /// <param name="name">What it is to be called.</param>
    /// <param name="spec">What it searched at its beginning.</param>
    /// <param name="events">Everything that has happened, up to now if it goes on.</param>
    public static ExchangedStudy Of(string name, StudySpec spec, IEnumerable<TimedEvent> events)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(events);
        var happened = events.ToList();
        var attributes = AttributesOf(spec);
        foreach (var widened in happened.Select(e => e.Event).OfType<StudyEvent.SpaceWidened>())
            attributes.Add(new(FormattableString.Invariant($"space {widened.Version} from trial {widened.FromTrial}"), widened.Text));
        if (StudyEnd.Of(happened.Select(e => e.Event)) is { } end) attributes.Add(new("stop_reason", RunJson.Name(end)));
        var told = new ToldAttributes(happened.Select(e => e.Event).OfType<StudyEvent.AttributeSet>());
        return Of(name, spec.Space.Space, spec.Directions, happened, told.OfTrial) with
        {
            Metrics = [.. spec.Study.Objectives.Select(o => o.Metric)],
            Constraints = ConstraintNames.Of(spec.Study),
            Attributes = Together(attributes, told.OfStudy),
        };
    }

    /// <summary>
    /// A study whose events are not at hand, by what its directory says: the trials that have ended, in the widest space.
    /// </summary>
    public static ExchangedStudy Of(StudyDirectoryReader study)
    {
        ArgumentNullException.ThrowIfNull(study);
        var spec = study.Spec;
        return new ExchangedStudy
        {
            Name = study.Directory.Name,
            Directions = [.. spec.Directions.Select(d => (Direction?)d)],
            Trials = WithoutGaps(study.All.Select(t => Of(spec, t, study.Attributes))),
            Metrics = [.. spec.Study.Objectives.Select(o => o.Metric)],
            Constraints = ConstraintNames.Of(spec.Study),
            Attributes = Together(AttributesOf(spec), study.Attributes.OfStudy),
        };
    }

    private static ExchangedTrial Of(StudySpec spec, TrialRecord trial, ToldAttributes attributes)
    {
        var known = attributes.OfTrial(trial.Number);
        var told = trial.HasEnded ? Ended(spec.Space.Space, trial, trial.Parameters, spec.Directions.Length, known)
            : Of(spec.Space.Space, trial.Number, ExchangedState.Running, trial.Parameters, trial.Reports, trial.Attempts, trial.Seconds,
                CopiesOf(spec.Space.Space, trial), known);
        return told with { Started = trial.Started, Ended = trial.Ended };
    }

    /// <summary>Numbers are places in other programs: a trial of which nothing is known, since it has not ended, is one that runs.</summary>
    private static ImmutableArray<ExchangedTrial> WithoutGaps(IEnumerable<ExchangedTrial> trials)
    {
        var whole = ImmutableArray.CreateBuilder<ExchangedTrial>();
        foreach (var trial in trials)
        {
            while (whole.Count < trial.Number) whole.Add(new ExchangedTrial { Number = whole.Count, State = ExchangedState.Running });
            whole.Add(trial);
        }
        return whole.DrainToImmutable();
    }

    /// <summary>A study over any function, by all that its journal has: also reports and times, and what its function wanted to be known.</summary>
    /// <param name="name">What it is to be called.</param>
    /// <param name="study">What it searches.</param>
    /// <param name="events">Everything that has happened, up to now if it goes on.</param>
    public static ExchangedStudy Of(string name, StudyDeclaration study, IReadOnlyList<TimedEvent> events)
    {
        ArgumentNullException.ThrowIfNull(study);
        ArgumentNullException.ThrowIfNull(events);
        var told = new FunctionTelling(study, events);
        var exported = Of(name, told.Space, study.Directions, events, told.OfTrial);
        List<KeyValuePair<string, object?>> own = [new("seed", study.Seed)];
        if (StudyEnd.Of(events.Select(e => e.Event)) is { } end) own.Add(new("stop_reason", RunJson.Name(end)));
        return exported with
        {
            Attributes = Together(own, told.OfStudy),
            Trials = [.. exported.Trials.Select(t => t with { Parameters = [.. t.Parameters.Select(p => p with { Domain = told.DomainOf(t.Number, p) })] })],
        };
    }

    /// <summary>A study over any function.</summary>
    /// <param name="name">What it is to be called.</param>
    /// <param name="space">What it searched at its beginning; trials are told in the widest space, with what earlier ones are taken to have had.</param>
    /// <param name="directions">One for each objective.</param>
    /// <param name="events">Everything that has happened.</param>
    /// <param name="attributes">What else a trial is to be said to have, by its number; null = nothing.</param>
    public static ExchangedStudy Of(string name, SearchSpace space, ImmutableArray<Direction> directions, IEnumerable<TimedEvent> events,
        Func<int, IEnumerable<KeyValuePair<string, object?>>>? attributes = null)
    {
        ArgumentNullException.ThrowIfNull(space);
        ArgumentNullException.ThrowIfNull(events);
        var records = new TrialRecords();
        var begun = new Dictionary<int, Begun>();
        var trials = new List<ExchangedTrial>();
        var happened = events.ToList();
        var spaces = new WidenedSpaces(space);
        foreach (var widened in happened.Select(e => e.Event).OfType<StudyEvent.SpaceWidened>()) spaces.Add(widened);
        space = spaces.Newest;
        foreach (var (e, at) in happened)
        {
            if (e is StudyEvent.Started started) begun[started.Trial] = new Begun(at, started.IsEnqueued);
            // counted only when it is its turn
            else if (e is StudyEvent.Finished { Outcome.Trial: var over }) begun[over].Ended = at;
            if (records.Add(e) is not { } record) continue;
            var known = begun[record.Number];
            trials.Add(Ended(space, record, spaces.ToNewest(record.Parameters, record.SpaceVersion), directions.Length, Known(record.Number)) with
            {
                Started = known.At,
                Ended = known.Ended ?? at,
            });
        }
        foreach (var open in records.Open)
        {
            var parameters = spaces.ToNewest(open.Parameters, open.SpaceVersion);
            trials.Add(Of(space, open.Number, ExchangedState.Running, parameters, open.Reports, open.Attempts, open.Seconds, CopiesOf(space, open),
                Known(open.Number)) with
            {
                Started = begun[open.Number].At,
            });
        }
        return new ExchangedStudy
        {
            Name = name,
            Directions = [.. directions.Select(d => (Direction?)d)],
            Trials = [.. trials.OrderBy(t => t.Number)],
        };

        IEnumerable<KeyValuePair<string, object?>> Known(int number)
        {
            if (begun[number].IsEnqueued) yield return new("enqueued", true);
            foreach (var attribute in attributes?.Invoke(number) ?? []) yield return attribute;
        }
    }

    /// <summary>A study by what is kept of its trials, with what their functions wanted to be known.</summary>
    internal static ExchangedStudy Of(string name, SearchSpace space, ImmutableArray<Direction> directions,
        IEnumerable<(StudyTrial Trial, IReadOnlyDictionary<string, JsonElement> Attributes)> trials,
        IReadOnlyDictionary<string, JsonElement> attributes) => new()
        {
            Name = name,
            Directions = [.. directions.Select(d => (Direction?)d)],
            Attributes = AttributesOf(attributes),
            Trials = [.. trials.Select(t => new ExchangedTrial
            {
                Number = t.Trial.Number,
                State = StateOf(t.Trial.State),
                Parameters = ParametersOf(space, t.Trial.Parameters),
                Values = ValuesOf(t.Trial.State, t.Trial.Values, t.Trial.Reports, directions.Length),
                Intermediate = t.Trial.Reports,
                Constraints = t.Trial.Constraints,
                Attributes = AttributesOf(t.Attributes),
            })],
        };

    private static ImmutableArray<KeyValuePair<string, object?>> AttributesOf(IReadOnlyDictionary<string, JsonElement> attributes) =>
        [.. attributes.OrderBy(a => a.Key, StringComparer.Ordinal).Select(a => new KeyValuePair<string, object?>(a.Key, OptunaJson.Value(a.Value)))];

    /// <summary>Those of a space's parameters that have a value.</summary>
    private static ImmutableArray<ExchangedParameter> ParametersOf(SearchSpace space, ImmutableArray<double> values) =>
        [.. Enumerable.Range(0, values.Length).Where(i => !double.IsNaN(values[i]))
            .Select(i => ExchangedParameter.Of(space.Parameters[i].Name, space.Parameters[i].Domain, values[i]))];

    private static List<KeyValuePair<string, object?>> AttributesOf(StudySpec spec) =>
    [
        new("sampler", spec.Study.Sampler.Kind),
        new("trial_scheduler", spec.Study.TrialScheduler.Kind),
        new("pruner", spec.Study.Pruner.Kind),
        new(ResourceAttribute, RunJson.Name(spec.Study.Resource)),
        new("seed", spec.Seed),
        new("spec", StudySpecWriter.Write(spec)),
    ];

    /// <param name="parameters">In the space.</param>
    /// <param name="known">What else the trial is to be said to have.</param>
    private static ExchangedTrial Ended(SearchSpace space, TrialRecord record, ImmutableArray<double> parameters, int objectives,
        IEnumerable<KeyValuePair<string, object?>> known)
    {
        var own = new List<KeyValuePair<string, object?>> { new("cause", RunJson.Name(record.Cause)) };
        if (!record.Losses.IsEmpty) own.Add(new("lost", record.Losses));
        if (!record.Code.IsEmpty) own.Add(new("code", record.Code));
        if (record.SpaceVersion > 0) own.Add(new("space_version", record.SpaceVersion));
        if (record.Error is { } error) own.Add(new("error", error));
        own.AddRange(CopiesOf(space, record));
        return Of(space, record.Number, StateOf(record.State), parameters, record.Reports, record.Attempts, record.Seconds, own, known) with
        {
            Values = ValuesOf(record.State, record.Values, record.Reports, objectives),
            Constraints = record.Constraints,
        };
    }

    /// <summary>The schedule of a trial that has copied others (pbt): attribute <c>exploits</c>, as <c>trials.jsonl</c> has it.</summary>
    private static IEnumerable<KeyValuePair<string, object?>> CopiesOf(SearchSpace space, TrialRecord record)
    {
        if (record.Exploits.IsEmpty) yield break;
        yield return new("exploits", record.Exploits.Select(e => new Dictionary<string, object?>
        {
            ["step"] = e.Step,
            ["donor"] = e.Donor,
            ["from"] = Named(e.From),
            ["to"] = Named(e.To),
        }).ToList());

        Dictionary<string, object?> Named(ImmutableArray<double> values) => ParametersOf(space, values).ToDictionary(p => p.Name, p => p.Value);
    }

    private static ExchangedTrial Of(SearchSpace space, int number, ExchangedState state, ImmutableArray<double> parameters, ImmutableArray<Report> reports,
        int attempts, double seconds, IEnumerable<KeyValuePair<string, object?>> own, IEnumerable<KeyValuePair<string, object?>> known) => new()
        {
            Number = number,
            State = state,
            Parameters = ParametersOf(space, parameters),
            Intermediate = reports,
            Seconds = Math.Round(seconds, 3),
            Attributes = Together([.. own, new("attempts", attempts)], [.. known]),
        };

    /// <summary>A name is one thing only: what a user has called so goes before.</summary>
    private static ImmutableArray<KeyValuePair<string, object?>> Together(
        IEnumerable<KeyValuePair<string, object?>> own, IReadOnlyCollection<KeyValuePair<string, object?>> users) =>
        [.. own.Where(a => !users.Any(u => u.Key == a.Key)), .. users];

    private static ExchangedState StateOf(TrialState state) => state switch
    {
        TrialState.Complete => ExchangedState.Complete,
        TrialState.Pruned => ExchangedState.Pruned,
        TrialState.Failed or TrialState.Cancelled => ExchangedState.Fail,
        _ => ExchangedState.Running,
    };

    /// <summary>As Optuna has it, a trial that was pruned has the last value that it has reported.</summary>
    private static ImmutableArray<double> ValuesOf(TrialState state, ImmutableArray<double> values, ImmutableArray<Report> reports, int objectives) =>
        state == TrialState.Pruned && objectives == 1 && reports is [.., { Value: not double.NaN } last] ? [last.Value] : values;

    private sealed class Begun(DateTime? at, bool isEnqueued)
    {
        public DateTime? At => at;

        public bool IsEnqueued => isEnqueued;

        public DateTime? Ended { get; set; }
    }
}
