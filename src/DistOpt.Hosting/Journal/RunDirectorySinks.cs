using System.Collections.Concurrent;
using DistOpt.Actors.Training;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Journal;

/// <summary>Writes durable jobs' results to their run directories, and wakes whoever waits for news of them. Thread-safe.</summary>
internal sealed class RunDirectorySinks(Func<TrainingSpec, string> specText, TimeProvider time) : IJobSinks
{
    private readonly ConcurrentDictionary<JobId, TaskCompletionSource> _news = new();

    public IRunSink Open(JobId job, TrainingSpec spec, string directory, IJobRuntime runtime, bool recovered)
    {
        var writer = new RunDirectoryWriter(new RunDirectory(directory), new RunFiles(specText, runtime.SaveModel, runtime.SaveInference), time);
        return new SignallingSink(writer, () => Signal(job));
    }

    public RunSummary? FindEnd(JobId job, string directory)
    {
        try
        {
            return File.Exists(new RunDirectory(directory).SpecFile) && RunDirectoryReader.Open(directory).Summary() is { } summary
                && summary.Job == job.Value ? summary : null;
        }
        catch (SpecException)
        {
            // a damaged summary tells nothing: the run goes on, and writes it anew
            return null;
        }
    }

    public void Ended(JobId job) => Signal(job);

    /// <summary>Completes when something new was written for a job that has not ended.</summary>
    public Task News(JobId job) => _news.GetOrAdd(job, _ => new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    /// <summary>Wakes whoever waits for news.</summary>
    public void Signal(JobId job)
    {
        if (_news.TryRemove(job, out var waiting)) waiting.TrySetResult();
    }

    private sealed class SignallingSink(RunDirectoryWriter inner, Action signal) : IRunSink, IDisposable
    {
        public void Started(RunStarted run)
        {
            inner.Started(run);
            signal();
        }

        public void Row(MetricRow row)
        {
            inner.Row(row);
            signal();
        }

        public void Log(LogLine line)
        {
            inner.Log(line);
            signal();
        }

        public void Confusion(RunConfusion confusion) => inner.Confusion(confusion);

        public void Weights(RunWeights weights) => inner.Weights(weights);

        public void Flush() => inner.Flush();

        public void Ended(RunSummary summary)
        {
            inner.Ended(summary);
            signal();
        }

        public void Dispose() => inner.Dispose();
    }
}
