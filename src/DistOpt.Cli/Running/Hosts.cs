using DistOpt.Core.Datasets;
using DistOpt.Core.Functions;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Training;
using DistOpt.Hosting.Api;
using DistOpt.Hosting.Local;
using DistOpt.Hosting.Processes;
using DistOpt.Hosting.Studies;
using DistOpt.Protocol;
using DistOpt.Torch;
using DistOpt.Torch.Engine;
using DistOpt.Torch.Images;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistOpt;

/// <summary>The composition root: what opens models and data, what runs jobs, and what a node needs of the program.</summary>
internal static class Hosts
{
    /// <summary>The data of this user: where downloaded sets are, and how pictures are decoded.</summary>
    /// <param name="environment">Reads environment variables; null = those of the process.</param>
    /// <param name="dataRoot">Folder of a node, in which <c>data</c> is the data root unless <c>DISTOPT_DATA</c> names another.</param>
    public static DataEnvironment Data(Func<string, string?>? environment = null, string? dataRoot = null)
    {
        string? set = (environment ?? Environment.GetEnvironmentVariable)(DataEnvironment.RootVariable);
        string root = !string.IsNullOrWhiteSpace(set) ? Path.GetFullPath(set)
            : dataRoot is not null ? Path.Combine(Path.GetFullPath(dataRoot), "data")
            : DataEnvironment.DefaultRoot();
        return new DataEnvironment { Root = root, ImageDecoder = new SkiaImageDecoder() };
    }

    public static IJobRuntimeFactory Runtimes(DistOptAppDefinition app, DataEnvironment data) =>
        new CheckedRuntimes(new FunctionRuntimeFactory(app.Runtimes ?? new TorchRuntimeFactory(app.Catalog, data), data));

    /// <summary>What runs a job in one process, or in several of this machine.</summary>
    public static ITrainingHost For(DistOptAppDefinition app, int processes) =>
        app.Host ?? (processes > 1 ? new ProcessTrainingHost() : new LocalTrainingHost());

    public static JobParts Parts(DistOptAppDefinition app, IJobRuntimeFactory runtimes) => new(
        runtimes,
        new AppSpecReader(app),
        spec => app.Optimizers.Get(spec.Optimizer.Kind)(spec.Optimizer.OptionsAs<object>()),
        spec => app.Schedules.Get(spec.Schedule.Kind)(spec.Schedule.OptionsAs<object>()))
    {
        Studies = new StudyParts(
            yaml => SpecFiles.Binder(app).ParseStudy(yaml),
            spec => StudySetup.Of(spec, SpecFiles.Catalogs(app)) with { Code = app.UserCode },
            spec => new TrialSpecs(SpecFiles.Binder(app), spec),
            SpecFiles.Write,
            (spec, model, stop) => Test(runtimes, spec, model, stop)),
    };

    private static Dictionary<string, double>? Test(IJobRuntimeFactory runtimes, TrainingSpec spec, string model, CancellationToken stop)
    {
        using (var runtime = runtimes.Open(spec))
            if (runtime.Data.Test == 0) return null;
        return Evaluator.Measure(runtimes, spec, model, DataSplit.Test, stop).Metrics.ToDictionary(m => m.Key, m => m.Value.Value);
    }

    private static JobStorage Storage(TrainingRequest request) => new(request.CheckpointDirectory, request.Resumes) { Requests = request.Checkpoints };

    private static (CancellationToken, StopReason)[] Stops(TrainingRequest request, CancellationToken interrupt) =>
        [(interrupt, StopReason.Interrupted), (request.ObserverStop, StopReason.Observer)];

    private sealed class LocalTrainingHost : ITrainingHost
    {
        public Task<RunSummary> RunAsync(TrainingRequest request, CancellationToken interrupt) => LocalJobHost.RunAsync(
            new JobId(request.Job), request.Spec, Parts(request.App, request.Runtimes), request.Sink, Storage(request), request.Time,
                Stops(request, interrupt));
    }

    private sealed class ProcessTrainingHost : ITrainingHost
    {
        public Task<RunSummary> RunAsync(TrainingRequest request, CancellationToken interrupt) => ProcessJobHost.RunAsync(
            new JobId(request.Job), request.Spec, Parts(request.App, request.Runtimes), request.Sink, Storage(request), request.Processes,
                request.MaxRestarts, ProgramStart.Current(),
            NullLoggerFactory.Instance, request.Time, Stops(request, interrupt));
    }
}

/// <summary>Specs as they travel between processes and come in by the HTTP API, with a program's catalogues.</summary>
internal sealed class AppSpecReader(DistOptAppDefinition app) : ISpecReader
{
    public TrainingSpec Read(string yaml) => SpecFiles.Parse(yaml, null, app);

    public string Write(TrainingSpec spec) => SpecFiles.Write(spec);
}
