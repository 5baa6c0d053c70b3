using System.Collections.Immutable;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Studies.Engine;

/// <summary>Where a trial stands that has not ended.</summary>
internal enum TrialPhase
{
    /// <summary>An attempt at it is under way.</summary>
    Running,

    /// <summary>To go on as soon as there is a slot.</summary>
    Ready,

    /// <summary>At a rung or an interval, until it is promoted.</summary>
    Paused,

    /// <summary>Of a deterministic study: over, until its turn.</summary>
    Finished,
}

/// <summary>A trial that has not ended. Changed by <see cref="StudyLedger.Apply"/> alone.</summary>
internal sealed class LiveTrial(int number, ImmutableArray<double> parameters)
{
    // default = it has reported since, or copied none
    private ImmutableArray<double> _beforeExploit;

    public int Number => number;

    /// <summary>In force: those that it was started with, or those of its last exploit.</summary>
    public ImmutableArray<double> Parameters { get; set; } = parameters;

    /// <summary>The same in the space that it was drawn from, when that is no longer in force.</summary>
    public ImmutableArray<double> Own
    {
        get => field.IsDefault ? Parameters : field;
        set;
    }

    /// <summary>Of the space that it was drawn from.</summary>
    public int SpaceVersion { get; init; }

    /// <summary>Of a study whose trials define their parameters: what was drawn together with a parameter that it has, by place.</summary>
    public Dictionary<int, double> Drawn { get; } = [];

    /// <summary>Of such a study: values that are not left to the sampler, by name.</summary>
    public IReadOnlyDictionary<string, object?>? Fixed { get; init; }

    public TrialPhase Phase { get; set; }

    public long Until { get; set; }

    /// <summary>What its first run goes up to, or came to: the rung that counts for it while its other runs go to their own ends.</summary>
    public long Goal { get; set; }

    public int Bracket { get; init; }

    /// <summary>The latest attempt.</summary>
    public AttemptId Attempt { get; set; }

    /// <summary>Attempts that were lost and count.</summary>
    public int Losses { get; set; }

    /// <summary>Attempts in a row that have brought nothing new and ended with the process in which study and trials run.</summary>
    public int Deaths { get; private set; }

    /// <summary>Whether it may be what ends that process: it runs alone until it has brought something new.</summary>
    public bool IsSuspect => Deaths >= StudyEngine.DeathsMost - 1;

    /// <summary>Whether the latest attempt has reported, or written a checkpoint.</summary>
    private bool HasAdvanced { get; set; }

    /// <summary>Steps of the newest checkpoint that its run has left behind when the process died before.</summary>
    private long Left { get; set; }

    /// <summary>Before its next attempt.</summary>
    public double DelaySeconds { get; set; }

    /// <summary>Of the attempts before the latest one.</summary>
    public double SecondsBefore { get; set; }

    /// <summary>That the latest attempt is known to have computed.</summary>
    public double AttemptSeconds { get; set; }

    public double Seconds => SecondsBefore + AttemptSeconds;

    /// <summary>Of the last report that counted, in this run of the configuration; -1 = none.</summary>
    public long Step { get; set; } = -1;

    /// <summary>The first objective's, with the last report of the first run.</summary>
    public Report? Last { get; private set; }

    /// <summary>With which it came to <see cref="Last"/>: others than those in force from an exploit to the next report.</summary>
    public ImmutableArray<double> Reported => _beforeExploit.IsDefault ? Parameters : _beforeExploit;

    /// <summary>What was said to the last report.</summary>
    public ReportAction Told { get; set; }

    /// <summary>Resource at which it was told to write a checkpoint, from which others may go on, while it has not; null = it owes none.</summary>
    public long? Owed { get; set; }

    /// <summary>The attempt that was told so.</summary>
    public AttemptId OwedBy { get; set; }

    /// <summary>Its newest checkpoint.</summary>
    public TrialCheckpoint? Checkpoint { get; set; }

    /// <summary>Another trial's that it goes on from, until it has written one of its own after that.</summary>
    public TrialCheckpoint? Source { get; set; }

    /// <summary>Whether the latest attempt began when <see cref="Source"/> was there already.</summary>
    public bool IsFromSource { get; set; }

    /// <summary>The attempt under way has still the state and parameters of before an exploit: it is to give up its slot, and counts no more.</summary>
    public bool IsOutdated => Phase == TrialPhase.Running && Source is not null && !IsFromSource;

    public bool IsSuspended { get; set; }

    /// <summary>By a command that asked for its end.</summary>
    public bool IsCancelled { get; set; }

    /// <summary>Runs of its configuration that are complete.</summary>
    public int Repeat { get; set; }

    /// <summary>Sums over those runs.</summary>
    public double[]? RunValues { get; set; }

    public double[]? RunConstraints { get; set; }

    /// <summary>Of a deterministic study: what it ends as.</summary>
    public StudyEvent.Ended? Outcome { get; set; }

    /// <summary><see cref="Deaths"/> if the process dies now.</summary>
    /// <param name="left">Steps of the newest checkpoint that its run has left.</param>
    public int DeathsWith(long left) => HasAdvanced || left > Left ? 0 : Deaths + 1;

    /// <summary>The process has died.</summary>
    public void Die(long left) => (Deaths, Left) = (DeathsWith(left), Math.Max(left, Left));

    /// <summary>It has brought something new.</summary>
    public void Advance() => (Deaths, HasAdvanced) = (0, true);

    /// <summary>An attempt begins.</summary>
    public void Retry() => HasAdvanced = false;

    /// <summary>What its run leaves behind from now on is of another run, or of another state.</summary>
    public void Renew() => Left = 0;

    /// <summary>Whether it has a value of a parameter.</summary>
    public bool Has(int place) => place < Parameters.Length && !double.IsNaN(Parameters[place]);

    /// <summary>It goes on with other parameters, from another one's state.</summary>
    public void Exploit(ImmutableArray<double> parameters) => (_beforeExploit, Parameters) = (Reported, parameters);

    /// <summary>A report of its first run.</summary>
    public void Tell(Report report) => (Last, _beforeExploit) = (report, default);

    /// <summary>It has a value of one more.</summary>
    public void Give(int place, double value) => Parameters = StudyTrial.With(Parameters, place, value);

    /// <summary>Whether a deterministic study can count it.</summary>
    public bool HasOutcome => Phase is TrialPhase.Finished or TrialPhase.Paused;
}
