using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Nodes;

/// <summary>
/// Opens each job's model and data once in a process, however many of its actors need them, and closes them with the last user. Thread-safe.
/// </summary>
public sealed class JobRuntimes(IJobRuntimeFactory factory)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<JobId, Entry> _entries = [];

    /// <summary>Opens (or shares) the job's runtime; the caller disposes the handle. Blocks while it opens.</summary>
    /// <exception cref="SpecException">Model or data cannot be opened as the spec says.</exception>
    public Handle Acquire(JobId job, TrainingSpec spec)
    {
        Entry entry;
        lock (_lock)
        {
            if (!_entries.TryGetValue(job, out entry!)) _entries[job] = entry = new Entry();
            entry.Users++;
        }
        try
        {
            // opening is slow: users of one job wait for it, other jobs do not
            lock (entry.Opening) entry.Runtime ??= factory.Open(spec);
        }
        catch
        {
            Release(job, entry);
            throw;
        }
        return new Handle(this, job, entry);
    }

    private void Release(JobId job, Entry entry)
    {
        lock (_lock)
        {
            if (--entry.Users > 0) return;
            _entries.Remove(job);
        }
        entry.Runtime?.Dispose();
    }

    private sealed class Entry
    {
        public readonly Lock Opening = new();
        public IJobRuntime? Runtime;
        public int Users;
    }

    public sealed class Handle : IDisposable
    {
        private readonly JobId _job;
        private readonly Entry _entry;
        private JobRuntimes? _owner;

        internal Handle(JobRuntimes owner, JobId job, object entry) => (_owner, _job, _entry) = (owner, job, (Entry)entry);

        public IJobRuntime Runtime => _entry.Runtime!;

        public void Dispose() => Interlocked.Exchange(ref _owner, null)?.Release(_job, _entry);
    }
}
