using System.Security.Cryptography;
using System.Text;
using Akka.Actor;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Jobs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>What users and training coordinators ask for: each is answered when it is stored.</summary>
public sealed partial class JobCoordinatorActor
{
    /// <summary>Submissions that are being stored, by idempotency key: a repeat waits with the first.</summary>
    private readonly Dictionary<string, Submission> _storing = new(StringComparer.Ordinal);

    /// <summary>What is to outlive this process.</summary>
    private sealed record Durable(JobId Job, string? Key, string Name, string SpecYaml, string Directory, JobKind Kind);

    private sealed record Submission(JobId Job, string Name, string SpecHash, List<IActorRef> Waiting);

    private void Submit(SubmitJob submit)
    {
        // a study has as many trials at a time as it was allowed to
        var kind = submit.Trial is null ? JobKind.Job : JobKind.Trial;
        if (RejectedForId(submit.Job) || (kind != JobKind.Trial && RejectedForRoom(submit.Job))) return;
        var job = new Job(submit.Job, submit.Spec.Name, kind, Sender);
        _jobs[submit.Job] = job;
        _ledger.Apply(new JobEvent.Submitted(submit.Job.Value, null, submit.Spec.Name, "", "", null, _services.Time.GetUtcNow()) { Kind = kind });
        Sender.Tell(new JobAccepted(submit.Job, submit.Spec.Name));
        Start(job, submit);
    }

    private void Submit(SubmitDurableJob submit) => Accept(new Durable(submit.Job, submit.Key, submit.Spec.Name, _services.Specs.Write(submit.Spec),
        submit.Directory, JobKind.Job), job => Start(job, OfDirectory(submit.Job, submit.Spec, submit.Directory, null)));

    /// <summary>Stores what was submitted under an idempotency key, answers, and starts it; a repeat is answered with what the first one made.</summary>
    private void Accept(Durable submit, Action<Job> start)
    {
        string hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(submit.SpecYaml)));
        if (submit.Key is { } key && WasUsed(submit.Job, key, hash)) return;
        if (RejectedForId(submit.Job) || RejectedForRoom(submit.Job)) return;
        var job = new Job(submit.Job, submit.Name, submit.Kind, null);
        _jobs[submit.Job] = job;
        var storing = new Submission(submit.Job, submit.Name, hash, [Sender]);
        if (submit.Key is not null) _storing[submit.Key] = storing;
        var submitted = new JobEvent.Submitted(submit.Job.Value, submit.Key, submit.Name, submit.SpecYaml, hash, submit.Directory, _services.Time.GetUtcNow())
        {
            Kind = submit.Kind,
        };
        Store(true, [submitted], () =>
        {
            if (submit.Key is not null) _storing.Remove(submit.Key);
            foreach (var waiting in storing.Waiting) waiting.Tell(new JobAccepted(submit.Job, submit.Name));
            start(job);
        });
    }

    /// <summary>Answers a repeat of an idempotency key, now or with the first one.</summary>
    private bool WasUsed(JobId job, string key, string hash)
    {
        if (_storing.TryGetValue(key, out var storing))
        {
            if (storing.SpecHash == hash) storing.Waiting.Add(Sender);
            else Sender.Tell(Reused(job, key, $"job {storing.Job}"));
            return true;
        }
        if (_ledger.FindKey(key) is not { } use) return false;
        var entry = _ledger.Find(use.Job);
        Sender.Tell(use.Command == KeyUse.Submit && entry is not null && entry.Submission.SpecHash == hash
            ? new JobAccepted(new JobId(use.Job), entry.Name)
            : Reused(job, key, use.Command == KeyUse.Submit ? $"job {use.Job}, which has another spec" : $"the command {use.Command} of job {use.Job}"));
        return true;
    }

    private static JobRejected Reused(JobId job, string key, string what) =>
        new(job, $"the idempotency key '{key}' was used for {what}: give every command a key of its own", KeyReused: true);

    /// <summary>
    /// An id stands for one run: nodes tell frames and messages of runs apart by it, and a run that has ended may still have some on their way.
    /// </summary>
    private bool RejectedForId(JobId id)
    {
        if (!_jobs.ContainsKey(id) && _ledger.Find(id.Value) is null) return false;
        Sender.Tell(new JobRejected(id, $"there is, or was, a job '{id}' already: give every run an id of its own", IdIsTaken: true));
        return true;
    }

    private bool RejectedForRoom(JobId id)
    {
        if (RoomRefusal() is not { } why) return false;
        Sender.Tell(new JobRejected(id, why));
        return true;
    }

    /// <summary>Why no more jobs are taken; null where they are.</summary>
    private string? RoomRefusal()
    {
        int count = _jobs.Values.Count(j => j.Kind != JobKind.Trial);
        return count < _limits.JobsMax ? null : $"{count} jobs are running or waiting, and the limit is {_limits.JobsMax}: cancel some or try later";
    }

    private SubmitJob OfDirectory(JobId id, TrainingSpec spec, string directory, JobRecovery? recovery)
    {
        var sinks = _setup.Sinks ?? throw new InvalidOperationException("durable jobs need a place for their results");
        string checkpoints = Path.Combine(directory, CheckpointStore.FolderName);
        return new SubmitJob(id, spec, runtime => sinks.Open(id, spec, directory, runtime, recovery is not null), checkpoints, recovery is not null)
        {
            Recovery = recovery,
            OwnsSink = true,
        };
    }

    private void OnStop(StopJob stop)
    {
        var sender = Sender;
        var answer = new StopAnswer(stop.Job, Known: true);
        if (_ledger.Find(stop.Job.Value) is not { } entry)
        {
            sender.Tell(answer with { Known = false });
            return;
        }
        var events = new List<JobEvent>();
        if (stop.Key is { } key)
        {
            if (_ledger.FindKey(key) is { } use)
            {
                string? wrong = use == new KeyUse(stop.Job.Value, KeyUse.Cancel) ? null : $"the idempotency key '{key}' was used for another command: give every command a key of its own";
                sender.Tell(answer with { KeyReused = wrong });
                return;
            }
            events.Add(new JobEvent.CommandApplied(stop.Job.Value, key, KeyUse.Cancel));
        }
        // an ended study that is in store to be gone on with counts as live: writes are in order
        if (entry.Stop is null && (entry.End is null || _jobs.ContainsKey(stop.Job))) events.Add(new JobEvent.StopRequested(stop.Job.Value, stop.Reason));
        Store(entry.IsDurable, events, () =>
        {
            Find(stop.Job)?.Actor?.Tell(stop);
            sender.Tell(answer);
        });
    }

    private void OnStorePlacement(StorePlacement placed)
    {
        if (_ledger.Find(placed.Job.Value) is not { } entry) return;
        var sender = Sender;
        Store(entry.IsDurable, [new JobEvent.Placed(placed.Job.Value, placed.Epoch, placed.Placement)],
            () => sender.Tell(new PlacementStored(placed.Job, placed.Epoch, placed.Assignment)));
    }

    private void OnStoreCheckpoint(StoreCheckpoint checkpoint)
    {
        if (_ledger.Find(checkpoint.Job.Value) is not { } entry) return;
        var sender = Sender;
        Store(entry.IsDurable, [new JobEvent.CheckpointWritten(checkpoint.Job.Value, checkpoint.Step, checkpoint.Path)],
            () => sender.Tell(new CheckpointStored(checkpoint.Job, checkpoint.Step)));
    }

    private void OnFindJob(FindJob find)
    {
        var entry = _ledger.Find(find.Job.Value);
        Sender.Tell(entry is null ? new JobFound(null, null, []) : new JobFound(StatusOf(entry), entry.Directory, entry.BadInput));
    }
}
