using System.Collections.Immutable;
using System.Runtime.InteropServices;
using DistOpt.Core.Pruners;
using DistOpt.Core.Randomness;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Studies.Engine;

/// <summary>
/// Sampler, trial scheduler and pruners of a study. A question that they are asked is part of what they know; so the events of a journal ask them again
/// (<see cref="Repeat"/>), in its order, and must find the same answers.
/// </summary>
internal sealed class StudyAdvisors
{
    /// <summary>How often a point that leaves something out is filled in, until it keeps to the constraints.</summary>
    private const int Drawn = 10_000;

    private StudySetup _setup;
    private StudyContext _context;
    private ISampler _sampler;
    private readonly ITrialScheduler _scheduler;
    private readonly ObjectivePruners _pruners;
    private StudyHistory _history;

    /// <summary>Of a deterministic study: what the sampler is not to know yet, in the order in which it was counted.</summary>
    private readonly List<StudyTrial> _deferred = [];

    /// <summary>Of trials that have not ended: what they were worth at the rungs that they have come to.</summary>
    private readonly Dictionary<int, ImmutableArray<Report>> _rungs = [];
    /// <summary>Those that never pause one leave none of which the others' next rung is asked.</summary>
    private readonly bool _pausesAtRungs;

    /// <exception cref="SpecException">One of them cannot be used for the study.</exception>
    public StudyAdvisors(StudySetup setup)
    {
        (_setup, _context) = (setup, setup.Context);
        (_sampler, _scheduler, _pruners) = (setup.Sampler(), setup.TrialScheduler(_context), setup.Pruners(_context));
        var rungs = _scheduler.Rungs;
        _history = new StudyHistory(_context.Space, _context.Directions)
        {
            HasRungs = rungs.Any(r => r.Resource < _scheduler.TrialEnd),
            Budget = _context.Trials,
        };
        _pausesAtRungs = !rungs.IsEmpty && _scheduler.NeedsCheckpoints;
        StudyContext.Demand(
        [
            .. _sampler.Check(_context.Space, _context.Directions.Length), .. ISampler.Check(_sampler, _scheduler),
            .. _pruners.Check(_scheduler), .. OrderViolations(), .. StopViolations(_setup), .. DefinedViolations(),
        ]);
    }

    public StudyHistory History => _history;

    /// <summary>What has become of a trial of the study, also where its sampler is not to know yet.</summary>
    public StudyTrial this[int number] => _deferred.FindLast(t => t.Number == Place(number)) ?? _history.Trials[Place(number)];

    /// <summary>Resource at which the trial scheduler completes a trial.</summary>
    public long TrialEnd => _scheduler.TrialEnd;

    public ImmutableArray<RungStatus> Rungs => _scheduler.Rungs;

    /// <inheritdoc cref="ITrialScheduler.UntilOf"/>
    public long? UntilOf(int trial) => _scheduler.UntilOf(trial);

    /// <summary>Whether trials are paused, or copied.</summary>
    public bool Pauses => _scheduler.NeedsCheckpoints;

    /// <summary>Whether trials go on from others' checkpoints.</summary>
    public bool Copies => _scheduler.ChangesParameters;

    public bool MayNeed(TrialCheckpoint checkpoint) =>
        _scheduler.NeedsCheckpoints && checkpoint.Repeat == 0 && _scheduler.MayNeed(checkpoint.Trial, checkpoint.Resource);

    /// <summary>What the next decision is: a new trial where one may be started, a promotion, or nothing.</summary>
    public SlotDecision Next(StudyLedger ledger, bool startsTrials)
    {
        bool mayStart = startsTrials && !(ledger.Next >= ledger.Trials) && (ledger.Points > 0 || _sampler.HasMore(_history));
        return _scheduler.Next(mayStart ? ledger.Next : null);
    }

    /// <summary>In a deterministic study suggestion n knows what has become of the trials 0..n-K, and of no other: asked for
    /// before a suggestion, and at no other time.</summary>
    public void Admit(StudyLedger ledger)
    {
        if (_deferred.Count == 0) return;
        int most = ledger.Next - ledger.Parallel;
        foreach (var trial in _deferred)
            if (trial.Number - _history.Imported <= most) _history.Set(trial);
        _deferred.RemoveAll(t => t.Number - _history.Imported <= most);
    }

    /// <summary>Why the space cannot be replaced by a wider one; nothing where it can.</summary>
    /// <param name="wide">The setup over the wider space; null = there is none, since that is wrong itself.</param>
    public IEnumerable<SpecViolation> CheckWidening(StudySetup? wide)
    {
        const string but = "so that the space has to stay as it is; begin another study with the wider one, and import this one's trials";
        if (_sampler.KeepsCourse(_history))
            yield return new("study.sampler", $"follows a course that is laid out in the space (grid, sobol, cma-es, or auto over numbers), {but}");
        if (_scheduler.ChangesParameters) yield return new(TrialSchedulerOptions.Path, $"changes the parameters of trials (pbt, pb2), {but}");
        if (wide is null) yield break;
        foreach (var violation in wide.Sampler().Check(wide.Context.Space, wide.Context.Directions.Length)) yield return violation;
        foreach (var violation in StopViolations(wide)) yield return violation;
    }

    /// <summary>From now on suggestions are of a wider space; what trial scheduler and pruners know stays.</summary>
    public void Widen(SpaceWidening widening, StudySetup wide)
    {
        (_setup, _context, _sampler) = (wide, wide.Context, wide.Sampler());
        _history = _history.Widened(widening);
        for (int i = 0; i < _deferred.Count; i++) _deferred[i] = _deferred[i] with { Parameters = widening.Map(_deferred[i].Parameters.AsSpan()) };
    }

    /// <summary>Whether the sampler has a configuration left.</summary>
    public bool HasMore => _sampler.HasMore(_history);

    /// <summary>The greatest expected improvement by all trials that are complete; null while there is nothing to improve on. In a deterministic study, too, it
    /// knows all that were counted: there these are the same in every run.</summary>
    public double? Improvement()
    {
        var complete = _history.Trials.Concat(_deferred).Where(t => t.State == TrialState.Complete).OrderBy(t => t.Number);
        return ExpectedImprovement.Greatest(_history, [.. complete], _context.Seed);
    }

    /// <summary>Whether parameters are drawn together that trials have together.</summary>
    public bool DrawsTogether(LiveTrial trial)
    {
        _history.Bracket = trial.Bracket;
        return _sampler is IPartialSampler partial && partial.DrawsTogether(_history);
    }

    /// <summary>Values of some parameters of a study whose trials define them.</summary>
    public ImmutableArray<double> Suggest(LiveTrial trial, ReadOnlySpan<int> parameters)
    {
        double[] values = new double[parameters.Length];
        _history.Bracket = trial.Bracket;
        ((IPartialSampler)_sampler).Suggest(_history, _context.Seed, Place(trial.Number), parameters, values);
        return ImmutableCollectionsMarshal.AsImmutableArray(values);
    }

    /// <summary>The configuration of a new trial.</summary>
    public ImmutableArray<double> Suggest(SlotDecision start)
    {
        if (_context.IsDefinedByRun) return [];
        double[] values = new double[_context.Space.Count];
        _history.Bracket = start.Bracket;
        _sampler.Suggest(_history, _context.Seed, Place(start.Trial), values);
        return ImmutableCollectionsMarshal.AsImmutableArray(values);
    }

    /// <summary>A point to try with what it leaves out filled in by the sampler; null = nothing that was drawn keeps to the constraints.</summary>
    public ImmutableArray<double>? Complete(SlotDecision start, ReadOnlySpan<double> point)
    {
        int number = start.Trial;
        double[] suggested = new double[_context.Space.Count];
        _history.Bracket = start.Bracket;
        for (int attempt = 0; attempt < Drawn; attempt++)
        {
            bool isFilled = false;
            if (attempt == 0 && _sampler.HasMore(_history)) _sampler.Suggest(_history, _context.Seed, Place(number), suggested);
            else Array.Fill(suggested, double.NaN);
            double[] values = _context.Space.Complete(point, suggested, i =>
            {
                isFilled = true;
                return new CounterRandom(_context.Seed, RandomPurpose.Search, number, attempt, i).NextDouble();
            });
            if (ParameterConstraint.Hold(_setup.Constraints, values)) return ImmutableCollectionsMarshal.AsImmutableArray(values);
            // nothing of it was drawn
            if (attempt > 0 && !isFilled) return null;
        }
        return null;
    }

    /// <summary>What becomes of a trial by its report: of the trial scheduler and the pruner the one that ends it has its way.</summary>
    public ReportAction Judge(LiveTrial trial, long step, ImmutableArray<double> values)
    {
        // those that follow the first run only make its values more exact
        if (trial.Repeat > 0) return step >= TrialEnd ? ReportAction.Complete : ReportAction.Continue;
        var action = _context.IsDeterministic ? AtOnce(trial, step) : _scheduler.Report(trial.Number, step, values[0]);
        if (_pruners.JudgesRuns) return action;
        _pruners.Report(trial.Number, step, values.AsSpan());
        return action is not (ReportAction.Prune or ReportAction.Complete) && _pruners.ShouldPrune(trial.Number) ? ReportAction.Prune : action;
    }

    /// <summary>Whether a trial ends after a run of its configuration that is not the last one.</summary>
    public bool EndsAfterRun(LiveTrial trial, ReadOnlySpan<double> values)
    {
        if (!_pruners.JudgesRuns) return false;
        _pruners.Report(trial.Number, trial.Repeat, values);
        return _pruners.ShouldPrune(trial.Number);
    }

    /// <summary>Asks what a journal says was asked.</summary>
    /// <exception cref="InvalidOperationException">The answer is another one.</exception>
    public void Repeat(StudyEvent e, StudyLedger ledger)
    {
        switch (e)
        {
            case StudyEvent.Started started:
                Admit(ledger);
                var start = _scheduler.Next(started.Trial);
                Demand(start.Action == SlotAction.Start && (start.Until, start.Bracket) == (started.Until, started.Bracket), e, start);
                break;
            case StudyEvent.Promoted promoted:
                var decision = _scheduler.Next(null);
                Demand(decision.Action == SlotAction.Promote && (decision.Trial, decision.Until) == (promoted.Trial, promoted.Until)
                    && AreEqual(decision.Exploit, promoted.Exploit), e, decision);
                break;
            case StudyEvent.Reported reported when ledger.Find(reported.Trial) is { } trial:
                var action = Judge(trial, reported.Step, reported.Values);
                Demand(action == reported.Action, e, action);
                break;
            case StudyEvent.RunCompleted run when ledger.Find(run.Trial) is { } trial:
                Demand(!EndsAfterRun(trial, run.Values.AsSpan()), e, ReportAction.Prune);
                break;
        }
    }

    /// <summary>Tells them what an event says; before the ledger changes by it.</summary>
    public void Follow(StudyEvent e, StudyLedger ledger)
    {
        switch (e)
        {
            case StudyEvent.Imported { Trial: var imported }:
                _history.Set(new StudyTrial
                {
                    Number = _history.Trials.Count,
                    State = imported.State,
                    Parameters = imported.Parameters,
                    Values = imported.Values,
                    Constraints = imported.Constraints,
                    Reports = imported.State == TrialState.Pruned && imported.Last is { } reported ? [reported] : [],
                    Rungs = RungsOf(imported),
                    IsImported = true,
                });
                break;
            case StudyEvent.Started started:
                _history.Set(new StudyTrial
                {
                    Number = Place(started.Trial),
                    State = TrialState.Running,
                    Parameters = started.Parameters,
                    Bracket = started.Bracket,
                    SpaceVersion = ledger.SpaceVersion,
                });
                _scheduler.Begin(started.Trial, started.Parameters);
                break;
            case StudyEvent.Defined defined:
                _history.Define(defined.Name, defined.Domain);
                break;
            case StudyEvent.Suggested suggested:
                _history.Give(Place(suggested.Trial), ledger.Defined.IndexOf(suggested.Name), suggested.Value);
                break;
            case StudyEvent.Released released when !_context.IsDeterministic && ledger.Find(released.Trial) is { Told: ReportAction.Pause } trial:
                Learn(trial, TrialState.Paused, [], []);
                break;
            case StudyEvent.TrialsSet set:
                _scheduler.SetTrials(set.Trials);
                _history.Budget = set.Trials;
                break;
            case StudyEvent.Promoted promoted when !_context.IsDeterministic
                && ledger.Find(promoted.Trial) is { Told: ReportAction.Pause, Phase: not TrialPhase.Paused } trial:
                // sent on before it has given up its slot: what it was worth there is known all the same
                Learn(trial, TrialState.Paused, [], []);
                break;
            case StudyEvent.Taken taken when ledger.Find(taken.Trial) is { Last: { } last } trial:
                _scheduler.Report(trial.Number, last.Step, last.Value);
                Learn(trial, TrialState.Paused, [], []);
                break;
            case StudyEvent.Ended ended when ledger.Find(ended.Trial) is { } trial:
                End(ended, trial);
                break;
        }
    }

    private void End(StudyEvent.Ended ended, LiveTrial trial)
    {
        if (_context.IsDeterministic && ended.State == TrialState.Complete && trial.Last is { } last && last.Step >= TrialEnd)
            _scheduler.Report(trial.Number, last.Step, last.Value);
        // to them a trial that was cancelled is one without a value
        var state = ended.State == TrialState.Cancelled ? TrialState.Failed : ended.State;
        _scheduler.End(ended.Trial, state);
        // none is to be measured by one that breaks the study's constraints
        bool isFeasible = !(StudyTrial.ViolationOf(ended.Constraints.AsSpan()) > 0);
        _pruners.End(ended.Trial, state, isFeasible ? ended.Values.AsSpan() : [.. ended.Values.Select(_ => double.NaN)]);
        Learn(trial, ended.State, ended.Values, ended.Constraints, ended.Cause == TrialEndCause.Diverged);
    }

    /// <summary>
    /// The sampler gets to know what has become of a trial, with the parameters by which it came to that: its own, or those of its last copy of another one.
    /// In a deterministic study later.
    /// </summary>
    private void Learn(LiveTrial trial, TrialState state, ImmutableArray<double> values, ImmutableArray<double> constraints, bool hasDiverged = false)
    {
        var before = _history.Trials[Place(trial.Number)];
        var learned = before with
        {
            State = state,
            Parameters = state is TrialState.Paused or TrialState.Pruned ? trial.Reported : trial.Parameters,
            Drawn = before.Drawn,
            Values = values,
            Constraints = constraints,
            // of the others nothing is asked of their way
            Reports = state is TrialState.Paused or TrialState.Pruned && trial.Last is { } last ? [last] : [],
            Rungs = RungsOf(trial, state, values),
            HasDiverged = hasDiverged,
        };
        if (_context.IsDeterministic) _deferred.Add(learned);
        else _history.Set(learned);
    }

    /// <summary>What a trial was worth at rungs, with the one that it has come to, or failed on its way to.</summary>
    private ImmutableArray<Report> RungsOf(LiveTrial trial, TrialState state, ImmutableArray<double> values)
    {
        if (!_pausesAtRungs) return [];
        var rungs = _rungs.GetValueOrDefault(trial.Number, []);
        double? value = state switch
        {
            TrialState.Paused => trial.Last?.Value,
            TrialState.Complete => values[0],
            TrialState.Failed => double.NaN,
            _ => null,
        };
        // a trial that fails at a rung, paused there, was worth something
        if (value is { } reached && trial.Goal != long.MaxValue && !(rungs is [.., var last] && last.Step >= trial.Goal))
            rungs = rungs.Add(new Report(trial.Goal, reached));
        if (state == TrialState.Paused) _rungs[trial.Number] = rungs;
        else _rungs.Remove(trial.Number);
        return rungs;
    }

    /// <summary>One of another study, which had no rungs that are known here: it counts at the end, or where it ended if there is a rung.</summary>
    private ImmutableArray<Report> RungsOf(ImportedTrial trial)
    {
        if (!_pausesAtRungs) return [];
        if (trial.State == TrialState.Complete) return TrialEnd == long.MaxValue ? [] : [new Report(TrialEnd, trial.Values[0])];
        return trial.Last is { } last && Rungs.Any(r => r.Resource == last.Step) ? [last] : [];
    }

    /// <summary>The number of a trial in the history, where those that were imported are before it.</summary>
    private int Place(int trial) => _history.Imported + trial;

    /// <summary>What the trial scheduler will say when it is the trial's turn.</summary>
    private ReportAction AtOnce(LiveTrial trial, long step) =>
        step >= TrialEnd ? ReportAction.Complete : step >= trial.Until ? ReportAction.Pause : ReportAction.Continue;

    private IEnumerable<SpecViolation> OrderViolations()
    {
        if (!_context.IsDeterministic) yield break;
        const string but = "depends on the order of reports, but the study is deterministic";
        if (!_scheduler.IsOrderIndependent) yield return new(TrialSchedulerOptions.Path, $"{but}; use fifo or asha");
        if (!_pruners.IsOrderIndependent) yield return new(PrunerOptions.Path, $"{but}; use threshold or none");
    }

    private static IEnumerable<SpecViolation> StopViolations(StudySetup setup) =>
    [
        .. StudySpecRules.OneObjective(setup.Stop, setup.Context.Directions.Length),
        .. setup.Stop.ExpectedImprovement is not { } section ? []
            : ExpectedImprovement.Check(section, setup.Context.Space, setup.Context.Directions.Length, setup.Context.Trials),
    ];

    private IEnumerable<SpecViolation> DefinedViolations()
    {
        if (!_context.IsDefinedByRun) yield break;
        const string but = "but its trials define their parameters while they run";
        if (_sampler is not IPartialSampler)
        {
            yield return new("study.sampler",
                $"is {Name(_sampler)}, which needs the space before the first trial, {but}; use auto, tpe or random, or declare the space");
        }
        if (_scheduler.ChangesParameters)
            yield return new(TrialSchedulerOptions.Path, $"lets trials copy others and changes their parameters, {but}; use another one, or declare the space");
        if (_context.Space.Count > 0) yield return new("space", $"has {_context.Space.Count} parameters, {but}; declare all of them or none");
        if (_context.IsDeterministic)
            yield return new("study.deterministic", $"is true, {but}: what they are suggested depends on what others have brought by then; declare the space");
        if (!_setup.Constraints.IsEmpty) yield return new("study.constraints", $"are on parameters, {but}; declare the space");
        if (!_setup.Enqueued.IsEmpty) yield return new("study.enqueue", $"has points of a declared space, {but}; enqueue points by name");
    }

    /// <summary>What users know it by: its entry in the catalogue.</summary>
    private static string Name(ISampler sampler)
    {
        string name = sampler.GetType().Name;
        if (name.EndsWith("Sampler", StringComparison.Ordinal)) name = name[..^"Sampler".Length];
        return string.Concat(name.Select((c, i) => i > 0 && char.IsUpper(c) ? $"-{c}" : $"{c}")).ToLowerInvariant();
    }

    private static bool AreEqual(Exploit? a, Exploit? b) =>
        a is null || b is null ? a == b : (a.Donor, a.Resource) == (b.Donor, b.Resource) && a.Parameters.SequenceEqual(b.Parameters);

    private static void Demand(bool isSame, StudyEvent e, object answer)
    {
        if (isSame) return;
        throw new InvalidOperationException($"the journal has {e}, but the answer is now {answer}: it is of another trial scheduler, pruner or version");
    }
}
