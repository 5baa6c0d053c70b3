using System.Collections.Immutable;
using DistOpt.Core.SearchSpaces;

namespace DistOpt.Core.Studies.Engine;

/// <summary>Studies whose trials define their parameters while they run (<see cref="StudyContext.IsDefinedByRun"/>).</summary>
public sealed partial class StudyEngine
{
    /// <summary>
    /// The value of a parameter for a trial that runs: a function of the seed, the trial's number, the name and what is known of other trials at that time.
    /// One that the trial has already keeps its value, also in another attempt.
    /// </summary>
    /// <param name="id">The attempt.</param>
    /// <param name="name">Of the parameter.</param>
    /// <param name="domain">Its values. Another one than in trials before may have other bounds and steps, but must be of the same kind.</param>
    /// <returns>As it is kept: a choice by its index.</returns>
    /// <exception cref="ArgumentException">The domain is wrong, or does not go with what the parameter was before.</exception>
    /// <exception cref="InvalidOperationException">The attempt has ended, or the space was declared before the study.</exception>
    public double Suggest(AttemptId id, string name, Domain domain)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(domain);
        if (!_setup.Context.IsDefinedByRun)
            throw new InvalidOperationException($"'{name}' cannot be suggested: the space of the study was declared before, and has its value already");
        if (domain.Problems().FirstOrDefault() is { } problem) throw new ArgumentException($"'{name}' {problem}", nameof(domain));
        var trial = Current(id) ?? throw new InvalidOperationException($"trial {id.Trial} has ended: it gets no more parameters");
        var defined = _ledger.Defined;
        int place = defined.IndexOf(name);
        if (place >= 0 && DefinedSpace.Conflict(defined.Space.Parameters[place].Domain, domain) is { } conflict)
            throw new ArgumentException($"'{name}' is suggested {conflict}, unlike before ({Functions.StudyIdentity.Show(domain)}, "
                + $"not {Functions.StudyIdentity.Show(defined.Space.Parameters[place].Domain)}): give it another name", nameof(domain));
        if (place >= 0 && trial.Has(place))
        {
            if (domain.Contains(trial.Parameters[place])) return trial.Parameters[place];
            throw new ArgumentException(FormattableString.Invariant($"'{name}' has the value {trial.Parameters[place]} in trial {trial.Number} already, ")
                + $"which is not in {Functions.StudyIdentity.Show(domain)}: give it another name", nameof(domain));
        }
        double? fixedValue = trial.Fixed is { } point && point.TryGetValue(name, out object? wanted) ? PointValue.In(domain, wanted, name) : null;
        if (place < 0 || !defined.Space.Parameters[place].Domain.Equals(domain))
        {
            Commit(new StudyEvent.Defined(name, domain));
            place = defined.IndexOf(name);
        }
        double value = fixedValue ?? (domain.IsSingle ? domain.FromUnit(0.5) : Draw(trial, place, domain));
        Commit(new StudyEvent.Suggested(trial.Number, name, value));
        return value;
    }

    /// <summary>A point to try before others are suggested, of a study whose trials define their parameters.</summary>
    /// <param name="key">Idempotency key; null = none.</param>
    /// <param name="point">Values by name: numbers and choices as they are. What it does not name is left to the sampler.</param>
    public CommandAnswer Enqueue(string? key, IReadOnlyDictionary<string, object?> point)
    {
        ArgumentNullException.ThrowIfNull(point);
        var canonical = point.Select(p => new KeyValuePair<string, object?>(p.Key, ChoiceValues.Canonical(p.Value, p.Key)));
        return Carry(new StudyEvent.PointEnqueued(key, [.. canonical]),
            _setup.Context.IsDefinedByRun ? NoTrialLeft : "the space of the study was declared before: give a value for each of its parameters");
    }

    /// <summary>What was drawn together with another parameter, or what is drawn now.</summary>
    private double Draw(LiveTrial trial, int place, Domain domain)
    {
        if (!trial.Drawn.ContainsKey(place) && _advisors.DrawsTogether(trial))
        {
            int[] group = [.. _ledger.Defined.GroupOf(place).Where(i => !trial.Has(i) && !trial.Drawn.ContainsKey(i) && IsOpen(i))];
            if (group.Length > 1)
            {
                var values = _advisors.Suggest(trial, group);
                Commit(new StudyEvent.DrawnTogether(trial.Number, [.. group.Select(i => _ledger.Defined.Space.Parameters[i].Name)], values));
            }
        }
        // drawn for another domain it may lie outside of this one
        return trial.Drawn.TryGetValue(place, out double drawn) && domain.Contains(drawn) ? drawn : _advisors.Suggest(trial, [place])[0];
    }

    private bool IsOpen(int place) => !_ledger.Defined.Space.Parameters[place].Domain.IsSingle;
}
