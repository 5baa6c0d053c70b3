using System.Collections.Concurrent;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Training;

namespace DistOpt.Cli.Tests;

/// <summary>Studies from code.</summary>
public sealed class TuningTests : IDisposable
{
    private static readonly TrainingSpec Small = new()
    {
        Name = "small",
        Training = new TrainingSection { Epochs = 2, Workers = 1 },
    };

    private static readonly Dictionary<string, ParameterSpec> Space = new() { ["optimizer.learning_rate"] = new ParameterSpec { Float = [1e-4, 3e-2], Log = true } };

    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-tuning-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_study_is_run_from_code_and_tells_its_trials()
    {
        var ended = new ConcurrentQueue<TrialRecord>();
        var options = new TuningOptions { Out = Path.Combine(_folder, "study"), TrialEnded = ended.Enqueue };
        var study = new StudySection { Metric = "validation.accuracy", Trials = 3, Sampler = new PluginSpec("random") };

        var summary = await Tuning.RunAsync(Small, study, Space, options: options, cancellationToken: Token);

        Assert.Equal(3, summary.Status.Counts.Complete);
        Assert.Equal([0, 1, 2], ended.Select(t => t.Number));
        Assert.Equal(ended.Max(t => t.Values[0]), summary.Status.Best!.Values[0]);
        Assert.InRange(summary.Test!["accuracy"], 0.1, 1);
    }

    [Fact]
    public async Task What_was_cancelled_is_gone_on_with()
    {
        using var stop = new CancellationTokenSource();
        var options = new TuningOptions { Out = Path.Combine(_folder, "study"), TrialEnded = _ => stop.Cancel() };
        var study = new StudySection { Metric = "validation.accuracy", Trials = 4, Deterministic = true, Sampler = new PluginSpec("random") };
        var whole = await Tuning.RunAsync(Small, study, Space, options: new TuningOptions { Out = Path.Combine(_folder, "whole") }, cancellationToken: Token);

        var part = await Tuning.RunAsync(Small, study, Space, options: options, cancellationToken: stop.Token);
        Assert.Null(part.Status.End);
        Assert.InRange(part.Status.Counts.Complete, 1, 3);
        var rest = await Tuning.ResumeAsync(Path.Combine(_folder, "study"), cancellationToken: Token);

        Assert.Equal(4, rest.Status.Counts.Complete);
        Assert.Equal(whole.Status.Best!.Number, rest.Status.Best!.Number);
        Assert.Equal(whole.Status.Best.Values, rest.Status.Best.Values);
        Assert.Equal(1, rest.Status.Sessions);
    }

    [Fact]
    public async Task Bad_input_is_told_before_anything_is_written()
    {
        var study = new StudySection { Metric = "test.accuracy", Trials = 0 };
        var options = new TuningOptions { Out = Path.Combine(_folder, "study") };
        var error = await Assert.ThrowsAsync<SpecException>(() => Tuning.RunAsync(Small, study, Space, options: options, cancellationToken: Token));
        Assert.Equal(2, error.Violations.Count());
        await Assert.ThrowsAsync<SpecException>(() => Tuning.ResumeAsync(Path.Combine(_folder, "nowhere"), cancellationToken: Token));
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
    }
}
