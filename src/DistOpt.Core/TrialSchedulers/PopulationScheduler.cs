using System.Collections.Immutable;
using DistOpt.Core.Randomness;
using DistOpt.Core.Studies;

namespace DistOpt.Core.TrialSchedulers;

/// <summary>
/// Population-based training (Jaderberg et al., arXiv:1711.09846) as Ray's <c>pbt.py</c>: at every interval a trial is compared with the last scores of
/// the others that live. One of the best leaves a checkpoint; one of the worst goes on from the checkpoint of one of the best, with that one's
/// parameters, changed. It is skipped where the donor has no checkpoint: that is, was not among the best at its own last comparison. Where there are
/// more trials than slots they take turns, the least advanced first. A trial that ends early is replaced by a new one (when synchronous: once all
/// have ended, with a whole new population).
/// <para>
/// Synchronous: a trial pauses at each interval until all have come there; then all the worst are changed at once, and everything is a function of the
/// trials' values alone. The cost: slots are idle until the slowest trial has come to the interval.
/// </para>
/// <para>
/// Changed parameters keep to the study's constraints on them: they are drawn again until they do, and are the donor's where they never do.
/// </para>
/// <para>A report costs O(log n) in the trials of the study, and at an interval O(p log p) in the population.</para>
/// </summary>
public abstract class PopulationScheduler : ITrialScheduler
{
    /// <summary>How often a donor's parameters are changed until they keep to the constraints.</summary>
    private const int Explorations = 1000;

    private readonly PopulationOptions _options;
    private readonly List<Member?> _members = [];
    private readonly SortedSet<int> _live = [];
    private readonly SortedSet<(long Resource, int Trial)> _paused = [];
    private readonly long _end;

    /// <summary>How many trials the study is to have; null = no bound.</summary>
    private int? _trials;

    /// <summary>The population is whole with the trials below this number; when synchronous, a new one begins when all of it have ended.</summary>
    private int _wholeAt;

    private protected PopulationScheduler(PopulationOptions options, StudyContext context)
    {
        StudyContext.Demand(options.Check(context));
        (_options, Context) = (options, context);
        _end = (options.MaxResource ?? context.TrialLength)!.Value;
        (_wholeAt, _trials) = (options.Population, context.Trials);
    }

    public bool NeedsCheckpoints => true;

    public bool ChangesParameters => true;

    public bool IsOrderIndependent => _options.Synchronous;

    public long TrialEnd => _end;

    private protected StudyContext Context { get; }

    /// <summary>Whether further trials are to come before the population is whole.</summary>
    private bool IsAwaitingTrials => _members.Count < _wholeAt && !(_members.Count >= _trials);

    public bool MayNeed(int trial, long resource)
    {
        if (Known(trial) is { } member && (resource == member.Checkpoint || (member.Source is null && resource >= member.Resource))) return true;
        foreach (int live in _live)
            if (_members[live]!.Source is { } source && source.Donor == trial && source.Resource == resource) return true;
        return false;
    }

    public long? UntilOf(int trial) => Known(trial) is { } member ? Until(member) : null;

    public SlotDecision Next(int? newTrial)
    {
        if (newTrial is { } number && (_options.Synchronous ? _members.Count < _wholeAt : _live.Count < _options.Population))
        {
            if (number != _members.Count) throw new ArgumentException($"trial {number} is not the next one, {_members.Count}", nameof(newTrial));
            _members.Add(new Member(number));
            _live.Add(number);
            return new(SlotAction.Start, number, Until(_members[number]!));
        }
        if (_paused.Count == 0) return default;
        var member = _members[_paused.Min.Trial]!;
        _paused.Remove(_paused.Min);
        member.IsPaused = false;
        bool isCopy = member.IsCopyDue;
        member.IsCopyDue = false;
        return new(SlotAction.Promote, member.Trial, Until(member), 0, isCopy ? member.Source : null);
    }

    public void SetTrials(int trials)
    {
        _trials = trials;
        // nobody waits for those that do not come any more
        if (_options.Synchronous) Meet();
    }

    public void Begin(int trial, ImmutableArray<double> parameters) => Live(trial).Parameters = parameters;

    public ReportAction Report(int trial, long resource, double value)
    {
        if (Known(trial) is not { } member) return ReportAction.Prune;
        if (member.IsPaused || member.IsWaiting) return ReportAction.Pause;
        if (resource >= _end)
        {
            Leave(member);
            return ReportAction.Complete;
        }
        if (resource < _options.BurnIn || resource - member.Compared < _options.PerturbationInterval) return ReportAction.Continue;
        double score = -Context.Loss(value);
        // NaN is worse than any score
        member.Score = double.IsNaN(score) ? double.NegativeInfinity : score;
        (member.Resource, member.Compared, member.Source) = (resource, resource, null);
        Remember(member);
        if (_options.Synchronous)
        {
            member.IsWaiting = true;
            Meet();
            return ReportAction.Pause;
        }
        var (worst, best) = Quantiles();
        Compare(member, worst, best);
        if (!member.IsCopyDue && !IsAwaitingTrials && _paused.Count == 0)
            return member.Checkpoint is null ? ReportAction.Continue : ReportAction.Checkpoint;
        Pause(member);
        return ReportAction.Pause;
    }

    public void End(int trial, TrialState state)
    {
        if (Known(trial) is { } member) Leave(member);
    }

    /// <summary>The parameters with which a trial goes on from a donor's checkpoint; the donor's own where there are no others.</summary>
    /// <param name="donor">Whose checkpoint it is.</param>
    /// <param name="random">A stream of its own for each exploit, and for each time that it is asked for again.</param>
    private protected abstract ImmutableArray<double> Explore(Member donor, ref CounterRandom random);

    /// <summary>A member has a new score.</summary>
    private protected virtual void Remember(Member member) { }

    /// <summary>A member has ended.</summary>
    private protected virtual void Forget(Member member) { }

    /// <summary>A member has got its donor's state and new parameters.</summary>
    private protected virtual void Copied(Member member, Member donor) { }

    /// <summary>All who live have come to the interval: those among the worst are changed, and all go on.</summary>
    private void Meet()
    {
        if (IsAwaitingTrials || _live.Count == 0) return;
        foreach (int trial in _live)
            if (!_members[trial]!.IsWaiting) return;
        var (worst, best) = Quantiles();
        // the best first, so that they have checkpoints
        foreach (var member in best) Compare(member, worst, best);
        foreach (int trial in _live)
        {
            var member = _members[trial]!;
            member.IsWaiting = false;
            if (!best.Contains(member)) Compare(member, worst, best);
            Pause(member);
        }
    }

    private void Compare(Member member, List<Member> worst, List<Member> best)
    {
        member.Checkpoint = best.Contains(member) ? member.Resource : null;
        if (!worst.Contains(member)) return;
        var random = new CounterRandom(Context.Seed, RandomPurpose.Search, member.Trial, ++member.Exploits);
        var donor = best[random.NextInt(best.Count)];
        if (donor.Checkpoint is not { } resource) return;
        member.Parameters = Explored(member, donor, random);
        (member.Source, member.IsCopyDue) = (new Exploit(donor.Trial, resource, member.Parameters), true);
        (member.Resource, member.Compared) = (resource, donor.Compared);
        Copied(member, donor);
    }

    private ImmutableArray<double> Explored(Member member, Member donor, CounterRandom random)
    {
        for (int attempt = 1; attempt <= Explorations; attempt++)
        {
            var parameters = Explore(donor, ref random);
            if (parameters == donor.Parameters || ParameterConstraint.Hold(Context.Constraints, parameters.AsSpan())) return parameters;
            random = new CounterRandom(Context.Seed, RandomPurpose.Search, member.Trial, member.Exploits, attempt);
        }
        return donor.Parameters;
    }

    /// <summary>Of those who live and have a score the worst and the best, ceil(n * q) of each but at most half; none of a single one.</summary>
    private (List<Member> Worst, List<Member> Best) Quantiles()
    {
        var scored = _live.Select(t => _members[t]!).Where(m => m.Score is not null).OrderBy(m => m.Score).ThenBy(m => m.Trial).ToList();
        if (scored.Count <= 1) return ([], []);
        int size = (int)Math.Ceiling(scored.Count * _options.QuantileFraction);
        if (2 * size > scored.Count) size = scored.Count / 2;
        return (scored[..size], scored[^size..]);
    }

    private void Pause(Member member)
    {
        member.IsPaused = true;
        _paused.Add((member.Resource, member.Trial));
    }

    private void Leave(Member member)
    {
        if (member.IsPaused) _paused.Remove((member.Resource, member.Trial));
        _live.Remove(member.Trial);
        Forget(member);
        // nothing is asked of it any more
        _members[member.Trial] = null;
        if (_options.Synchronous) Meet();
        if (_live.Count == 0 && !IsAwaitingTrials) _wholeAt = _members.Count + _options.Population;
    }

    /// <summary>The next resource at which a report says more than to go on.</summary>
    private long Until(Member member) => Math.Min(_end, Math.Max(_options.BurnIn, member.Compared + _options.PerturbationInterval));

    private Member? Known(int trial) => trial >= 0 && trial < _members.Count ? _members[trial]
        : throw new ArgumentException($"trial {trial} has not been started; there are {_members.Count}", nameof(trial));

    private Member Live(int trial) => Known(trial) ?? throw new ArgumentException($"trial {trial} has ended", nameof(trial));

    /// <summary>A trial that lives.</summary>
    private protected sealed class Member(int trial)
    {
        public int Trial => trial;

        /// <summary>In force; empty before they are known.</summary>
        public ImmutableArray<double> Parameters { get; set; } = [];

        /// <summary>Of the last comparison, more is better; null = not compared yet.</summary>
        public double? Score { get; set; }

        /// <summary>At its last comparison, or where the checkpoint that it goes on from was written.</summary>
        public long Resource { get; set; }

        /// <summary>From here the next interval counts.</summary>
        public long Compared { get; set; }

        /// <summary>Resource of the checkpoint that others may copy; null = it was not among the best.</summary>
        public long? Checkpoint { get; set; }

        public bool IsPaused { get; set; }

        /// <summary>Synchronous: has come to the interval, and others have not.</summary>
        public bool IsWaiting { get; set; }

        /// <summary>What it goes on from until its next comparison; null = its own checkpoint.</summary>
        public Exploit? Source { get; set; }

        /// <summary>Whether the next slot is to begin from the source.</summary>
        public bool IsCopyDue { get; set; }

        /// <summary>Exploits so far; names the stream of the next one.</summary>
        public int Exploits { get; set; }
    }
}
