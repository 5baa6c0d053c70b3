using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Cli.Tests.Support;

/// <summary>Tells the story of a short run without computing anything: two epochs of ten steps.</summary>
internal sealed class TestHost : ITrainingHost
{
    public TrainingRequest? Request { get; private set; }

    /// <summary>Called after the first epoch, within the run.</summary>
    public Action<TrainingRequest> Middle { get; init; } = _ => { };

    /// <summary>Called before the start.</summary>
    public Action Opening { get; init; } = () => { };

    /// <summary>Waits for the interrupt after the first epoch.</summary>
    public bool WaitsForInterrupt { get; init; }

    public RunStatus Status { get; init; } = RunStatus.Completed;

    public string? Error { get; init; }

    public async Task<RunSummary> RunAsync(TrainingRequest request, CancellationToken interrupt)
    {
        Request = request;
        Opening();
        using var runtime = request.Runtimes.Open(request.Spec);
        var sink = request.Sink;
        sink.Started(new RunStarted(request.Job, request.Spec, runtime.Data, 20, runtime.Layout, ["local"], runtime.Warnings));
        sink.Progress(new RunProgress(5, 0, 1.5, 1000, 0.5));
        Epoch(sink, 0);
        Middle(request);
        if (WaitsForInterrupt) await Task.Delay(Timeout.Infinite, interrupt).ContinueWith(_ => { }, TaskScheduler.Default);
        var stop = request.ObserverStop.IsCancellationRequested ? StopReason.Observer
            : interrupt.IsCancellationRequested ? StopReason.Interrupted : StopReason.Epochs;
        if (stop == StopReason.Epochs) Epoch(sink, 1);
        sink.Weights(new RunWeights(false, 20, new float[] { 1, 2 }, default));
        sink.Weights(new RunWeights(true, 10, new float[] { 3, 4 }, default));
        return new RunSummary
        {
            Job = request.Job,
            Status = stop == StopReason.Interrupted ? RunStatus.Interrupted : Status,
            StopReason = Status == RunStatus.Failed ? StopReason.Failed : stop,
            Error = Error,
            Steps = stop == StopReason.Epochs ? 20 : 10,
            Epochs = stop == StopReason.Epochs ? 2 : 1,
            Samples = 200,
            Selected = new SelectedWeights(10, "validation.loss", 0.4),
            Train = new Dictionary<string, double> { ["loss"] = 0.5 },
            Validation = new Dictionary<string, double> { ["loss"] = 0.4, ["accuracy"] = 0.9 },
            Test = new Dictionary<string, double> { ["loss"] = 0.45, ["accuracy"] = 0.875 },
            WallSeconds = 2,
            SamplesPerSecond = 100,
            Workers = request.Spec.Training.Workers,
            Servers = request.Spec.Training.Servers,
            Processes = request.Processes,
            GradientShards = request.Spec.Training.GradientShards!.Value,
            StepsComputed = 20,
            WeightsSha256 = "00ff",
        };
    }

    private static void Epoch(IRunSink sink, int epoch)
    {
        long step = 10 * (epoch + 1);
        sink.Row(new MetricRow(step, epoch + 1, DataSplit.Train, [new("loss", 1.0 / (epoch + 1))], 0.001, 64, 1234.5, epoch + 1));
        sink.Row(new MetricRow(step, epoch + 1, DataSplit.Validation, [new("loss", 0.8 / (epoch + 1)), new("accuracy", 0.9)], null, null, null, epoch + 1));
    }
}

/// <summary>A runtime of so many parameters, without a tensor engine.</summary>
internal sealed class TestRuntimes(long parameters = 2, DataCounts? data = null) : IJobRuntimeFactory
{
    public int Opened { get; private set; }

    public int Disposed { get; private set; }

    public IJobRuntime Open(TrainingSpec spec)
    {
        Opened++;
        return new Runtime(this, parameters, data ?? new DataCounts(100, 10, 20));
    }

    private sealed class Runtime(TestRuntimes owner, long parameters, DataCounts data) : IJobRuntime
    {
        public ParameterLayout Layout { get; } = new([new TensorSlot("weight", [parameters], 0, parameters)], []);

        public DataCounts Data => data;

        public JobFingerprint Fingerprint { get; } = new(new Dictionary<string, string>(), new Dictionary<string, string>());

        public IReadOnlyList<string> Warnings => ["this is a test"];

        public void WriteInitialWeights(Span<float> weights, Span<float> buffers) => throw new NotSupportedException();

        public IGradientWorker CreateWorker(FlatBuffer weights) => throw new NotSupportedException();

        public void SaveModel(string path, ReadOnlyMemory<float> weights, ReadOnlyMemory<float> buffers) =>
            File.WriteAllText(path, string.Join(' ', weights.ToArray()));

        public void SaveInference(string path) => File.WriteAllText(path, "{}");

        public void Dispose() => owner.Disposed++;
    }
}
