using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using DistOpt.Protocol;

namespace DistOpt.Actors.Nodes;

/// <summary>Parts of a training step. On a replica's side they follow each other; apply is the server's.</summary>
public enum StepPhase
{
    /// <summary>A worker has no batch yet: time to get it, whether loaded there or waited for.</summary>
    Data,

    /// <summary>A worker computes its gradient shards, without the time for data.</summary>
    Compute,

    /// <summary>From the last shard computed to the frames handed to the tensor channel.</summary>
    Push,

    /// <summary>From the frames handed over to the complete next version of the weights.</summary>
    Wait,

    /// <summary>A server reduces what was pushed and updates its key range.</summary>
    Apply,
}

/// <summary>Payload of training, as seen from the replica.</summary>
public enum PayloadDirection
{
    /// <summary>Gradients and model buffers to servers.</summary>
    Push,

    /// <summary>Weights and model buffers from servers.</summary>
    Pull,
}

/// <summary>What went wrong.</summary>
public enum FailureKind
{
    /// <summary>An exception from the user's model, data set or loss.</summary>
    UserCode,

    /// <summary>A job lost the workers of a node (seen by its coordinator).</summary>
    Worker,

    /// <summary>A job lost a parameter server (seen by its coordinator).</summary>
    Server,

    /// <summary>A node left without taking leave.</summary>
    Node,

    /// <summary>A job ended as failed.</summary>
    Job,
}

/// <summary>
/// The training figures of one node, as instruments of a meter named <see cref="MeterName"/>. Thread-safe; recording allocates nothing once a
/// job's first phase is recorded. Without a listener (a telemetry exporter) recording costs a look-up.
/// </summary>
/// <remarks>
/// Exporters keep a series for as long as the process lives, so the label <c>job</c> is bounded: the first <see cref="JobLabelsMax"/> jobs of
/// a node have their id, later ones share <see cref="OtherJobs"/>. Sums over jobs stay right.
/// </remarks>
public sealed class TrainingMeter : IDisposable
{
    public const string MeterName = "DistOpt";

    /// <summary>Series of durations, in seconds; labels <c>phase</c> and <c>job</c>.</summary>
    public const string PhaseDuration = "distopt.step.phase.duration";

    /// <summary>Payload bytes, whether they crossed a network or were handed over by reference; label <c>direction</c>.</summary>
    public const string Payload = "distopt.training.payload";

    /// <summary>Failures; label <c>kind</c>.</summary>
    public const string Failures = "distopt.failures";

    /// <summary>Jobs with actors on this node.</summary>
    public const string JobsHere = "distopt.node.jobs";

    /// <summary>Jobs of this coordinator; label <c>state</c>: waiting for room, or running.</summary>
    public const string CoordinatorJobs = "distopt.coordinator.jobs";

    /// <summary>Jobs that are told apart by label.</summary>
    public const int JobLabelsMax = 256;

    public const string OtherJobs = "other";

    private static readonly StepPhase[] s_phases = Enum.GetValues<StepPhase>();
    private static readonly KeyValuePair<string, object?>[] s_directions = Tags<PayloadDirection>("direction");
    private static readonly KeyValuePair<string, object?>[] s_kinds = Tags<FailureKind>("kind");

    private readonly ConcurrentDictionary<JobId, KeyValuePair<string, object?>[][]> _jobs = new();
    private readonly KeyValuePair<string, object?>[][] _others = TagsOf(OtherJobs);
    private readonly Lock _lock = new();
    private readonly Histogram<double> _phases;
    private readonly Counter<long> _payload;
    private readonly long[] _failures = new long[s_kinds.Length];
    private readonly UpDownCounter<long> _jobsHere;
    private int _labels;
    private (long Waiting, long Running)? _coordinated;

    public TrainingMeter()
    {
        // the scope tells the meters of several nodes of one process apart
        Meter = new Meter(new MeterOptions(MeterName) { Scope = this });
        _phases = Meter.CreateHistogram<double>(PhaseDuration, "s", "Time of a part of a training step", null, new InstrumentAdvice<double>
        {
            HistogramBucketBoundaries = [1e-5, 1e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60],
        });
        _payload = Meter.CreateCounter<long>(Payload, "By", "Payload of training: gradients pushed, weights pulled");
        // read on demand: what never failed is 0 and not absent, so that a rate begins at the first failure
        Meter.CreateObservableCounter(Failures, () => s_kinds.Select((kind, i) => new Measurement<long>(Interlocked.Read(ref _failures[i]), kind)),
            "{failure}", "Failures by kind");
        _jobsHere = Meter.CreateUpDownCounter<long>(JobsHere, "{job}", "Jobs with actors on this node");
        Meter.CreateObservableGauge(CoordinatorJobs, Coordinated, "{job}", "Jobs of this coordinator by state");
    }

    /// <summary>For hosts that export nothing.</summary>
    public static TrainingMeter Unread { get; } = new();

    /// <summary>The meter, for instruments of the host.</summary>
    public Meter Meter { get; }

    /// <summary>A part of a step is done.</summary>
    /// <param name="seconds">Its duration, at least 0.</param>
    public void Phase(JobId job, StepPhase phase, double seconds)
    {
        if (_phases.Enabled) _phases.Record(seconds, TagsOf(job)[(int)phase]);
    }

    /// <summary>A frame was handed to the tensor channel, or came from it.</summary>
    /// <param name="count">Payload bytes, at least 0.</param>
    public void Bytes(PayloadDirection direction, long count) => _payload.Add(count, s_directions[(int)direction]);

    /// <summary>Something failed, <paramref name="count"/> times.</summary>
    public void Failure(FailureKind kind, int count = 1) => Interlocked.Add(ref _failures[(int)kind], count);

    /// <summary>A job got actors on this node.</summary>
    public void JobBegan() => _jobsHere.Add(1);

    /// <summary>A job's actors on this node are gone; its label is kept, its look-up is not.</summary>
    public void JobEnded(JobId job)
    {
        _jobsHere.Add(-1);
        _jobs.TryRemove(job, out _);
    }

    /// <summary>How many jobs a coordinator has; coordinators call it when that changes.</summary>
    public void Jobs(long waiting, long running)
    {
        lock (_lock) _coordinated = (waiting, running);
    }

    public void Dispose() => Meter.Dispose();

    private IEnumerable<Measurement<long>> Coordinated()
    {
        (long Waiting, long Running)? jobs;
        lock (_lock) jobs = _coordinated;
        return jobs is { } known
            ? [new(known.Waiting, new KeyValuePair<string, object?>("state", "waiting")), new(known.Running, new KeyValuePair<string, object?>("state", "running"))]
            : [];
    }

    private ReadOnlySpan<KeyValuePair<string, object?>[]> TagsOf(JobId job) => _jobs.TryGetValue(job, out var tags) ? tags : NewTags(job);

    private KeyValuePair<string, object?>[][] NewTags(JobId job)
    {
        lock (_lock)
        {
            if (_jobs.TryGetValue(job, out var known)) return known;
            var tags = _labels < JobLabelsMax ? TagsOf(job.Value) : _others;
            _labels++;
            return _jobs[job] = tags;
        }
    }

    private static KeyValuePair<string, object?>[][] TagsOf(string job) =>
        [.. s_phases.Select(phase => new KeyValuePair<string, object?>[] { new("phase", Label(phase)), new("job", job) })];

    private static KeyValuePair<string, object?>[] Tags<T>(string key) where T : struct, Enum =>
        [.. Enum.GetValues<T>().Select(value => new KeyValuePair<string, object?>(key, Label(value)))];

    /// <summary>UserCode is <c>user_code</c>.</summary>
    private static string Label<T>(T value) where T : struct, Enum =>
        string.Concat(value.ToString().Select((c, i) => char.IsUpper(c) ? (i > 0 ? "_" : "") + char.ToLowerInvariant(c) : c.ToString()));
}
