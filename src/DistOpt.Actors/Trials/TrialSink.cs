using Akka.Actor;
using DistOpt.Core.Training;

namespace DistOpt.Actors.Trials;

/// <summary>A job has opened its data and model, and tells of its run to this sink. Whoever hears it ends and disposes it once the job has ended.</summary>
internal sealed record TrialOpened(TrialSink Sink) : INoSerializationVerificationNeeded;

/// <summary>The run of a trial has begun, or gone on.</summary>
internal sealed record TrialBegun(RunStarted Run) : INoSerializationVerificationNeeded;

/// <summary>A row of the run.</summary>
internal sealed record TrialRow(MetricRow Row) : INoSerializationVerificationNeeded;

/// <summary>
/// Hands everything on to the writer of the run's directory, and tells the trial's supervisor what it needs. Both have it: the job, to whose end it is written
/// to whatever has become of the study, and the supervisor, which writes how a job has ended that has not begun.
/// </summary>
internal sealed class TrialSink : IRunSink, IDisposable
{
    private readonly IRunSink _inner;
    private readonly IActorRef _supervisor;
    private volatile bool _isEnded;
    private int _isDisposed;

    public TrialSink(IRunSink inner, IActorRef supervisor)
    {
        (_inner, _supervisor) = (inner, supervisor);
        supervisor.Tell(new TrialOpened(this), ActorRefs.NoSender);
    }

    public void Started(RunStarted run)
    {
        _inner.Started(run);
        _supervisor.Tell(new TrialBegun(run), ActorRefs.NoSender);
    }

    public void Progress(RunProgress progress) => _inner.Progress(progress);

    public void Row(MetricRow row)
    {
        _inner.Row(row);
        _supervisor.Tell(new TrialRow(row), ActorRefs.NoSender);
    }

    public void Log(LogLine line) => _inner.Log(line);

    public void Confusion(RunConfusion confusion) => _inner.Confusion(confusion);

    public void Weights(RunWeights weights) => _inner.Weights(weights);

    public void Flush() => _inner.Flush();

    public void Ended(RunSummary summary)
    {
        if (_isEnded) return;
        _inner.Ended(summary);
        _isEnded = true;
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) == 0) (_inner as IDisposable)?.Dispose();
    }
}
