using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Studies.Engine;

/// <summary>What users ask for. A command whose idempotency key was used for the same before does nothing.</summary>
public sealed partial class StudyEngine
{
    private static readonly JsonSerializerOptions s_json = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    /// <summary>
    /// Pauses the study, or a trial: no attempt begins, and those under way are told to write a checkpoint and end with their next report. A trial that
    /// goes on later has lost nothing, and no attempt of its own.
    /// </summary>
    /// <param name="key">Idempotency key; null = none.</param>
    /// <param name="trial">Its number; null = the study.</param>
    public CommandAnswer Pause(string? key, int? trial = null) => Suspend(key, trial, true);

    /// <summary>Goes on with what was paused, or with a study that has failed since too many trials in a row had: with new ones.</summary>
    /// <inheritdoc cref="Pause"/>
    public CommandAnswer Resume(string? key, int? trial = null)
    {
        if (trial is not null || _ledger.End != StudyStopReason.Failures) return Suspend(key, trial, false);
        var command = new StudyEvent.SuspensionSet(key, null, false);
        if (Repeated(command) is { } repeat) return repeat;
        Commit(command);
        return new();
    }

    /// <summary>Ends the study, or a trial. Attempts under way have nothing more to say.</summary>
    /// <inheritdoc cref="Pause"/>
    public CommandAnswer Cancel(string? key, int? trial = null)
    {
        var answer = Carry(new StudyEvent.CancelRequested(key, trial), Missing(trial));
        if (answer is not { IsRepeat: false, Refusal: null }) return answer;
        if (trial is not { } number) EndStudy(StudyStopReason.Cancelled);
        else CancelTrial(number);
        return answer;
    }

    /// <summary>A point to try before others are suggested, after those that were there.</summary>
    /// <param name="key">Idempotency key; null = none.</param>
    /// <param name="point">One for each parameter; NaN where it has no value or is left to the sampler.</param>
    /// <param name="fromTrial">
    /// The number of the first trial that may be that one: so a deterministic study comes to the same whenever it is told before that. Null = the next one.
    /// Where the sampler has no more, it does not wait.
    /// </param>
    public CommandAnswer Enqueue(string? key, ImmutableArray<double> point, int? fromTrial = null) =>
        Carry(new StudyEvent.Enqueued(key, point) { FromTrial = fromTrial }, Wrong(point) ?? TooLate(fromTrial) ?? NoTrialLeft);

    /// <summary>The parameters that a trial was begun with as a point to try, but for some of them.</summary>
    /// <param name="key">Idempotency key; null = none.</param>
    /// <param name="trial">Its number.</param>
    /// <param name="instead">
    /// One for each parameter: its value in place of the trial's; NaN = that of the trial, which it has where the others let it have one.
    /// </param>
    /// <param name="fromTrial">As for <see cref="Enqueue(string?, ImmutableArray{double}, int?)"/>.</param>
    public CommandAnswer EnqueueTrial(string? key, int trial, ImmutableArray<double> instead, int? fromTrial = null)
    {
        var space = _setup.Context.Space;
        string asked = $"trial {trial} with {string.Join(' ', instead.Select(v => BitConverter.DoubleToInt64Bits(v)))}";
        var command = new StudyEvent.Enqueued(key, instead) { FromTrial = fromTrial, Asked = asked };
        if (Repeated(command) is { } repeat) return repeat;
        if (_setup.Context.IsDefinedByRun) return new(Refusal: "trials define their parameters while they run: give the point by names");
        if (Unknown(trial) is { } unknown) return new(Refusal: unknown);
        if (instead.Length != space.Count) return new(Refusal: $"the point has {instead.Length} values for {space.Count} parameters");
        double[] point = [.. instead];
        var own = Trial(trial).Parameters;
        // conditions are on parameters before them
        for (int i = 0; i < point.Length; i++)
            if (double.IsNaN(point[i]) && space.IsActive(i, point)) point[i] = own[i];
        return Carry(command with { Point = [.. point] }, Wrong([.. point]) ?? TooLate(fromTrial) ?? NoTrialLeft);
    }

    /// <summary>How many trials run at a time; those that run are not ended for it.</summary>
    /// <param name="key">Idempotency key; null = none.</param>
    /// <param name="parallel">At least 1.</param>
    /// <param name="fromTrial">Deterministic: the number of the next trial from which on it holds; null = of the one that is next now.</param>
    public CommandAnswer SetParallel(string? key, int parallel, int? fromTrial = null)
    {
        int from = IsDeterministic ? Math.Max(_ledger.Next, fromTrial ?? 0) : _ledger.Next;
        return Carry(new StudyEvent.ParallelSet(key, parallel, from) { Asked = fromTrial }, parallel < 1 ? $"parallel is {parallel}, but must be at least 1" : null);
    }

    /// <summary>
    /// Notes how many trials run at a time before the first one, where the setup may say something else when the study goes on: what a deterministic study has
    /// decided depends on it.
    /// </summary>
    public void NoteParallel()
    {
        if (_ledger is { Next: 0, End: null }) Commit(new StudyEvent.ParallelSet(null, _ledger.Parallel, 0));
    }

    /// <summary>
    /// How many trials the study is to have in all. One that has ended since it had had them all goes on if it is to have more: with new trials, for those that
    /// were paused ended with it.
    /// </summary>
    /// <param name="key">Idempotency key; null = none.</param>
    /// <param name="trials">At least 1, and those that have begun.</param>
    public CommandAnswer SetTrials(string? key, int trials)
    {
        var command = new StudyEvent.TrialsSet(key, trials);
        if (Repeated(command) is { } repeat) return repeat;
        if (_ledger.End is { } end and not StudyStopReason.Trials) return new(Refusal: $"the study has ended ({end}), and not since it had had all its trials");
        if (trials < Math.Max(1, _ledger.Next)) return new(Refusal: $"trials is {trials}, but must be at least {Math.Max(1, _ledger.Next)}: {_ledger.Next} have begun");
        Commit(command);
        return new();
    }

    /// <summary>A value as JSON, NaN and infinities as texts.</summary>
    /// <exception cref="NotSupportedException">The value cannot be JSON.</exception>
    public static string AttributeText<T>(T value) => JsonSerializer.Serialize(value, s_json);

    /// <summary>
    /// What a user wants to be known of a trial, or of the study; also of one that has ended. It has no key: a repeat sets the same once more.
    /// </summary>
    /// <param name="trial">Its number; null = the study.</param>
    /// <param name="attributes">JSON (<see cref="AttributeText"/>) by name; one that is there already is replaced. All of them are set, or none.</param>
    public CommandAnswer SetAttributes(int? trial, IReadOnlyCollection<KeyValuePair<string, string>> attributes)
    {
        ArgumentNullException.ThrowIfNull(attributes);
        if (Unknown(trial) is { } unknown) return new(Refusal: unknown);
        if (attributes.Any(a => string.IsNullOrEmpty(a.Key))) return new(Refusal: "an attribute has no name");
        foreach (var (name, json) in attributes) Commit(new StudyEvent.AttributeSet(trial, name, json));
        return new();
    }

    /// <summary>
    /// The user code that the study was last gone on with, and the one that it would be now; null = it has not changed, one is not known, or the study has
    /// ended.
    /// </summary>
    public CodeChange? CodeChange =>
        _ledger is { End: null, Code: { } before } && _setup.Code is { } now && now != before ? new CodeChange(before, now) : null;

    /// <summary>Identity of the user code that the study was last gone on with; null = none was noted.</summary>
    public string? Code => _ledger.Code;

    /// <summary>What begins from now on runs this code, which was not known when the study was made; nothing is decided by it yet.</summary>
    public void UseCode(string code) => _setup = _setup with { Code = code };

    /// <summary>
    /// Notes the user code with which the study begins, before its first trial, or after <see cref="Restore"/> where its events do not say it.
    /// </summary>
    public void NoteCode()
    {
        if (_setup.Code is { } code && _ledger is { Code: null, End: null }) Commit(new StudyEvent.CodeAccepted(null, code));
    }

    /// <summary>Goes on with user code that has changed: attempts that begin from now on run it, and their trials say so.</summary>
    /// <param name="key">Idempotency key; null = none.</param>
    public CommandAnswer AcceptCode(string? key)
    {
        if (CodeChange is { } change) return Carry(new StudyEvent.CodeAccepted(key, change.Now), null);
        // one that is repeated finds the code accepted
        return _ledger.Code is { } code && key is not null && _ledger.Keys.Find(key) == CommandKeys.NameOf(new StudyEvent.CodeAccepted(key, code))
            ? new(IsRepeat: true) : default;
    }

    /// <summary>
    /// Replaces the space by one that contains it (<see cref="SpaceWidening"/>): trials from now on are drawn from that, by all that the earlier ones have
    /// brought. Parameters of all trials, whenever they began, are in the space that is in force, as told by the setup's <see cref="StudySetup.Over"/>.
    /// </summary>
    /// <param name="key">Idempotency key; null = none.</param>
    /// <param name="space">At least as wide as the one in force.</param>
    /// <param name="defaults">By the names of added parameters: what earlier trials are taken to have had.</param>
    /// <param name="fromTrial">Deterministic: the number of the first trial that is drawn from it; null = the one that is next now.</param>
    /// <exception cref="SpecException">
    /// The space does not contain the one in force, or sampler or trial scheduler cannot go on with another one: all that is wrong.
    /// </exception>
    public CommandAnswer Widen(string? key, SearchSpace space, IReadOnlyDictionary<string, double> defaults, int? fromTrial = null)
    {
        ArgumentNullException.ThrowIfNull(space);
        ArgumentNullException.ThrowIfNull(defaults);
        var command = Widened(key, space, defaults, fromTrial);
        // a repeat is of a space that is in force already
        if (Repeated(command) is { } repeat) return repeat;
        if (CannotWiden is { } refusal) return new(Refusal: refusal);
        Check(command);
        return Carry(command, null);
    }

    /// <summary>What <see cref="Widen(string?, SearchSpace, IReadOnlyDictionary{string, double}, int?)"/> would find wrong with the space.</summary>
    /// <exception cref="SpecException">As there.</exception>
    internal void CheckWidening(SearchSpace space, IReadOnlyDictionary<string, double> defaults) => Check(Widened(null, space, defaults, null));

    private void Check(StudyEvent.SpaceWidened command)
    {
        _ = new SpaceWidening(_setup.Context.Space, command.Space, command.Defaults);
        StudyContext.Demand(_advisors.CheckWidening(_setup.Widened(command)));
    }

    /// <summary>The same for a study over training specs, by the text of a file with the new space.</summary>
    /// <param name="key">Idempotency key; null = none.</param>
    /// <param name="text">See <see cref="WiderSpace"/>.</param>
    /// <param name="fromTrial">Deterministic: the number of the first trial that is drawn from it; null = the one that is next now.</param>
    /// <exception cref="SpecException">The text is no wider space, or sampler or trial scheduler cannot go on with another one: all that is wrong.</exception>
    public CommandAnswer Widen(string? key, string text, int? fromTrial = null)
    {
        if (_setup.ReadSpace is not { } read) throw new InvalidOperationException("the study is of no study spec: give its space as one");
        if (Repeated(key, CommandKeys.OfSpace(text)) is { } repeat) return repeat;
        if (CannotWiden is { } refusal) return new(Refusal: refusal);
        var (wider, violations) = read(text);
        var command = wider is null ? null : Widened(key, wider.Spec.Space.Space, wider.Defaults, fromTrial) with { Text = text };
        StudyContext.Demand([.. violations, .. _advisors.CheckWidening(command is null ? null : _setup.Widened(command))]);
        return Carry(command!, null);
    }

    private StudyEvent.SpaceWidened Widened(string? key, SearchSpace space, IReadOnlyDictionary<string, double> defaults, int? fromTrial)
    {
        int from = IsDeterministic ? Math.Max(_ledger.Next, fromTrial ?? 0) : _ledger.Next;
        return new(key, _ledger.SpaceVersion + 1, from, space, defaults.ToImmutableSortedDictionary(StringComparer.Ordinal));
    }

    private string? CannotWiden => _ledger.End is { } end ? $"the study has ended ({end})"
        : _setup.Context.IsDefinedByRun ? "its trials define their parameters while they run: let them define more"
        : _ledger.ComingSpace is { } coming ? $"another space is to hold from trial {coming.FromTrial} on; wait for that" : null;

    /// <summary>
    /// Lets the sampler know trials of another study. Before this one's own begin, at its beginning or after <see cref="Restore"/>: those that its events have
    /// already are not taken twice, so that a study whose events end among them gets the rest.
    /// </summary>
    /// <param name="trials">All of them, in the same order each time.</param>
    /// <exception cref="ArgumentException">One is no trial of this space and these objectives; none of them is taken then.</exception>
    public void Import(IReadOnlyList<ImportedTrial> trials)
    {
        ArgumentNullException.ThrowIfNull(trials);
        if (_ledger.End is not null || _ledger.Next > 0) return;
        // those that it has may be of a space that was widened since
        var rest = trials.Skip(_ledger.Imported).ToList();
        foreach (var trial in rest)
            if (Wrong(trial) is { } wrong) throw new ArgumentException($"{trial.Source} {wrong}", nameof(trials));
        foreach (var trial in rest) Commit(new StudyEvent.Imported(trial));
    }

    /// <summary>
    /// So long has the study gone on: journaled once a second, where an attempt begins and at its end, and it may end by it. Time in which it waits for a user
    /// with nothing under way does not count.
    /// </summary>
    /// <param name="seconds">Since the last call.</param>
    /// <param name="now">What time it is, in UTC, to be journaled with it; null = that is not known.</param>
    public void Pass(double seconds, DateTime? now = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(seconds);
        _passedAt = now;
        // what has ended does not get older, nor what waits for a user with nothing under way
        bool stoodStill = _standsStill;
        _standsStill = _ledger.Running == 0 && (_ledger.IsSuspended || CodeChange is not null);
        if (_ledger.End is not null || _standsStill) return;
        _passed += seconds;
        // what time it is by the study's clock has changed
        bool isDue = _passed >= 1 || (stoodStill && now is not null);
        if (!isDue && !(_ledger.Seconds + _passed >= _setup.Stop.MaxSeconds)) return;
        CountTime();
        if (DueStop() is { } due) EndStudy(due);
    }

    /// <summary>Journals what time it is where the study begins or goes on, by which its clock is told in UTC.</summary>
    public void NoteTime(DateTime now)
    {
        if (_ledger.End is null) Commit(new StudyEvent.TimePassed(_ledger.Seconds, now));
    }

    /// <summary>When an attempt begins is told by the time that is journaled before it.</summary>
    private void NoteBeginning()
    {
        if (_passed >= BeginsWithin) CountTime();
    }

    private void CountTime()
    {
        Commit(new StudyEvent.TimePassed(_ledger.Seconds + _passed, _passedAt));
        _passed = 0;
    }

    /// <summary>
    /// What a command is answered by a study that takes none any more, if it was carried out before by its key; null = it was not. Nothing happens by it.
    /// </summary>
    /// <param name="command">Gives it to the study.</param>
    public CommandAnswer? FindRepeat(Func<StudyEngine, CommandAnswer> command)
    {
        ArgumentNullException.ThrowIfNull(command);
        _onlyLooks = true;
        try
        {
            return command(this) is { IsRepeat: true } repeat ? repeat : null;
        }
        catch (SpecException)
        {
            return null; // bad input, which was never carried out
        }
        finally
        {
            _onlyLooks = false;
        }
    }

    /// <summary>Why no trial would begin with a point that is enqueued now; null = one would.</summary>
    private string? NoTrialLeft
    {
        get
        {
            if (_ledger.Trials is not { } trials || _ledger.Next + _ledger.Points < trials || _ledger.End is not (null or StudyStopReason.Trials)) return null;
            string waiting = _ledger.Points > 0 ? FormattableString.Invariant($", and {_ledger.Points} points wait") : "";
            return FormattableString.Invariant($"no trial is left for the point: of {trials} trials {_ledger.Next} have begun{waiting}; ")
                + "give the study more trials first ('distopt set STUDY --trials N', SetTrialsAsync, or Trials of a function's options)";
        }
    }

    private CommandAnswer Suspend(string? key, int? trial, bool isSuspended) =>
        Carry(new StudyEvent.SuspensionSet(key, trial, isSuspended), Missing(trial));

    private CommandAnswer Carry(StudyEvent.Command command, string? refusal)
    {
        if (Repeated(command) is { } repeat) return repeat;
        if (refusal is null && _ledger.End is { } end) refusal = $"the study has ended ({end})";
        if (refusal is not null) return new(Refusal: refusal);
        Commit(command);
        return new();
    }

    /// <summary>What is said to a command whose key was used before; null = it was not.</summary>
    private CommandAnswer? Repeated(StudyEvent.Command command) => command.Key is null ? null : Repeated(command.Key, CommandKeys.NameOf(command));

    private CommandAnswer? Repeated(string? key, string name)
    {
        if (key is null || _ledger.Keys.Find(key) is not { } use) return null;
        return use == name ? new(IsRepeat: true) : new(Refusal: $"key '{key}' was used for another command, '{use}'");
    }

    /// <summary>Why nothing can become of a trial any more; null = something can, or the study is meant.</summary>
    private string? Missing(int? trial) => trial is not { } number || _ledger.Find(number) is { Phase: not TrialPhase.Finished } ? null
        : Unknown(number) ?? $"trial {number} has ended";

    /// <summary>That there never was such a trial; null = there is, or the study is meant.</summary>
    private string? Unknown(int? trial) =>
        trial is { } number && (number < 0 || number >= _ledger.Next) ? $"there is no trial {number}; there are {_ledger.Next}" : null;

    private string? TooLate(int? fromTrial) => fromTrial < 0 ? $"from_trial is {fromTrial}, but must be at least 0"
        : fromTrial >= _ledger.Trials ? $"from_trial is {fromTrial}, but the study is to have {_ledger.Trials} trials, from 0: give a lower one, or set its trials first"
        : null;

    private string? Wrong(ImmutableArray<double> point)
    {
        var space = _setup.Context.Space;
        if (point.Length != space.Count) return $"the point has {point.Length} values for {space.Count} parameters";
        for (int i = 0; i < point.Length; i++)
        {
            if (double.IsNaN(point[i])) continue;
            if (!space.IsActive(i, point.AsSpan())) return $"the point has a value of {space.Parameters[i].Name}, which has none beside the others";
            if (!space.Parameters[i].Domain.Contains(point[i]))
                return FormattableString.Invariant($"the point has {point[i]} as {space.Parameters[i].Name}, which is not in its domain");
        }
        return _setup.Constraints.FirstOrDefault(c => !c.Holds(point.AsSpan())) is { } broken ? $"the point breaks the constraint on '{broken.Text}'" : null;
    }

    private string? Wrong(ImportedTrial trial)
    {
        if (trial.State is not (TrialState.Complete or TrialState.Pruned)) return $"is {trial.State}, but only complete and pruned trials can be learned from";
        if (_setup.Context.Space.Check([.. trial.Parameters]).FirstOrDefault() is { } violation) return violation.ToString();
        int objectives = trial.State == TrialState.Complete ? _setup.Context.Directions.Length : 0;
        if (trial.Values.Length != objectives) return $"has {trial.Values.Length} values, but must have {objectives}";
        return trial.Values.Any(double.IsNaN) ? "has a value that is NaN"
            : trial.Constraints.Any(double.IsNaN) ? "has a constraint that is NaN: whether it is feasible is not known" : null;
    }

    private void CancelTrial(int number) => Finish(new StudyEvent.Ended(
        number, TrialState.Cancelled, TrialEndCause.Cancelled, [], [], null, _ledger.Find(number)!.AttemptSeconds));
}
