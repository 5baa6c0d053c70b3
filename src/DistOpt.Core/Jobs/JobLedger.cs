namespace DistOpt.Core.Jobs;

/// <summary>
/// All jobs of a coordinator: what the events of its journal add up to. The same events give the same ledger. Bounded: see
/// <see cref="JobLedgerLimits"/>. One thread at a time.
/// </summary>
public sealed class JobLedger(JobLedgerLimits? limits = null)
{
    private readonly JobLedgerLimits _limits = limits ?? new JobLedgerLimits();
    private readonly Dictionary<string, LinkedListNode<JobEntry>> _jobs = new(StringComparer.Ordinal);
    private readonly LinkedList<JobEntry> _order = new();
    private readonly Dictionary<string, string> _submissions = new(StringComparer.Ordinal);
    private readonly Dictionary<string, KeyUse> _commands = new(StringComparer.Ordinal);
    private readonly Queue<string> _commandOrder = new();
    private readonly Queue<string> _ended = new();

    /// <summary>The ledger that these events give.</summary>
    public static JobLedger From(IEnumerable<JobEvent> events, JobLedgerLimits? limits = null)
    {
        var ledger = new JobLedger(limits);
        foreach (var e in events) ledger.Apply(e);
        return ledger;
    }

    /// <summary>All jobs that are known, in order of submission.</summary>
    public IEnumerable<JobEntry> Jobs => _order;

    /// <summary>Jobs that have not ended, in order of submission.</summary>
    public IEnumerable<JobEntry> Live => _order.Where(j => j.End is null);

    public int LiveCount => _jobs.Count - _ended.Count;

    public JobEntry? Find(string job) => _jobs.GetValueOrDefault(job)?.Value;

    /// <summary>What the idempotency key was used for; null = never, or so long ago that it is forgotten.</summary>
    public KeyUse? FindKey(string key) => _submissions.TryGetValue(key, out string? job)
        ? new KeyUse(job, KeyUse.Submit) : _commands.GetValueOrDefault(key);

    /// <summary>Latest epoch of a job; 0 = it has none, or is not known.</summary>
    public int LatestEpoch(string job) => Find(job)?.Epoch ?? 0;

    /// <summary>
    /// Adds what the event says. One that is there already, or about a job that is forgotten, changes nothing; a lower epoch or an older
    /// checkpoint than the latest does not count.
    /// </summary>
    /// <exception cref="ArgumentException">A kind of event that this build does not know.</exception>
    public void Apply(JobEvent e)
    {
        switch (e)
        {
            case JobEvent.Submitted submitted:
                Add(submitted);
                break;
            case JobEvent.Placed placed:
                Change(e.Job, j => placed.Epoch < j.Epoch ? j : j with { Placement = placed });
                break;
            case JobEvent.CheckpointWritten checkpoint:
                Change(e.Job, j => j.Checkpoint is { } newest && newest.Step > checkpoint.Step ? j : j with { Checkpoint = checkpoint });
                break;
            case JobEvent.CommandApplied command:
                AddKey(command);
                break;
            case JobEvent.StopRequested stop:
                Change(e.Job, j => j with { Stop = j.Stop ?? stop.Reason });
                break;
            case JobEvent.Restarted:
                Change(e.Job, j => j with { Restarts = j.Restarts + 1 });
                break;
            case JobEvent.Ended ended:
                End(ended);
                break;
            case JobEvent.Reopened reopened:
                Reopen(reopened);
                break;
            default:
                throw new ArgumentException($"{e.GetType()} is no event of a job ledger", nameof(e));
        }
    }

    /// <summary>
    /// The fewest events that give this ledger again, without the jobs that no other process could go on with: what a snapshot holds.
    /// </summary>
    public IReadOnlyList<JobEvent> Compact()
    {
        var events = new List<JobEvent>();
        foreach (var job in _order.Where(j => j.IsDurable))
        {
            events.Add(job.Submission);
            if (job.Former is { } former) events.AddRange([former, new JobEvent.Reopened(job.Job, job.Submission.SpecYaml)]);
            if (job.Placement is { } placement) events.Add(placement);
            if (job.Checkpoint is { } checkpoint) events.Add(checkpoint);
            if (job.Stop is { } reason) events.Add(new JobEvent.StopRequested(job.Job, reason));
            events.AddRange(Enumerable.Repeat(new JobEvent.Restarted(job.Job), job.Restarts));
        }
        foreach (string job in _ended)
            if (_jobs[job].Value is { IsDurable: true, End: { } end }) events.Add(end);
        foreach (string key in _commandOrder)
        {
            var use = _commands[key];
            if (Find(use.Job) is not { IsDurable: false }) events.Add(new JobEvent.CommandApplied(use.Job, key, use.Command));
        }
        return events;
    }

    private void Add(JobEvent.Submitted submitted)
    {
        if (_jobs.ContainsKey(submitted.Job)) return;
        _jobs[submitted.Job] = _order.AddLast(new JobEntry(submitted));
        if (submitted.Key is { } key) _submissions.TryAdd(key, submitted.Job);
    }

    private void AddKey(JobEvent.CommandApplied command)
    {
        if (!_commands.TryAdd(command.Key, new KeyUse(command.Job, command.Command))) return;
        _commandOrder.Enqueue(command.Key);
        if (_commandOrder.Count > _limits.CommandKeysKept) _commands.Remove(_commandOrder.Dequeue());
    }

    private void Change(string job, Func<JobEntry, JobEntry> change)
    {
        if (_jobs.TryGetValue(job, out var node) && node.Value.End is null) node.Value = change(node.Value);
    }

    private void End(JobEvent.Ended ended)
    {
        if (!_jobs.TryGetValue(ended.Job, out var node) || node.Value.End is not null) return;
        // the longest text of a job is needed no more
        node.Value = node.Value with { End = ended, Former = null, Submission = node.Value.Submission with { SpecYaml = "" } };
        if (node.Value.Kind == JobKind.Trial)
        {
            Remove(node);
            return;
        }
        _ended.Enqueue(ended.Job);
        if (_ended.Count > _limits.EndedJobsKept) Forget(_ended.Dequeue());
    }

    private void Reopen(JobEvent.Reopened reopened)
    {
        if (!_jobs.TryGetValue(reopened.Job, out var node) || node.Value is not { Kind: JobKind.Study, End: not null }) return;
        node.Value = node.Value with
        {
            End = null,
            Former = node.Value.End,
            Stop = null,
            Submission = node.Value.Submission with { SpecYaml = reopened.SpecYaml },
        };
        for (int i = _ended.Count; i > 0; i--)
            if (_ended.Dequeue() is var job && job != reopened.Job) _ended.Enqueue(job);
    }

    private void Forget(string job)
    {
        if (_jobs.TryGetValue(job, out var node)) Remove(node);
    }

    private void Remove(LinkedListNode<JobEntry> node)
    {
        _jobs.Remove(node.Value.Job);
        _order.Remove(node);
        if (node.Value.Submission.Key is { } key && _submissions.GetValueOrDefault(key) == node.Value.Job) _submissions.Remove(key);
    }
}
