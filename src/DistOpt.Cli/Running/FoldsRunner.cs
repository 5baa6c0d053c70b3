using System.Collections.Concurrent;
using System.Text;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt;

/// <summary>Trains the folds of a cross-validation, several at a time, each as a run of its own below one directory.</summary>
/// <param name="plan">The whole: its job, its spec with <c>data.folds</c>, its directory or none, whether it goes on.</param>
/// <param name="parallel">Folds that run at the same time, at least 1.</param>
/// <param name="display">Makes what shows a fold; null = nothing.</param>
internal sealed class FoldsRunner(RunPlan plan, int parallel, Func<int, IRunSink>? display)
{
    private readonly ConcurrentDictionary<int, FoldResult> _results = [];
    private readonly Lock _files = new();
    private bool _isBegun;

    private int Folds => plan.Spec.Data.Folds!.Value;

    /// <summary>Whether a spec asks for all of its folds: then it is no single job.</summary>
    public static bool IsAsked(TrainingSpec spec) => spec.Data is { Folds: not null, Fold: null };

    /// <summary>The spec of one fold.</summary>
    public static TrainingSpec SpecOf(TrainingSpec spec, int fold) => spec with { Data = spec.Data with { Fold = fold } };

    /// <summary>As many as the cores have room for, by the workers of each.</summary>
    public static int ParallelFor(TrainingSpec spec, int processes) =>
        processes > 1 ? 1 : Math.Clamp(Environment.ProcessorCount / spec.Training.Workers, 1, spec.Data.Folds ?? 1);

    /// <summary>Runs every fold that is not complete. One that fails stops the others after a checkpoint.</summary>
    /// <exception cref="SpecException">Bad input; nothing has been written.</exception>
    public async Task<CrossValidation> RunAsync(CancellationToken interrupt)
    {
        using var only = plan.Resumes ? plan.Directory!.Lock() : null;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(interrupt);
        long begin = plan.Time.GetTimestamp();
        SpecException? badInput = null;
        if (plan.Resumes) Begin();
        var options = new ParallelOptions { MaxDegreeOfParallelism = parallel, CancellationToken = CancellationToken.None };
        await Parallel.ForEachAsync(Enumerable.Range(0, Folds), options, async (fold, _) =>
        {
            try
            {
                _results[fold] = await RunFoldAsync(fold, stop.Token).ConfigureAwait(false);
            }
            catch (TrainingFailedException e)
            {
                _results[fold] = new FoldResult(fold, e.Directory, e.Summary);
            }
            catch (SpecException e)
            {
                badInput = e;
            }
            if (badInput is not null || _results[fold].Summary is { Status: RunStatus.Failed }) await stop.CancelAsync().ConfigureAwait(false);
            Write(begin);
        }).ConfigureAwait(false);
        if (badInput is not null) throw badInput;
        return Result(begin);
    }

    private async Task<FoldResult> RunFoldAsync(int fold, CancellationToken stop)
    {
        var directory = plan.Directory is { } all ? new RunDirectory(FoldFiles.Folder(all.Path, fold)) : null;
        var before = plan.Resumes && File.Exists(directory!.SpecFile) ? RunDirectoryReader.Open(directory.Path) : null;
        var summary = before?.Summary();
        if (summary is { Status: RunStatus.Completed } || stop.IsCancellationRequested) return new FoldResult(fold, directory?.Path, summary);
        var result = await TrainingRunner.RunAsync(plan with
        {
            Job = summary?.Job ?? before?.SharedJob() ?? $"{plan.Job}-fold-{fold}",
            Spec = SpecOf(plan.Spec, fold),
            Directory = directory,
            Resumes = before is not null,
            Sinks = [.. plan.Sinks, new BeginSink(Begin), .. display is null ? (IRunSink[])[] : [display(fold)]],
        }, stop).ConfigureAwait(false);
        return new FoldResult(fold, result.Directory, result.Summary);
    }

    /// <summary>A fold has begun, so the input was good: the directory becomes that of a cross-validation.</summary>
    private void Begin()
    {
        if (plan.Directory is not { } directory) return;
        lock (_files)
        {
            if (_isBegun) return;
            _isBegun = true;
            directory.Create();
            AtomicFile.Write(directory.SpecFile, Encoding.UTF8.GetBytes(SpecFiles.Write(plan.Spec)));
            File.Delete(directory.SummaryFile); // how it ended before is no longer true
        }
    }

    private void Write(long begin)
    {
        if (plan.Directory is not { } directory) return;
        lock (_files)
        {
            // while a fold is missing there is no summary: it would say that the whole has ended
            if (_isBegun && _results.Count == Folds) FoldFiles.Write(directory, Result(begin));
        }
    }

    private CrossValidation Result(long begin) => new(plan.Job,
        [.. Enumerable.Range(0, Folds).Select(f => _results.GetValueOrDefault(f) ?? new FoldResult(f, null, null))],
        plan.Time.GetElapsedTime(begin).TotalSeconds);

    private sealed class BeginSink(Action begin) : IRunSink
    {
        public void Started(RunStarted run) => begin();
    }
}

/// <summary>The lines of one of several folds, each with its number in front; they share the writer.</summary>
internal sealed class FoldDisplay(TextWriter writer, int fold, Lock turn) : RunDisplay(TextWriter.Null)
{
    protected override void WriteLine(string text)
    {
        lock (turn) writer.WriteLine($"fold {fold}  {text}");
    }
}

/// <summary>The end of a cross-validation as a person reads it.</summary>
internal static class FoldsText
{
    public static void Write(TextWriter writer, CrossValidation result, string? directory)
    {
        var columns = (from split in (DataSplit[])[DataSplit.Validation, DataSplit.Test]
                       from name in result.Mean[split].Keys
                       select (Split: split, Name: name)).ToList();
        var rows = new List<IReadOnlyList<string>> { (string[])["fold", .. columns.Select(c => $"{RunJson.Name(c.Split)}.{c.Name}")] };
        foreach (var fold in result.Folds)
        {
            rows.Add(columns.Count == 0
                ? [$"{fold.Fold}", fold.Summary is { } s ? RunJson.Name(s.Status) : "not begun"]
                : [$"{fold.Fold}", .. columns.Select(c => Format.Metric((c.Split == DataSplit.Test ? fold.Summary!.Test : fold.Summary!.Validation)[c.Name]))]);
        }
        if (columns.Count > 0)
        {
            rows.Add(["mean", .. columns.Select(c => Format.Metric(result.Mean[c.Split][c.Name]))]);
            rows.Add(["deviation", .. columns.Select(c => Format.Metric(result.Deviation[c.Split][c.Name]))]);
        }
        foreach (string line in Format.Table(rows)) writer.WriteLine(line);
        writer.WriteLine($"{RunJson.Name(result.Summary.Status)}: {Format.Plural(result.Folds.Count, "fold")}, "
            + $"{Format.Plural(result.Summary.Steps, "step")} in {Format.Duration(result.Summary.WallSeconds)}");
        if (directory is not null) writer.WriteLine($"results in {directory}");
    }
}
