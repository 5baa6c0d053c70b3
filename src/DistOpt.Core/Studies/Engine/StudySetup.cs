using System.Collections.Immutable;
using DistOpt.Core.Pruners;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Studies.Engine;

/// <summary>How long to wait before another attempt at a trial: twice as long each time. Of every trial by itself.</summary>
/// <param name="FirstSeconds">After the first loss.</param>
/// <param name="MostSeconds">At most.</param>
public sealed record RetryBackoff(double FirstSeconds = 1, double MostSeconds = 60)
{
    /// <param name="losses">Attempts that were lost, at least 1.</param>
    public double Seconds(int losses) => Math.Min(MostSeconds, FirstSeconds * Math.Pow(2, losses - 1));
}

/// <summary>What a <see cref="StudyEngine"/> is made of. Samplers, trial schedulers and pruners are made anew with every engine.</summary>
public sealed record StudySetup
{
    /// <summary>Space, objectives, seed, number of trials, and whether the study is deterministic.</summary>
    public required StudyContext Context { get; init; }

    /// <summary>Makes the sampler, which keeps to <see cref="Constraints"/>.</summary>
    public required Func<ISampler> Sampler { get; init; }

    /// <summary>Makes the trial scheduler.</summary>
    public Func<StudyContext, ITrialScheduler> TrialScheduler { get; init; } = _ => new Fifo();

    /// <summary>Makes the pruners.</summary>
    public Func<StudyContext, ObjectivePruners> Pruners { get; init; } = context => new((_, _) => new NoPruner(), new NoPrunerOptions(), context);

    /// <summary>Constraints on parameters, which points to try first and exploits of the trial scheduler keep to as well.</summary>
    public ImmutableArray<ParameterConstraint> Constraints => Context.Constraints;

    /// <summary>
    /// Of a study over a function that goes on over a wider space: by the names of added parameters, what earlier trials are taken to have had.
    /// </summary>
    public ImmutableSortedDictionary<string, double> Defaults { get; init; } = ImmutableSortedDictionary<string, double>.Empty;

    /// <summary>Points to try first; NaN where a parameter has no value or is left to the sampler.</summary>
    public ImmutableArray<ImmutableArray<double>> Enqueued { get; init; } = [];

    /// <summary>Trials that run at a time.</summary>
    public int Parallel { get; init; } = 1;

    /// <summary>Runs of a configuration.</summary>
    public int Repeats { get; init; } = 1;

    /// <summary>What ends the study before its trials are done.</summary>
    public StudyStopSection Stop { get; init; } = new();

    /// <summary>Attempts of a trial that may be lost before it has failed.</summary>
    public int MaxAttempts { get; init; } = 3;

    /// <summary>
    /// Whether trials run in the process that runs the study, so that one may take it along: one that does so time and again has failed
    /// (<see cref="StudyEngine.DeathsMost"/>).
    /// </summary>
    public bool SharesProcess { get; init; }

    /// <summary>Seconds that a trial may compute, over all its attempts; null = no limit.</summary>
    public double? TrialTimeout { get; init; }

    /// <summary>How long to wait before another attempt.</summary>
    public RetryBackoff Backoff { get; init; } = new();

    /// <summary>
    /// Identity of the user code that trials run, as this build has it; null = it is not known. A study that goes on with another one begins nothing until
    /// that is accepted (<see cref="StudyEngine.AcceptCode"/>).
    /// </summary>
    public string? Code { get; init; }

    /// <summary>Of a study over a function: whether it goes on where its code has changed. Its trials say from then on which one they ran.</summary>
    public bool AcceptsNewCode { get; init; }

    /// <summary>Idempotency keys of commands that are remembered, the latest ones.</summary>
    public int CommandKeysKept { get; init; } = 10_000;

    /// <summary>The study spec that it is of, over the space in force; null = it is of none.</summary>
    public StudySpec? Spec { get; init; }

    /// <summary>Reads the file of a wider space for <see cref="Spec"/>; null = there is none.</summary>
    public Func<string, (WiderSpace? Wider, ImmutableArray<SpecViolation> Violations)>? ReadSpace { get; init; }

    /// <summary>
    /// The same study over a wider space, with its sampler and its constraints bound to that; null = nothing but the space is another one, which needs
    /// constraints to be empty.
    /// </summary>
    public Func<StudyEvent.SpaceWidened, StudySetup>? Over { get; init; }

    /// <summary>Resources of the rungs of each bracket of the trial scheduler, ascending; none where it has none.</summary>
    public ImmutableArray<ImmutableArray<long>> Brackets =>
        [.. TrialScheduler(Context).Rungs.GroupBy(r => r.Bracket).OrderBy(b => b.Key).Select(b => b.Select(r => r.Resource).Order().ToImmutableArray())];

    /// <summary>The setup over a wider space: only what hangs on the space is another one.</summary>
    internal StudySetup Widened(StudyEvent.SpaceWidened widened)
    {
        if (Over is null && !Constraints.IsEmpty) throw new InvalidOperationException($"constraints are bound to the space: a setup with constraints needs {nameof(Over)}");
        var wide = Over?.Invoke(widened) ?? this;
        // the trial scheduler goes on with what it knew of trials
        return this with
        {
            Context = Context with { Space = widened.Space, Constraints = wide.Constraints },
            Sampler = wide.Sampler,
            Spec = wide.Spec,
            ReadSpace = wide.ReadSpace,
            Over = wide.Over,
        };
    }

    /// <summary>The setup of a study spec.</summary>
    /// <param name="spec">What to search.</param>
    /// <param name="catalogs">Those that it was bound with.</param>
    public static StudySetup Of(StudySpec spec, SpecCatalogs catalogs)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(catalogs);
        var section = spec.Study;
        var scheduler = catalogs.TrialSchedulers.Get(section.TrialScheduler.Kind);
        var pruner = catalogs.Pruners.Get(section.Pruner.Kind);
        return new StudySetup
        {
            Context = StudyContext.Of(spec),
            Sampler = () => spec.CreateSampler(catalogs.Samplers),
            TrialScheduler = context => scheduler(section.TrialScheduler.Options!, context),
            Pruners = context => new ObjectivePruners(pruner, section.Pruner.Options!, context),
            Enqueued = spec.Enqueued,
            Parallel = section.Parallel,
            Repeats = section.Repeats,
            Stop = section.Stop,
            MaxAttempts = section.MaxAttempts,
            TrialTimeout = section.TrialTimeout,
            Spec = spec,
            ReadSpace = text => WiderSpace.Read(spec, text, new SpecBinder(catalogs)),
            Over = widened => Of(Wider(spec, widened, catalogs), catalogs),
        };
    }

    /// <summary>The study over the space that an event says, from the text of its file.</summary>
    private static StudySpec Wider(StudySpec spec, StudyEvent.SpaceWidened widened, SpecCatalogs catalogs)
    {
        string text = widened.Text ?? throw new ArgumentException("a study over training specs is widened by the file of its space", nameof(widened));
        var wide = WiderSpace.Of(spec, text, new SpecBinder(catalogs)).Spec;
        if (wide.Space.Space.ToString() == widened.Space.ToString()) return wide;
        throw new InvalidOperationException(
            $"the journal has space {widened.Version} as {widened.Space}, but its file now means {wide.Space.Space}: it is of another version");
    }
}
