using System.Collections.Immutable;
using System.Globalization;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Studies;

/// <summary>A trial that has ended: a line of <c>trials.jsonl</c>.</summary>
/// <param name="Number">Its number.</param>
/// <param name="State">How it has ended.</param>
/// <param name="Cause">Why.</param>
/// <param name="Parameters">With which it ended, of the space that it was drawn from; NaN where one has no value.</param>
/// <param name="Values">One for each objective where it is complete.</param>
/// <param name="Constraints">At most 0 where it keeps to them.</param>
/// <param name="Reports">What its first run has reported on its way, in the order of the steps: the first objective's values. Where it went on from a state of
/// another trial, without its own from beyond that state.</param>
/// <param name="Attempts">How often it was begun or gone on with.</param>
/// <param name="Losses">Attempts that were lost.</param>
/// <param name="Seconds">That its attempts have computed, as far as they told.</param>
/// <param name="Error">Why it has failed.</param>
public sealed record TrialRecord(int Number, TrialState State, TrialEndCause Cause, ImmutableArray<double> Parameters, ImmutableArray<double> Values,
    ImmutableArray<double> Constraints, ImmutableArray<Report> Reports, int Attempts, ImmutableArray<string> Losses, double Seconds, string? Error)
{
    /// <summary>
    /// Versions of the user code that its attempts ran, in that order; 0 is the one that the study began with. Empty where that is the only one.
    /// </summary>
    public ImmutableArray<int> Code { get; init; } = [];

    /// <summary>Of the space that it was drawn from.</summary>
    public int SpaceVersion { get; init; }

    /// <summary>The trial scheduler's bracket that it is in, from 0.</summary>
    public int Bracket { get; init; }

    /// <summary>
    /// Where a configuration is run several times: of each run that is complete one value for each objective, of which <see cref="Values"/> are the means.
    /// Empty where there is one run.
    /// </summary>
    public ImmutableArray<ImmutableArray<double>> Runs { get; init; } = [];

    /// <summary>Whether nothing more will become of it.</summary>
    public bool HasEnded => State is TrialState.Complete or TrialState.Pruned or TrialState.Failed or TrialState.Cancelled;

    /// <summary>Whether it misses no constraint.</summary>
    public bool KeepsConstraints => StudyTrial.ViolationOf(Constraints.AsSpan()) == 0;

    /// <summary>Whether it is complete and misses no constraint.</summary>
    public bool IsFeasible => State == TrialState.Complete && KeepsConstraints;

    /// <summary>When its first attempt began, in UTC; null = that is not known.</summary>
    public DateTime? Started { get; init; }

    /// <summary>When it ended, in UTC; null = it has not, or that is not known.</summary>
    public DateTime? Ended { get; init; }

    /// <summary>When its attempts ran, in the order in which they began.</summary>
    public ImmutableArray<TrialSpan> Spans { get; init; } = [];

    /// <summary>What it has copied of other trials, in that order (pbt, pb2).</summary>
    public ImmutableArray<TrialExploit> Exploits { get; init; } = [];

    /// <summary>
    /// With which it came to a report of <see cref="Reports"/>: those after the last copy of a state from before it. Of what it reported before that copy
    /// nothing is left from beyond the state.
    /// </summary>
    public ImmutableArray<double> ParametersAt(long step)
    {
        for (int i = Exploits.Length - 1; i >= 0; i--)
            if (Exploits[i].Step < step) return Exploits[i].To;
        return Exploits is [var first, ..] ? first.From : Parameters;
    }
}

/// <summary>When an attempt ran, in seconds on the study's clock, which stands still while the study is interrupted. The beginning is known to a hundredth
/// of a second (in studies of earlier versions to a second), the length is what the attempt told.</summary>
/// <param name="From">When it was begun, or gone on with.</param>
/// <param name="To">At least <paramref name="From"/>.</param>
public readonly record struct TrialSpan(double From, double To);

/// <summary>What a study's events say of each trial, handed out when it has ended. Keeps nothing of those that have.</summary>
public sealed class TrialRecords
{
    private readonly Dictionary<int, Live> _live = [];

    /// <summary>Places of parameters that trials define.</summary>
    private readonly Dictionary<string, int> _defined = new(StringComparer.Ordinal);

    /// <summary>The study's clock, in seconds.</summary>
    private double _now;

    /// <summary>What time it was when the study's clock began, if it had not stood still since; null = that is not known.</summary>
    private DateTime? _zero;

    private int _code = -1;

    private int _space;
    private StudyEvent.SpaceWidened? _coming;

    private sealed class Live
    {
        public required ImmutableArray<double> Parameters { get; set; }

        public required int SpaceVersion { get; init; }

        public required int Bracket { get; init; }

        public DateTime? Started { get; init; }

        public List<Report> Reports { get; } = [];

        public List<TrialExploit> Exploits { get; } = [];

        /// <summary>Values of the runs of its configuration that are complete.</summary>
        public List<ImmutableArray<double>> Runs { get; } = [];

        public List<string> Losses { get; } = [];

        public int Attempts { get; set; } = 1;

        public double Before { get; set; }

        public double Latest { get; set; }

        public List<TrialSpan> Spans { get; } = [];

        public List<int> Code { get; } = [];

        /// <summary>What was said to its last report.</summary>
        public ReportAction Told { get; set; }

        /// <summary>At a rung or an interval, until it is promoted.</summary>
        public bool IsPaused { get; set; }

        /// <summary>Of a deterministic study: what it ends as when it is its turn.</summary>
        public StudyEvent.Ended? Outcome { get; set; }

        /// <summary>When the attempt that runs began; NaN = none does.</summary>
        public double Since { get; set; }

        /// <summary>An attempt begins with this version of the user code.</summary>
        public void UsesCode(int code)
        {
            if (code >= 0 && (Code.Count == 0 || Code[^1] != code)) Code.Add(code);
        }

        /// <summary>The attempt that runs has ended.</summary>
        /// <param name="now">The study's clock: for one that told nothing of its length.</param>
        public void Close(double now)
        {
            if (!double.IsNaN(Since)) Spans.Add(SpanUpTo(now));
            Since = double.NaN;
        }

        /// <summary>The trial with what an end gives it.</summary>
        public TrialRecord Record(int number, StudyEvent.Ended end, double seconds) =>
            new(number, end.State, end.Cause, Parameters, end.Values, end.Constraints, [.. Reports], Attempts, [.. Losses], seconds, end.Error)
            {
                Spans = [.. Spans],
                Exploits = [.. Exploits],
                Started = Started,
                SpaceVersion = SpaceVersion,
                Bracket = Bracket,
                Code = Code is [0] ? [] : [.. Code],
                Runs = Runs.Count == 0 ? [] : end.State == TrialState.Complete ? [.. Runs, LastOf(end.Values)] : [.. Runs],
            };

        /// <summary>The last run's values, which are in the means alone.</summary>
        private ImmutableArray<double> LastOf(ImmutableArray<double> means) =>
            [.. means.Select((mean, i) => RoundedOff((Runs.Count + 1) * mean - Runs.Sum(r => r[i])))];

        /// <summary>Without the digits that come from the mean's rounding.</summary>
        private static double RoundedOff(double value) => !double.IsFinite(value) || value == 0 ? value
            : double.Parse(value.ToString("G13", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

        /// <summary>The trial as far as it has come; an attempt that runs has run up to now.</summary>
        public TrialRecord SoFar(int number, double now)
        {
            var (state, cause) = IsPaused ? (TrialState.Paused, TrialEndCause.NotPromoted)
                : (double.IsNaN(Since) ? TrialState.Waiting : TrialState.Running, TrialEndCause.StudyEnded);
            var record = Record(number, Outcome ?? new StudyEvent.Ended(number, state, cause, [], [], null, 0), Before + Latest);
            return double.IsNaN(Since) ? record : record with { Spans = record.Spans.Add(SpanUpTo(now)) };
        }

        private TrialSpan SpanUpTo(double now) => new(Since, Latest > 0 ? Since + Latest : Math.Max(Since, now));
    }

    /// <summary>
    /// Trials that have not ended, as far as they have come, by number: paused (with what they would end as if the study ended now), under way or waiting for
    /// a slot; of a deterministic study also those that are over and wait for their turn, with what they end as then.
    /// </summary>
    public IEnumerable<TrialRecord> Open => _live.OrderBy(l => l.Key).Select(l => l.Value.SoFar(l.Key, _now));

    /// <summary>Takes the next event; gives the record of the trial that ends with it, if one does.</summary>
    public TrialRecord? Add(StudyEvent e)
    {
        switch (e)
        {
            case StudyEvent.Started started:
                if (_coming is { } space && space.FromTrial <= started.Trial) (_space, _coming) = (space.Version, null);
                var first = _live[started.Trial] = new Live
                {
                    Parameters = started.Parameters,
                    SpaceVersion = _space,
                    Bracket = started.Bracket,
                    Since = _now,
                    Started = At(_now),
                };
                first.UsesCode(_code);
                break;
            case StudyEvent.SpaceWidened widened:
                // in no order the next trial may be another one by the time that the space before has taken effect
                if (_coming is { } before) _space = before.Version;
                _coming = widened;
                break;
            case StudyEvent.Defined defined:
                _defined.TryAdd(defined.Name, _defined.Count);
                break;
            case StudyEvent.Suggested suggested when _live.TryGetValue(suggested.Trial, out var live):
                live.Parameters = StudyTrial.With(live.Parameters, _defined[suggested.Name], suggested.Value);
                break;
            case StudyEvent.CodeAccepted:
                _code++;
                break;
            case StudyEvent.TimePassed passed:
                _now = passed.Seconds;
                if (passed.At is { } at) _zero = at.AddSeconds(-passed.Seconds);
                break;
            case StudyEvent.AttemptBegun begun when _live.TryGetValue(begun.Trial, out var live):
                live.Attempts++;
                live.UsesCode(_code);
                live.Close(_now);
                live.IsPaused = false;
                // the clock is a second behind at times
                (live.Before, live.Latest, live.Since) = (live.Before + live.Latest, 0, live.Spans is [.., var last] ? Math.Max(_now, last.To) : _now);
                break;
            case StudyEvent.Reported reported when _live.TryGetValue(reported.Trial, out var live):
                // those that follow only make its values more exact
                if (live.Runs.Count == 0) live.Reports.Add(new Report(reported.Step, reported.Values[0]));
                (live.Told, live.Latest) = (reported.Action, Math.Max(live.Latest, reported.Seconds));
                break;
            case StudyEvent.Released released when _live.TryGetValue(released.Trial, out var live):
                live.Latest = Math.Max(live.Latest, released.Seconds);
                live.Close(_now);
                live.IsPaused = live.Told == ReportAction.Pause;
                break;
            case StudyEvent.RunCompleted completed when _live.TryGetValue(completed.Trial, out var live):
                live.Latest = Math.Max(live.Latest, completed.Seconds);
                live.Runs.Add(completed.Values);
                break;
            case StudyEvent.Finished { Outcome: var outcome } when _live.TryGetValue(outcome.Trial, out var live):
                live.Latest = Math.Max(live.Latest, outcome.Seconds);
                live.Close(_now);
                live.Outcome = outcome;
                break;
            case StudyEvent.AttemptLost lost when _live.TryGetValue(lost.Trial, out var live):
                // a user wanted that
                if (lost.IsCounted || lost.Reason != StudyEngine.TakenBack) live.Losses.Add(lost.Reason);
                live.Latest = Math.Max(live.Latest, lost.Seconds);
                live.Close(_now);
                break;
            case StudyEvent.Promoted promoted when _live.TryGetValue(promoted.Trial, out var live):
                // one that has not given up its slot yet goes on as soon as it has
                (live.IsPaused, live.Told) = (false, ReportAction.Continue);
                if (promoted.Exploit is not { } exploit) break;
                live.Exploits.Add(new TrialExploit(exploit.Resource, exploit.Donor, live.Parameters, exploit.Parameters));
                live.Parameters = exploit.Parameters;
                live.Reports.RemoveAll(r => r.Step > exploit.Resource);
                break;
            case StudyEvent.Ended ended when _live.Remove(ended.Trial, out var live):
                double latest = Math.Max(live.Latest, ended.Seconds), seconds = live.Before + latest;
                // what ends a trial between its attempts tells the last one's seconds once more
                if (!double.IsNaN(live.Since)) live.Latest = latest;
                live.Close(_now);
                return live.Record(ended.Trial, ended, seconds) with { Ended = At(live.Spans is [.., var span] ? Math.Max(_now, span.To) : _now) };
        }
        return null;
    }

    private DateTime? At(double seconds) => _zero?.AddSeconds(seconds);
}
