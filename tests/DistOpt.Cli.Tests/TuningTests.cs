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
    public async Task A_study_from_code_is_told_what_to_do_while_it_runs()
    {
        TuningStudy? running = null;
        var given = new ConcurrentQueue<Task>();
        var options = new TuningOptions
        {
            Out = Path.Combine(_folder, "study"),
            Starting = s =>
            {
                running = s;
                given.Enqueue(s.EnqueueAsync(new Dictionary<string, object?> { ["optimizer.learning_rate"] = 0.0125 }, fromTrial: 1));
                given.Enqueue(s.SetAttributeAsync("owner", "me"));
                given.Enqueue(s.SetTrialsAsync(4));
            },
            TrialEnded = trial => given.Enqueue(running!.SetAttributeAsync("rate", trial.Parameters[0], trial.Number)),
        };
        var study = new StudySection { Metric = "validation.accuracy", Trials = 2, Parallel = 1, Sampler = new PluginSpec("random") };

        var summary = await Tuning.RunAsync(Small, study, Space, options: options, cancellationToken: Token);

        await Task.WhenAll(given.Take(5)); // that of the last trial may come after the study's end
        Assert.Equal(options.Out, running!.Directory);
        Assert.Equal(4, summary.Status.Counts.Complete);
        var read = StudyDirectoryReader.Open(options.Out, SpecFiles.Binder(DistOptApp.Define()));
        Assert.Equal(0.0125, read.Trials[1].Parameters[0]);
        Assert.Equal([KeyValuePair.Create("owner", (object?)"me")], read.Attributes.OfStudy);
        Assert.All(read.Trials.Take(3), t => Assert.Equal([KeyValuePair.Create("rate", (object?)t.Parameters[0])], read.Attributes.OfTrial(t.Number)));
        Assert.All(read.Trials, t => Assert.True(t.Started <= t.Ended && DateTime.UtcNow - t.Started < TimeSpan.FromHours(1), $"{t.Started} {t.Ended}"));
    }

    [Fact]
    public async Task What_is_asked_of_a_study_that_does_not_run_is_answered()
    {
        var given = new List<Task>();
        TuningStudy? running = null;
        var options = new TuningOptions
        {
            Out = Path.Combine(_folder, "study"),
            Starting = s =>
            {
                running = s;
                given.Add(s.SetAttributeAsync("owner", double.NaN));
                given.Add(s.StatusAsync(Token));
            },
        };
        var study = new StudySection { Metric = "validation.accuracy", Trials = 1, Isolation = TrialIsolation.Process };
        // no machine has so many
        var greedy = Small with { Training = Small.Training with { WorkerGpus = 1024 } };

        await Assert.ThrowsAsync<SpecException>(() => Tuning.RunAsync(greedy, study, Space, options: options, cancellationToken: Token));

        foreach (var task in given) await Assert.ThrowsAsync<SpecException>(() => task.WaitAsync(TimeSpan.FromMinutes(1), Token));
        var done = await Tuning.RunAsync(Small, study with { Isolation = null }, Space, options: options with { Out = Path.Combine(_folder, "done") },
            cancellationToken: Token);
        Assert.Equal(1, done.Status.Counts.Complete);
        Assert.Contains("has ended", (await Assert.ThrowsAsync<SpecException>(() => running!.PauseAsync())).Message);
        Assert.Equal(1, (await running!.StatusAsync(Token)).Counts.Complete);
        Assert.Contains("at most 512", (await Assert.ThrowsAsync<SpecException>(() => running.SetAttributeAsync(new string('a', 513), 1))).Message);
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
    public async Task A_study_whose_code_has_changed_is_gone_on_with_only_if_that_is_accepted_and_its_trials_note_it()
    {
        using var stop = new CancellationTokenSource();
        string folder = Path.Combine(_folder, "study");
        var study = new StudySection { Metric = "validation.accuracy", Trials = 3, Parallel = 1, Sampler = new PluginSpec("random") };
        await Tuning.RunAsync(Small, study, Space, options: new TuningOptions { Out = folder, TrialEnded = _ => stop.Cancel() }, cancellationToken: stop.Token);
        string before = File.ReadAllText(Path.Combine(folder, "trials.jsonl"));

        // a program with code of its own; the one before had none
        var app = DistOptApp.Define(define => define.AddLoss<OwnLoss>("own", _ => throw new NotSupportedException()));
        var error = await Assert.ThrowsAsync<SpecException>(() => Tuning.ResumeAsync(folder, app, cancellationToken: Token));
        Assert.Equal("--accept-new-code", Assert.Single(error.Violations).Path);
        Assert.Matches(@"ran the code none, which is DistOpt\.Cli\.Tests [0-9a-f]{16} now", error.Message);
        Assert.Equal(before, File.ReadAllText(Path.Combine(folder, "trials.jsonl")));

        var ended = new ConcurrentQueue<TrialRecord>();
        var rest = await Tuning.ResumeAsync(folder, app, new TuningOptions { AcceptNewCode = true, TrialEnded = ended.Enqueue }, Token);
        Assert.Equal(3, rest.Status.Counts.Complete);
        Assert.Equal(1, ended.Last().Code[^1]);
        Assert.Contains("\"code\":[1]", File.ReadAllLines(Path.Combine(folder, "trials.jsonl"))[^1]);
    }

    private sealed record OwnLoss;

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
