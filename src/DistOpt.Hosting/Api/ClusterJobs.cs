using System.Collections.Concurrent;
using System.Security.Cryptography;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Local;
using DistOpt.Protocol;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Api;

/// <summary>
/// Jobs that came in by the HTTP API of this coordinator: their run directories (<c>runs/&lt;name&gt;-&lt;id&gt;</c> under the data root), and how to
/// follow them. A repeat of an idempotency key gives the same job.
/// </summary>
public sealed class ClusterJobs(ClusterNode node, ISpecReader specs, TimeProvider time, ILoggerFactory loggers)
{
    private readonly ConcurrentDictionary<string, ClusterJob> _jobs = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, ClusterJob> _keys = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private readonly ILogger _log = loggers.CreateLogger<ClusterJobs>();

    private string Root => Path.Combine(node.Options.DataRoot ?? ".", RunDirectory.DefaultRoot);

    /// <exception cref="SpecException">The text is no valid spec.</exception>
    public ClusterJob Submit(string specYaml, string? idempotencyKey)
    {
        var spec = specs.Read(specYaml);
        lock (_lock)
        {
            if (idempotencyKey is not null && _keys.TryGetValue(idempotencyKey, out var known)) return known;
            string id = RunDirectory.NewId(time.GetUtcNow(), BitConverter.ToUInt16(RandomNumberGenerator.GetBytes(2)));
            var directory = RunDirectory.Plan(Path.Combine(Root, $"{spec.Name}-{id}"), spec.Name, id);
            var job = new ClusterJob(id, spec.Name, directory);
            _jobs[id] = job;
            if (idempotencyKey is not null) _keys[idempotencyKey] = job;
            job.Completion = RunAsync(job, spec);
            return job;
        }
    }

    public ClusterJob? Find(string id) => _jobs.GetValueOrDefault(id);

    /// <summary>Asks for the job's end at its next step.</summary>
    public void Cancel(ClusterJob job) => job.Cancelled.Cancel();

    private async Task RunAsync(ClusterJob job, TrainingSpec spec)
    {
        // submission answers first; the job goes its own way
        await Task.Yield();
        RunDirectoryWriter? writer = null;
        try
        {
            IRunSink Open(IJobRuntime runtime)
            {
                writer = new RunDirectoryWriter(job.Directory, new RunFiles(specs.Write, runtime.SaveModel, runtime.SaveInference), time);
                return new SignallingSink(writer, job);
            }
            job.Summary = await node.RunJobAsync(new JobId(job.Id), spec, Open, new JobStorage(job.Directory.CheckpointFolder), (job.Cancelled.Token, StopReason.Cancelled)).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SpecException or InvalidOperationException)
        {
            // bad input, or no room for another job: the job's state carries the reason to whoever asks
            job.Error = e;
            job.Summary = new RunSummary { Job = job.Id, Status = RunStatus.Failed, Error = e.Message };
            _log.LogWarning("Job {Job} did not start: {Reason}", job.Id, e.Message);
        }
        finally
        {
            writer?.Dispose();
            job.Signal();
        }
    }

    /// <summary>Writes to the run directory, then wakes whoever waits for news.</summary>
    private sealed class SignallingSink(IRunSink inner, ClusterJob job) : IRunSink
    {
        public void Started(RunStarted run)
        {
            inner.Started(run);
            job.Signal();
        }

        public void Row(MetricRow row)
        {
            inner.Row(row);
            job.Signal();
        }

        public void Log(LogLine line)
        {
            inner.Log(line);
            job.Signal();
        }

        public void Weights(RunWeights weights) => inner.Weights(weights);

        public void Ended(RunSummary summary)
        {
            inner.Ended(summary);
            job.Signal();
        }
    }
}

/// <summary>A job of <see cref="ClusterJobs"/>.</summary>
public sealed class ClusterJob(string id, string name, RunDirectory directory)
{
    private TaskCompletionSource _news = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public string Id { get; } = id;

    public string Name { get; } = name;

    public RunDirectory Directory { get; } = directory;

    /// <summary>Set when the job has ended.</summary>
    public RunSummary? Summary { get; internal set; }

    /// <summary>Why it never started; a <see cref="SpecException"/> carries violations.</summary>
    public Exception? Error { get; internal set; }

    internal CancellationTokenSource Cancelled { get; } = new();

    internal Task? Completion { get; set; }

    /// <summary>Completes when something new was written.</summary>
    public Task News => Volatile.Read(ref _news).Task;

    internal void Signal() => Interlocked.Exchange(ref _news, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();

    /// <summary>Lines of a file of the run directory from line <paramref name="after"/> on (0 = the first), whole lines only.</summary>
    public static IReadOnlyList<string> Lines(string path, long after, int atMost = 10_000)
    {
        if (!File.Exists(path)) return [];
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(stream);
        string text = reader.ReadToEnd();
        int end = text.LastIndexOf('\n');
        if (end < 0) return [];
        return [.. text[..end].Split('\n').Skip((int)Math.Min(after, int.MaxValue)).Take(atMost)];
    }
}

/// <summary>Reads specs as users write them: parsed, checked and resolved.</summary>
public interface ISpecReader : Actors.Nodes.ISpecCodec;
