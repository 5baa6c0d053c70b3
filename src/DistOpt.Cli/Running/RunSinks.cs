using DistOpt.Core.Training;

namespace DistOpt;

/// <summary>
/// Hands everything to several sinks, in order and one call at a time, whatever thread it comes from. Log lines that come before the run
/// has started are kept until then; those that come after its end are dropped, for nothing is left to keep them.
/// </summary>
internal sealed class RunSinks(IReadOnlyList<IRunSink> sinks) : IRunSink
{
    /// <summary>Lines kept before the start; later ones are counted, not kept.</summary>
    private const int EarlyLinesMax = 10_000;

    private readonly Lock _lock = new();
    private readonly List<LogLine> _early = [];
    private int _earlyDropped;

    public bool IsStarted { get; private set; }

    public RunSummary? Summary { get; private set; }

    public void Started(RunStarted run)
    {
        lock (_lock)
        {
            foreach (var sink in sinks) sink.Started(run);
            IsStarted = true;
            if (_earlyDropped > 0)
                _early.Add(new LogLine("local", "distopt", "warning", $"{_earlyDropped} lines written before the start were dropped", 0));
            foreach (var line in _early)
                foreach (var sink in sinks) sink.Log(line);
            _early.Clear();
        }
    }

    public void Progress(RunProgress progress)
    {
        lock (_lock)
            foreach (var sink in sinks) sink.Progress(progress);
    }

    public void Row(MetricRow row)
    {
        lock (_lock)
            foreach (var sink in sinks) sink.Row(row);
    }

    public void Flush()
    {
        lock (_lock)
            foreach (var sink in sinks) sink.Flush();
    }

    public void Log(LogLine line)
    {
        lock (_lock)
        {
            if (Summary is not null) return;
            if (IsStarted)
            {
                foreach (var sink in sinks) sink.Log(line);
            }
            else if (_early.Count < EarlyLinesMax)
            {
                _early.Add(line);
            }
            else
            {
                _earlyDropped++;
            }
        }
    }

    public void Confusion(RunConfusion confusion)
    {
        lock (_lock)
            foreach (var sink in sinks) sink.Confusion(confusion);
    }

    public void Weights(RunWeights weights)
    {
        lock (_lock)
            foreach (var sink in sinks) sink.Weights(weights);
    }

    public void Ended(RunSummary summary)
    {
        lock (_lock)
        {
            if (Summary is not null) return;
            foreach (var sink in sinks) sink.Ended(summary);
            Summary = summary;
        }
    }
}

/// <summary>Tells an observer what a sink is told.</summary>
internal sealed class ObserverSink(ITrainingObserver observer, TrainingContext context) : IRunSink
{
    public void Started(RunStarted run) => observer.Started(run, context);

    public void Progress(RunProgress progress) => observer.Step(progress, context);

    public void Row(MetricRow row) => observer.Evaluated(row, context);

    public void Weights(RunWeights weights) => observer.Checkpointed(weights, context);

    public void Ended(RunSummary summary) => observer.Ended(summary);
}
