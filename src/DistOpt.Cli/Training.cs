using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Threading.Channels;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt;

/// <summary>How a run in code is set up.</summary>
public sealed record TrainingOptions
{
    /// <summary>The run directory; null = <c>runs/&lt;name&gt;-&lt;id&gt;</c>.</summary>
    public string? Out { get; init; }

    /// <summary>False: no run directory at all; the result holds the metrics alone.</summary>
    public bool WritesRunDirectory { get; init; } = true;

    /// <summary>Beside those of the app definition.</summary>
    public IReadOnlyList<ITrainingObserver> Observers { get; init; } = [];

    public TimeProvider Time { get; init; } = TimeProvider.System;
}

/// <summary>How a run ended that did not fail: completed, interrupted or cancelled.</summary>
/// <param name="Summary">What <c>summary.json</c> holds.</param>
/// <param name="Directory">The run directory, or null where none was written.</param>
public sealed record RunResult(RunSummary Summary, string? Directory);

/// <summary>The run failed: user code threw, or a wait reached its limit. The message is one line; <see cref="RunSummary.Error"/> has the stack.</summary>
public sealed class TrainingFailedException(RunSummary summary, string? directory, Exception? inner)
    : Exception(Line(summary, directory), inner)
{
    public RunSummary Summary { get; } = summary;

    /// <summary>The run directory with what there is, or null.</summary>
    public string? Directory { get; } = directory;

    /// <summary>Whether a command has printed the summary already.</summary>
    internal bool WasReported { get; set; }

    private static string Line(RunSummary summary, string? directory) =>
        "the run failed: " + CommandLine.FirstLine(summary.Error ?? "no cause was given") + (directory is null ? "" : $" (see {directory})");
}

/// <summary>
/// Training from code. Nothing here writes to the console, hooks Ctrl-C or exits the process, and no thread outlives the returned task.
/// </summary>
public static class Training
{
    /// <summary>Trains and waits for the end.</summary>
    /// <param name="spec">What to train; defaults are filled in.</param>
    /// <param name="app">Catalogue and observers; null = the built-in ones.</param>
    /// <param name="options">Run directory and the like.</param>
    /// <param name="progress">Told many times a second, in the order of the steps, on a thread of the run.</param>
    /// <param name="cancellationToken">Ends the run cleanly: it is saved, and the result says <see cref="RunStatus.Interrupted"/>.</param>
    /// <exception cref="SpecException">Bad input, all violations at once; nothing has been written.</exception>
    /// <exception cref="TrainingFailedException">The run failed.</exception>
    public static Task<RunResult> RunAsync(TrainingSpec spec, DistOptAppDefinition? app = null, TrainingOptions? options = null,
        IProgress<RunProgress>? progress = null, CancellationToken cancellationToken = default) =>
        RunWithAsync(spec, app, options, progress is null ? [] : [new ProgressSink(progress)], cancellationToken);

    /// <summary>Trains every fold of a spec with <c>data.folds</c>, each as a run below one directory, and waits for the end.</summary>
    /// <param name="spec">What to train; <c>data.folds</c> is set and <c>data.fold</c> is not.</param>
    /// <param name="app">Catalogue and observers; null = the built-in ones.</param>
    /// <param name="options">Directory and the like.</param>
    /// <param name="parallel">Folds that run at the same time; null = as many as the cores have room for.</param>
    /// <param name="cancellationToken">Ends the folds that run cleanly: the result says <see cref="RunStatus.Interrupted"/>.</param>
    /// <returns>How it ended; a fold that failed is told by its summary.</returns>
    /// <exception cref="SpecException">Bad input, all violations at once; nothing has been written.</exception>
    public static async Task<CrossValidation> CrossValidateAsync(TrainingSpec spec, DistOptAppDefinition? app = null, TrainingOptions? options = null,
        int? parallel = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(spec);
        if (parallel < 1) throw new ArgumentOutOfRangeException(nameof(parallel), parallel, "must be at least 1");
        var plan = Plan(spec, app ?? DistOptApp.Define(), options ?? new TrainingOptions(), []);
        if (!FoldsRunner.IsAsked(plan.Spec)) throw new SpecException("data.folds", "must be set, and data.fold must not, for a cross-validation");
        return await new FoldsRunner(plan, parallel ?? FoldsRunner.ParallelFor(plan.Spec, 1), display: null).RunAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Starts a run whose rows can be read while it goes on.</summary>
    /// <inheritdoc cref="RunAsync"/>
    public static TrainingRun Start(TrainingSpec spec, DistOptAppDefinition? app = null, TrainingOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        var rows = Channel.CreateUnbounded<MetricRow>(new UnboundedChannelOptions { SingleReader = false, SingleWriter = true });
        return new TrainingRun(rows.Reader, Run());

        async Task<RunResult> Run()
        {
            try
            {
                var result = await RunWithAsync(spec, app, options, [new RowSink(rows.Writer)], cancellationToken).ConfigureAwait(false);
                rows.Writer.Complete();
                return result;
            }
            catch (Exception e)
            {
                rows.Writer.Complete(e); // who reads rows sees it there, who awaits the result sees it there
                throw;
            }
        }
    }

    internal static string NewId(TimeProvider time) =>
        RunDirectory.NewId(time.GetUtcNow(), (ushort)RandomNumberGenerator.GetInt32(ushort.MaxValue + 1));

    private static async Task<RunResult> RunWithAsync(TrainingSpec spec, DistOptAppDefinition? app, TrainingOptions? options,
        IReadOnlyList<IRunSink> sinks, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(spec);
        var plan = Plan(spec, app ?? DistOptApp.Define(), options ?? new TrainingOptions(), sinks);
        return await TrainingRunner.RunAsync(plan, cancellationToken).ConfigureAwait(false);
    }

    private static RunPlan Plan(TrainingSpec spec, DistOptAppDefinition app, TrainingOptions options, IReadOnlyList<IRunSink> sinks)
    {
        var resolved = SpecFiles.Resolve(spec, app);
        string id = NewId(options.Time);
        return new RunPlan
        {
            Job = $"{resolved.Name}-{id}",
            Spec = resolved,
            App = app,
            Runtimes = Hosts.Runtimes(app, Hosts.Data()),
            Host = Hosts.For(app, processes: 1),
            Directory = options.WritesRunDirectory ? RunDirectory.Plan(options.Out, resolved.Name, id) : null,
            Observers = options.Observers,
            Sinks = sinks,
            Time = options.Time,
        };
    }

    private sealed class ProgressSink(IProgress<RunProgress> target) : IRunSink
    {
        public void Progress(RunProgress progress) => target.Report(progress);
    }

    private sealed class RowSink(ChannelWriter<MetricRow> target) : IRunSink
    {
        public void Row(MetricRow row) => target.TryWrite(row);
    }
}

/// <summary>A run that goes on.</summary>
public sealed class TrainingRun
{
    private readonly ChannelReader<MetricRow> _rows;

    internal TrainingRun(ChannelReader<MetricRow> rows, Task<RunResult> result)
    {
        _rows = rows;
        Result = result;
    }

    /// <summary>The end of the run, as <see cref="Training.RunAsync"/> gives it.</summary>
    public Task<RunResult> Result { get; }

    /// <summary>The metric rows as they come; ends with the run, and throws what the run threw. Each row is given to one reader.</summary>
    public async IAsyncEnumerable<MetricRow> Rows([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await foreach (var row in _rows.ReadAllAsync(cancellationToken).ConfigureAwait(false)) yield return row;
    }
}
