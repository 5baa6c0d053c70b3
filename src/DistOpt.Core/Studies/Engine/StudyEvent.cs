using System.Collections.Immutable;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Studies.Engine;

/// <summary>Why a trial has ended.</summary>
public enum TrialEndCause
{
    /// <summary>It came to its end, or to the resource at which the trial scheduler completes it.</summary>
    Done,

    /// <summary>By the pruner, or by the trial scheduler.</summary>
    Pruned,

    /// <summary>Paused when the study ended: others were sent on.</summary>
    NotPromoted,

    /// <summary>Its training diverged, or one of its values is NaN.</summary>
    Diverged,

    /// <summary>Its code threw.</summary>
    Threw,

    /// <summary>So many attempts were lost that none is left.</summary>
    Lost,

    /// <summary>It computed for longer than <c>trial_timeout</c>, over all its attempts.</summary>
    TimedOut,

    /// <summary>By a command.</summary>
    Cancelled,

    /// <summary>Not done when the study ended.</summary>
    StudyEnded,
}

/// <summary>Why a study has ended.</summary>
public enum StudyStopReason
{
    /// <summary>It has had all its trials.</summary>
    Trials,

    /// <summary>The sampler has gone through its list, or the trial scheduler begins no more trials.</summary>
    Exhausted,

    /// <summary><c>stop.target</c> was reached.</summary>
    Target,

    /// <summary><c>stop.patience</c> is used up.</summary>
    Patience,

    /// <summary>No more than <c>stop.expected_improvement</c> is to be gained.</summary>
    ExpectedImprovement,

    /// <summary><c>stop.max_seconds</c> have passed.</summary>
    MaxSeconds,

    /// <summary><c>stop.max_failures</c> trials in a row have failed.</summary>
    Failures,

    /// <summary>By a command.</summary>
    Cancelled,
}

/// <summary>
/// What the journal of a study holds: facts and decisions in the order in which they were taken; a study that is rebuilt from them goes on as the one
/// that wrote them. Trials are named by number.
/// </summary>
public abstract record StudyEvent
{
    private StudyEvent() { }

    /// <summary>A new trial has its parameters, and its attempt 1 is under way.</summary>
    /// <param name="Trial">The next number.</param>
    /// <param name="Parameters">One for each parameter of the space; NaN where it has no value.</param>
    /// <param name="Until">Resource of the first report that may pause or end it.</param>
    /// <param name="Bracket">The trial scheduler's.</param>
    /// <param name="IsEnqueued">Whether it is the first of the points to try first, which it takes.</param>
    public sealed record Started(int Trial, ImmutableArray<double> Parameters, long Until, int Bracket, bool IsEnqueued) : StudyEvent;

    /// <summary>A trial goes on: another attempt at it is under way.</summary>
    /// <param name="Trial">Its number.</param>
    /// <param name="Attempt">From 2.</param>
    public sealed record AttemptBegun(int Trial, int Attempt) : StudyEvent;

    /// <summary>A trial has reported, and what trial scheduler and pruner say.</summary>
    /// <param name="Trial">Its number.</param>
    /// <param name="Step">Above that of its last report.</param>
    /// <param name="Values">One for each objective.</param>
    /// <param name="Action">What becomes of it.</param>
    /// <param name="Seconds">That the attempt has computed.</param>
    public sealed record Reported(int Trial, long Step, ImmutableArray<double> Values, ReportAction Action, double Seconds) : StudyEvent;

    /// <summary>A checkpoint is complete on disk.</summary>
    public sealed record CheckpointWritten(TrialCheckpoint Checkpoint) : StudyEvent;

    /// <summary>A checkpoint that nobody needs has been deleted.</summary>
    public sealed record CheckpointDeleted(TrialCheckpoint Checkpoint) : StudyEvent;

    /// <summary>A trial has given up its slot with a checkpoint, since it was told to pause.</summary>
    /// <param name="Trial">Its number.</param>
    /// <param name="Resource">Where the checkpoint is.</param>
    /// <param name="Seconds">That the attempt has computed.</param>
    public sealed record Released(int Trial, long Resource, double Seconds) : StudyEvent;

    /// <summary>A deterministic study counts a trial that has paused: it is its turn.</summary>
    public sealed record Taken(int Trial) : StudyEvent;

    /// <summary>A paused trial is to go on.</summary>
    /// <param name="Trial">Its number.</param>
    /// <param name="Until">Resource of the first report that may pause or end it.</param>
    /// <param name="Exploit">Where it goes on from, if not from its own checkpoint, and with which parameters.</param>
    public sealed record Promoted(int Trial, long Until, Exploit? Exploit) : StudyEvent;

    /// <summary>An attempt is lost, and there will be another one.</summary>
    /// <param name="Trial">Its number.</param>
    /// <param name="Reason">What is known of it.</param>
    /// <param name="IsCounted">Whether it is one of the trial's <c>max_attempts</c>: those that end with the coordinator are not.</param>
    /// <param name="DelaySeconds">To wait before the next one.</param>
    /// <param name="Seconds">That the attempt has computed.</param>
    public sealed record AttemptLost(int Trial, string Reason, bool IsCounted, double DelaySeconds, double Seconds) : StudyEvent
    {
        /// <summary>
        /// Of one that was under way when the process died in which study and trials run: steps of the newest checkpoint that its run has left, 0 = none. Null
        /// of any other.
        /// </summary>
        public long? Left { get; init; }
    }

    /// <summary>One of several runs of a configuration is complete, and there are more to come.</summary>
    /// <param name="Trial">Its number.</param>
    /// <param name="Values">One for each objective.</param>
    /// <param name="Constraints">At most 0 where the run is feasible.</param>
    /// <param name="Seconds">That the attempt has computed.</param>
    public sealed record RunCompleted(int Trial, ImmutableArray<double> Values, ImmutableArray<double> Constraints, double Seconds) : StudyEvent;

    /// <summary>A trial of a deterministic study is over, and counts when it is its turn: as that event then.</summary>
    public sealed record Finished(Ended Outcome) : StudyEvent;

    /// <summary>A trial has ended.</summary>
    /// <param name="Trial">Its number.</param>
    /// <param name="State">How.</param>
    /// <param name="Cause">Why.</param>
    /// <param name="Values">One for each objective where it is complete, else empty.</param>
    /// <param name="Constraints">At most 0 where it is feasible; empty where there are none.</param>
    /// <param name="Error">What is known of a failure.</param>
    /// <param name="Seconds">That its last attempt has computed.</param>
    public sealed record Ended(
        int Trial, TrialState State, TrialEndCause Cause, ImmutableArray<double> Values, ImmutableArray<double> Constraints, string? Error, double Seconds)
        : StudyEvent;

    /// <summary>A command of a user was carried out; a repeat of its key does nothing.</summary>
    /// <param name="Key">Its idempotency key; null = none.</param>
    public abstract record Command(string? Key) : StudyEvent;

    /// <summary>A point to try before others are suggested.</summary>
    /// <param name="Key">Idempotency key.</param>
    /// <param name="Point">One for each parameter; NaN where it has no value or is left to the sampler.</param>
    public sealed record Enqueued(string? Key, ImmutableArray<double> Point) : Command(Key)
    {
        /// <summary>The number of the first trial that may take it; null = the next one may.</summary>
        public int? FromTrial { get; init; }

        /// <summary>Of one that names a trial whose parameters it takes: what it said; null = it gave the point itself.</summary>
        public string? Asked { get; init; }
    }

    /// <summary>How many trials run at a time.</summary>
    /// <param name="Key">Idempotency key.</param>
    /// <param name="Parallel">At least 1.</param>
    /// <param name="FromTrial">In a deterministic study: from the decision on after which this is the number of the next trial.</param>
    public sealed record ParallelSet(string? Key, int Parallel, int FromTrial) : Command(Key)
    {
        /// <summary>The number that the command named; null = none.</summary>
        public int? Asked { get; init; }
    }

    /// <summary>How many trials the study is to have; one that had ended since it had had them all goes on if it is to have more.</summary>
    /// <param name="Key">Idempotency key.</param>
    /// <param name="Trials">At least those that have begun.</param>
    public sealed record TrialsSet(string? Key, int Trials) : Command(Key);

    /// <summary>The study, or a trial, is paused by a user, or no longer.</summary>
    /// <param name="Key">Idempotency key.</param>
    /// <param name="Trial">Null = the study.</param>
    /// <param name="IsSuspended">Whether it is.</param>
    public sealed record SuspensionSet(string? Key, int? Trial, bool IsSuspended) : Command(Key);

    /// <summary>The study, or a trial, is to end.</summary>
    /// <param name="Key">Idempotency key.</param>
    /// <param name="Trial">Null = the study.</param>
    public sealed record CancelRequested(string? Key, int? Trial) : Command(Key);

    /// <summary>
    /// What begins from now on runs this user code: noted at a study's beginning, and when a user accepts another one. Counts the versions of a study's code
    /// from 0.
    /// </summary>
    /// <param name="Key">Idempotency key.</param>
    /// <param name="Code">Its identity.</param>
    public sealed record CodeAccepted(string? Key, string Code) : Command(Key);

    /// <summary>The space is replaced by one that contains it.</summary>
    /// <param name="Key">Idempotency key.</param>
    /// <param name="Version">From 1.</param>
    /// <param name="FromTrial">The number of the first trial that is drawn from it. Parameters in events after the start of the trial before it are of
    /// this space.</param>
    /// <param name="Space">What is searched from then on.</param>
    /// <param name="Defaults">By the names of added parameters: what earlier trials are taken to have had.</param>
    /// <param name="Text">Of a study over training specs: the file that said it, from which its spec over the space is made anew. Null for any other.</param>
    public sealed record SpaceWidened(
        string? Key, int Version, int FromTrial, SearchSpace Space, ImmutableSortedDictionary<string, double> Defaults, string? Text = null) : Command(Key);

    /// <summary>Samplers know a trial of another study, before this one's own begin. It has no number here, and counts nowhere else.</summary>
    public sealed record Imported(ImportedTrial Trial) : StudyEvent;

    /// <summary>The first of the points to try first is left out.</summary>
    public sealed record PointRefused(string Error) : StudyEvent;

    /// <summary>What may still be gained, as a model of all complete trials sees it: it is not asked again when the study is rebuilt.</summary>
    /// <param name="Complete">Trials that were complete.</param>
    /// <param name="Improvement">The greatest expected improvement, in units of the first objective; infinite while there is nothing to improve on.</param>
    public sealed record ImprovementForeseen(int Complete, double Improvement) : StudyEvent;

    /// <summary>Of a study whose trials define their parameters: there is a new one, or one has another domain than in trials before.</summary>
    /// <param name="Name">Of the parameter.</param>
    /// <param name="Domain">Its values from now on.</param>
    public sealed record Defined(string Name, Domain Domain) : StudyEvent;

    /// <summary>Of a study whose trials define their parameters: a trial that runs has a value of one.</summary>
    /// <param name="Trial">Its number.</param>
    /// <param name="Name">Of the parameter, which is defined.</param>
    /// <param name="Value">As it is kept: a choice by its index.</param>
    public sealed record Suggested(int Trial, string Name, double Value) : StudyEvent;

    /// <summary>The sampler has drawn parameters together that trials have together, before the first of them is suggested for a trial.</summary>
    /// <param name="Trial">Its number.</param>
    /// <param name="Names">Of the parameters.</param>
    /// <param name="Values">One for each.</param>
    public sealed record DrawnTogether(int Trial, ImmutableArray<string> Names, ImmutableArray<double> Values) : StudyEvent;

    /// <summary>A point to try before others are suggested, of a study whose trials define their parameters.</summary>
    /// <param name="Key">Idempotency key.</param>
    /// <param name="Point">Null, bool, long, double or text by parameter.</param>
    public sealed record PointEnqueued(string? Key, ImmutableArray<KeyValuePair<string, object?>> Point) : Command(Key);

    /// <summary>Something that a user wants to be known of a trial, or of the study; what it was before is forgotten.</summary>
    /// <param name="Trial">Its number; null = the study.</param>
    /// <param name="Name">What it is.</param>
    /// <param name="Json">Its value.</param>
    public sealed record AttributeSet(int? Trial, string Name, string Json) : StudyEvent;

    /// <summary>How long the study has gone on, with what was before it was resumed.</summary>
    /// <param name="Seconds">On the study's clock.</param>
    /// <param name="At">What time it was then, in UTC; null = nobody said.</param>
    public sealed record TimePassed(double Seconds, DateTime? At = null) : StudyEvent;

    /// <summary>The study was rebuilt, and goes on.</summary>
    /// <param name="Session">Counts how often: names the attempts that begin from now on.</param>
    public sealed record Reopened(int Session) : StudyEvent;

    /// <summary>All trials have ended, and the study with them.</summary>
    public sealed record StudyEnded(StudyStopReason Reason) : StudyEvent;
}
