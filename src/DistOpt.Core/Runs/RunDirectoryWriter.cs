using System.Text;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Runs;

/// <summary>What the run directory needs of others: how a spec is written as YAML, and the model files, which only the tensor engine can write.</summary>
/// <param name="SpecText">The resolved spec as YAML.</param>
/// <param name="SaveModel">Writes weights to a path; see <see cref="IJobRuntime.SaveModel"/>.</param>
/// <param name="SaveInference">Writes <c>inference.json</c> to a path.</param>
public sealed record RunFiles(
    Func<TrainingSpec, string> SpecText,
    Action<string, ReadOnlyMemory<float>, ReadOnlyMemory<float>> SaveModel,
    Action<string> SaveInference);

/// <summary>
/// Writes a run's directory while it runs. Nothing exists before <see cref="Started"/>. Rows are handed to the system line by line, so that a
/// run that dies leaves what it measured, and are on the disk before a checkpoint or the summary that counts on them is.
/// </summary>
public sealed class RunDirectoryWriter(RunDirectory directory, RunFiles files, TimeProvider time) : IRunSink, IDisposable
{
    private DateTimeOffset _startedAt;
    private StreamWriter? _metrics;
    private StreamWriter? _log;
    private TensorBoardWriter? _tensorBoard;

    public RunDirectory Directory => directory;

    /// <summary>Whether the directory exists already.</summary>
    public bool IsStarted => _metrics is not null;

    /// <summary>Whether the summary has been written.</summary>
    public bool IsEnded { get; private set; }

    public void Started(RunStarted run)
    {
        _startedAt = time.GetUtcNow();
        directory.Create();
        AtomicFile.Write(directory.SpecFile, Encoding.UTF8.GetBytes(files.SpecText(run.Spec)));
        if (run.Spec.Storage.Kind == StorageSection.Shared)
        {
            System.IO.Directory.CreateDirectory(directory.CheckpointFolder);
            AtomicFile.Write(directory.SharedJobFile, Encoding.UTF8.GetBytes(run.Job + "\n"));
        }
        if (run.Resumed is { } resumed)
        {
            // what it measured after the checkpoint is measured again; how it ended is no longer true
            ResumedLines.Keep(directory.MetricsFile, line => ResumedLines.IsBefore(resumed, RunJson.ParseRow(line)));
            ResumedLines.Keep(directory.LogFile, _ => true);
            File.Delete(directory.SummaryFile);
        }
        _metrics = Lines(directory.MetricsFile, run.Resumed is not null);
        _log = Lines(directory.LogFile, run.Resumed is not null);
        _tensorBoard = new TensorBoardWriter(directory.Path, _startedAt);
        files.SaveInference(directory.InferenceFile);
        foreach (string warning in run.Warnings) Log(new LogLine(run.Nodes is [var node, ..] ? node : "local", "distopt", "warning", warning, 0));
    }

    public void Row(MetricRow row)
    {
        Writer(_metrics).Write(RunJson.RowLine(row) + "\n");
        var at = _startedAt + TimeSpan.FromSeconds(row.WallSeconds);
        string split = RunJson.Name(row.Split);
        foreach (var (name, value) in row.Metrics) _tensorBoard!.Scalar($"{split}/{name}", row.Step, value, at);
        if (row.LearningRate is { } rate) _tensorBoard!.Scalar($"{split}/learning_rate", row.Step, rate, at);
        if (row is { BatchReason: not null, BatchSize: { } size }) _tensorBoard!.Scalar($"{split}/batch_size", row.Step, size, at);
        if (row.NoiseScale is { } scale) _tensorBoard!.Scalar($"{split}/noise_scale", row.Step, scale, at);
        if (row.AdascaleGain is { } gain) _tensorBoard!.Scalar($"{split}/adascale_gain", row.Step, gain, at);
        if (row.SamplesPerSecond is { } speed) _tensorBoard!.Scalar($"{split}/samples_per_second", row.Step, speed, at);
        _tensorBoard!.Flush();
    }

    public void Log(LogLine line) => Writer(_log).Write(RunJson.LogLineText(line) + "\n");

    public void Weights(RunWeights weights)
    {
        Writer(_metrics);
        string path = weights.Selected ? directory.ModelFile : weights.IsAverage ? directory.LastAverageFile : directory.LastModelFile;
        files.SaveModel(path, weights.Parameters, weights.Buffers);
    }

    public void Confusion(RunConfusion confusion) =>
        AtomicFile.Write(directory.ConfusionFile, Encoding.UTF8.GetBytes(confusion.Matrix.ToCsv(confusion.Classes)));

    public void Flush()
    {
        ToDisk(_metrics);
        ToDisk(_log);
    }

    public void Ended(RunSummary summary)
    {
        if (!IsStarted) directory.Create();
        Flush();
        AtomicFile.Write(directory.SummaryFile, Encoding.UTF8.GetBytes(RunJson.SummaryText(summary)));
        IsEnded = true;
    }

    public void Dispose()
    {
        _metrics?.Dispose();
        _log?.Dispose();
        _tensorBoard?.Dispose();
    }

    private static StreamWriter Lines(string path, bool append) =>
        new(new FileStream(path, append ? FileMode.Append : FileMode.Create, FileAccess.Write, FileShare.Read)) { AutoFlush = true, NewLine = "\n" };

    private static void ToDisk(StreamWriter? lines) => (lines?.BaseStream as FileStream)?.Flush(flushToDisk: true);

    private static StreamWriter Writer(StreamWriter? writer) =>
        writer ?? throw new InvalidOperationException("the run has not started: its directory does not exist yet");
}
