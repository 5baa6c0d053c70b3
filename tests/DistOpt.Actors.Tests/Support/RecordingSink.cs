using DistOpt.Core.Training;

namespace DistOpt.Actors.Tests.Support;

/// <summary>Keeps everything a run tells.</summary>
internal sealed class RecordingSink : IRunSink
{
    public List<MetricRow> Rows { get; } = [];

    public List<LogLine> Lines { get; } = [];

    public RunStarted? Start { get; private set; }

    public float[]? Last { get; private set; }

    public float[]? Selected { get; private set; }

    /// <summary>Buffers of the selected weights.</summary>
    public float[]? SelectedBuffers { get; private set; }

    public float[]? LastBuffers { get; private set; }

    /// <summary>The running average of the last step, weights and then buffers.</summary>
    public float[]? LastAverage { get; private set; }

    public long SelectedStep { get; private set; }

    public RunSummary? Summary { get; private set; }

    public Action<RunProgress>? OnProgress { get; init; }

    public void Started(RunStarted run)
    {
        Start = run;
        if (run.Resumed is not { } resumed) return;
        Rows.RemoveAll(r => r.Step > r.Split switch { DataSplit.Train => resumed.TrainRows, DataSplit.Validation => resumed.ValidationRows, _ => -1 });
    }

    public void Progress(RunProgress progress) => OnProgress?.Invoke(progress);

    public void Row(MetricRow row) => Rows.Add(row);

    public void Log(LogLine line) => Lines.Add(line);

    public void Weights(RunWeights weights)
    {
        if (weights.Selected) (Selected, SelectedBuffers, SelectedStep) = (weights.Parameters.ToArray(), weights.Buffers.ToArray(), weights.Step);
        else if (weights.IsAverage) LastAverage = [.. weights.Parameters.Span, .. weights.Buffers.Span];
        else (Last, LastBuffers) = (weights.Parameters.ToArray(), weights.Buffers.ToArray());
    }

    /// <summary>Called when what was told is to be kept.</summary>
    public Action? OnFlush { get; init; }

    public void Flush() => OnFlush?.Invoke();

    public void Ended(RunSummary summary) => Summary = summary;
}
