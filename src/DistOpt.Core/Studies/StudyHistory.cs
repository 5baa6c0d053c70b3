using System.Collections.Immutable;
using System.Runtime.InteropServices;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Studies;

/// <summary>
/// The trials of a study, kept in the orders in which samplers want them, so that nothing has to be sorted for a suggestion: an order that is asked for
/// takes in what has come since it was last asked for, and one that nobody asks for costs nothing. One thread at a time.
/// </summary>
public sealed class StudyHistory
{
    private readonly List<StudyTrial> _trials = [];
    private readonly List<OrderedNumbers> _ordered = [];
    private readonly List<List<double>> _scaled = [];
    private readonly OrderedNumbers _ranking;
    private readonly List<int> _ended = [];
    private readonly List<int> _seen = [];
    private readonly Comparer<int> _byRank;
    private readonly List<int> _peers = [];
    private bool _isDefinedByRun;
    private bool _hasBrackets;

    /// <param name="space">What is searched.</param>
    /// <param name="directions">One for each objective.</param>
    public StudyHistory(SearchSpace space, params ImmutableArray<Direction> directions)
    {
        if (directions.IsDefaultOrEmpty) throw new ArgumentException("a study has at least one objective", nameof(directions));
        (Space, Directions) = (space, directions);
        AddColumns();
        _byRank = Comparer<int>.Create((a, b) => Compare(_trials[a], _trials[b]));
        _ranking = new OrderedNumbers(_byRank);
    }

    /// <summary>What is searched; where trials define it while they run, all that was defined so far.</summary>
    public SearchSpace Space { get; private set; }

    public ImmutableArray<Direction> Directions { get; }

    /// <summary>Whether the trial scheduler pauses or ends trials at rungs, so that few of them become complete.</summary>
    public bool HasRungs { get; init; }

    /// <summary>How many trials the study will have, as far as it is known now, without those of another one; null = no bound.</summary>
    public int? Budget { get; internal set; }

    /// <summary>How many trials are of another study: they have the first numbers.</summary>
    public int Imported { get; private set; }

    /// <summary>The bracket of the trial that a suggestion is asked for.</summary>
    public int Bracket { get; internal set; }

    /// <summary>All trials, by number.</summary>
    public IReadOnlyList<StudyTrial> Trials => _trials;

    /// <summary>
    /// Numbers of those who are complete, pruned or paused, the best first: feasible complete ones by their (first) value, pruned and paused ones by how
    /// far they came and the value there, infeasible ones by their violation (the order of Optuna's TPE); equal ones by number.
    /// </summary>
    public ReadOnlySpan<int> Ranking => _ranking.AsSpan();

    /// <summary>
    /// Those of <see cref="Ranking"/> with whom a trial of <see cref="Bracket"/> is compared: of its own bracket, and imported ones. What trials of other
    /// brackets reached says nothing beside it, since their rungs ask for more or less (as Optuna's samplers under its HyperbandPruner).
    /// </summary>
    public ReadOnlySpan<int> Peers
    {
        get
        {
            if (!_hasBrackets && Bracket == 0) return Ranking;
            _peers.Clear();
            foreach (int number in Ranking)
                if (IsPeer(_trials[number])) _peers.Add(number);
            return CollectionsMarshal.AsSpan(_peers);
        }
    }

    /// <summary>Whether a trial belongs to <see cref="Bracket"/>, or to no bracket of this study.</summary>
    public bool IsPeer(StudyTrial trial) => trial.IsImported || trial.Bracket == Bracket;

    /// <summary>Numbers of those who are complete, pruned or failed, in the order in which they have ended.</summary>
    public ReadOnlySpan<int> Ended => CollectionsMarshal.AsSpan(_ended);

    /// <summary>
    /// How many trials had ended when this one was added: the first so many of <see cref="Ended"/> are what its suggestion could know. Holds for a study
    /// that is read again too, where trials and their ends come in the order in which they came at first.
    /// </summary>
    public int SeenBy(int number) => _seen[number];

    /// <summary>The order of <see cref="Ranking"/>, of numbers.</summary>
    internal IComparer<int> ByRank => _byRank;

    /// <summary>Numbers of the trials that have a value of the parameter, the smallest value first, equal ones by number.</summary>
    public ReadOnlySpan<int> Ordered(int parameter) => _ordered[parameter].AsSpan();

    /// <summary>For each trial the parameter's value on its domain's own scale (logarithmic where the domain is; choices by index), or NaN.</summary>
    public ReadOnlySpan<double> Scaled(int parameter) => CollectionsMarshal.AsSpan(_scaled[parameter]);

    /// <summary>An objective's value with its sign such that less is better.</summary>
    public double Loss(StudyTrial trial, int objective = 0) => Directions[objective].Loss(trial.Values[objective]);

    /// <summary>
    /// Adds the trial with the next number, or what has become of one: what it began with (<see cref="StudyTrial.Drawn"/>) stays.
    /// </summary>
    /// <exception cref="ArgumentException">Its number leaves a gap, it is said to have begun with other parameters, or it has ended before.</exception>
    public void Set(StudyTrial trial)
    {
        if (trial.Number > _trials.Count || trial.Number < 0) throw new ArgumentException($"trial {trial.Number} is not the next one, {_trials.Count}", nameof(trial));
        if (_isDefinedByRun ? trial.Parameters.Length > Space.Count : trial.Parameters.Length != Space.Count)
            throw new ArgumentException($"trial {trial.Number} has {trial.Parameters.Length} values for {Space.Count} parameters", nameof(trial));
        if (trial.State == TrialState.Complete && trial.Values.Length != Directions.Length)
            throw new ArgumentException($"trial {trial.Number} has {trial.Values.Length} values for {Directions.Length} objectives", nameof(trial));
        if (trial.IsImported && Imported < _trials.Count)
            throw new ArgumentException($"trial {trial.Number} is of another study, but is not before all others", nameof(trial));
        if (trial.Number == _trials.Count)
        {
            Append(trial);
            _seen.Add(_ended.Count);
        }
        else
        {
            var before = _trials[trial.Number];
            if (before.HasEnded)
                throw new ArgumentException($"trial {trial.Number} has ended before ({before.State})", nameof(trial));
            if (!before.Drawn.SequenceEqual(trial.Drawn)) throw new ArgumentException($"trial {trial.Number} has got other parameters", nameof(trial));
            // a paused trial that has gone on has another rank
            if (before.IsRanked) _ranking.Remove(trial.Number);
            Replace(before, trial);
        }
        if (trial.HasEnded) _ended.Add(trial.Number);
        if (trial.IsRanked) _ranking.Add(trial.Number);
    }

    /// <summary>The same trials in a space that contains this one's.</summary>
    internal StudyHistory Widened(SpaceWidening widening)
    {
        var wide = new StudyHistory(widening.To, Directions) { Bracket = Bracket, HasRungs = HasRungs, Budget = Budget };
        foreach (var trial in _trials)
        {
            wide.Append(trial with { Parameters = widening.Map(trial.Parameters.AsSpan()) });
            if (trial.IsRanked) wide._ranking.Add(trial.Number);
        }
        wide._seen.AddRange(_seen);
        wide._ended.AddRange(_ended);
        return wide;
    }

    /// <summary>Puts a trial in the place of what it was, also among the values of the parameters that have changed.</summary>
    private void Replace(StudyTrial before, StudyTrial trial)
    {
        int number = trial.Number;
        if (before.Parameters == trial.Parameters)
        {
            _trials[number] = trial;
            return;
        }
        int[] changed = [.. Enumerable.Range(0, trial.Parameters.Length).Where(i => !before.Parameters[i].Equals(trial.Parameters[i]))];
        foreach (int i in changed)
            if (!double.IsNaN(before.Parameters[i])) _ordered[i].Remove(number);
        _trials[number] = trial;
        foreach (int i in changed)
        {
            _scaled[i][number] = Scale(i, trial.Parameters[i]);
            if (!double.IsNaN(trial.Parameters[i])) _ordered[i].Add(number);
        }
    }

    private void Append(StudyTrial trial)
    {
        if (trial.IsImported) Imported++;
        _hasBrackets |= trial.Bracket != 0;
        _trials.Add(trial);
        for (int i = 0; i < Space.Count; i++)
        {
            double value = i < trial.Parameters.Length ? trial.Parameters[i] : double.NaN;
            _scaled[i].Add(Scale(i, value));
            if (!double.IsNaN(value)) _ordered[i].Add(trial.Number);
        }
    }

    /// <summary>
    /// A trial has defined a parameter that is new, or has another domain now: values of trials before that are not in it are no observations of it any
    /// more. O(trials). Parameters of such a space have no conditions.
    /// </summary>
    internal void Define(string name, Domain domain)
    {
        _isDefinedByRun = true;
        int place = Space.IndexOf(name);
        if (place >= 0)
        {
            Space = new SearchSpace(Space.Parameters.SetItem(place, new SearchParameter(name, domain)));
            var column = CollectionsMarshal.AsSpan(_scaled[place]);
            for (int i = 0; i < column.Length; i++)
                column[i] = Scale(place, place < _trials[i].Parameters.Length ? _trials[i].Parameters[place] : double.NaN);
            return;
        }
        Space = new SearchSpace(Space.Parameters.Add(new SearchParameter(name, domain)));
        AddColumns();
    }

    /// <summary>A trial that runs has a value of a parameter that it had none of.</summary>
    internal void Give(int number, int parameter, double value)
    {
        var trial = _trials[number];
        if (trial.HasEnded) throw new ArgumentException($"trial {number} has ended before ({trial.State})", nameof(number));
        _trials[number] = trial with { Parameters = StudyTrial.With(trial.Parameters, parameter, value) };
        _scaled[parameter][number] = Scale(parameter, value);
        _ordered[parameter].Add(number);
    }

    private double Scale(int parameter, double value)
    {
        var domain = Space.Parameters[parameter].Domain;
        if (_isDefinedByRun && !domain.Contains(value)) return double.NaN;
        return domain is NumericDomain numbers ? numbers.ToScale(value) : value;
    }

    private void AddColumns()
    {
        for (int i = _ordered.Count; i < Space.Count; i++)
        {
            int parameter = i;
            _ordered.Add(new OrderedNumbers(Comparer<int>.Create((a, b) => Order(parameter, a, b))));
            _scaled.Add([.. Enumerable.Repeat(double.NaN, _trials.Count)]);
        }
    }

    private int Order(int parameter, int a, int b)
    {
        int order = _trials[a].Parameters[parameter].CompareTo(_trials[b].Parameters[parameter]);
        return order != 0 ? order : a.CompareTo(b);
    }

    private int Compare(StudyTrial a, StudyTrial b)
    {
        var (first, second) = (Class(a), Class(b));
        if (first != second) return first.CompareTo(second);
        int order = first switch
        {
            0 => Loss(a).CompareTo(Loss(b)),
            1 => Reached(a).CompareTo(Reached(b)),
            _ => a.Violation.CompareTo(b.Violation),
        };
        return order != 0 ? order : a.Number.CompareTo(b.Number);
    }

    private static int Class(StudyTrial trial) => trial.Violation > 0 ? 2 : trial.State == TrialState.Complete ? 0 : 1;

    /// <summary>Farther is better, then the value there; a trial that has reported nothing is behind all others.</summary>
    private (long, double) Reached(StudyTrial trial)
    {
        if (trial.Reports.IsEmpty) return (1, 0);
        var last = trial.Reports[^1];
        double loss = Directions[0].Loss(last.Value);
        return (-last.Step, double.IsNaN(loss) ? double.PositiveInfinity : loss);
    }
}
