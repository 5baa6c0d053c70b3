using System.Collections.Concurrent;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Functions;
using DistOpt.Hosting.Journal;

namespace DistOpt.Examples;

/// <summary>Studies over functions and over training specs from C#, with the code that README shows.</summary>
internal static class FunctionStudies
{
    /// <summary><c>study-function</c>: a declared space, several functions at a time, and a journal from which the study goes on.</summary>
    public static async Task<StudyStatus> RunFunctionAsync(string file, TextWriter output, CancellationToken stop)
    {
        var space = new SearchSpace([new("x", new FloatDomain(-5, 10)), new("y", new FloatDomain(0, 15))]);
        using var journal = StudyJournal.Open(file); // leave it away, and the study ends with the process
        var study = new FunctionStudy(new FunctionStudyOptions { Space = space, Trials = 100, Parallel = 4, Seed = 1 }, journal)
        {
            TrialEnded = (s, trial) => output.WriteLine($"trial {trial.Number} {trial.State}: best so far {s.BestTrial?.Value:F4}"),
        };
        var status = await study.RunAsync(async (trial, token) =>
        {
            await Task.Yield(); // any async function
            return Branin(trial.Float("x"), trial.Float("y"));
        }, cancellationToken: stop);
        output.WriteLine($"{status.Counts.Complete} trials; the least value is {study.BestTrial!.Value:F4} at {Show(study.BestTrial)}");
        return status;
    }

    /// <summary><c>study-ask-tell</c>: whoever computes asks for trials, and tells of them.</summary>
    public static StudyStatus AskAndTell(TextWriter output)
    {
        var space = new SearchSpace([new("x", new FloatDomain(-5, 10)), new("y", new FloatDomain(0, 15))]);
        var study = new FunctionStudy(new FunctionStudyOptions { Space = space, Trials = 60, Seed = 1 });
        study.Enqueue(2.5, 7.5); // to be tried first
        while (study.Ask() is { } trial)
        {
            double value = Branin(trial.Float("x"), trial.Float("y"));
            if (double.IsFinite(value)) study.Tell(trial, value);
            else study.Fail(trial, $"is {value}");
        }
        output.WriteLine($"the least value is {study.BestTrial!.Value:F4} at {Show(study.BestTrial)}");
        return study.Status();
    }

    /// <summary><c>study-define-by-run</c>: trials define their parameters, report on their way, and are pruned.</summary>
    public static async Task<FunctionStudy> DefineByRunAsync(TextWriter output, CancellationToken stop)
    {
        var study = new FunctionStudy(new FunctionStudyOptions { Trials = 60, Parallel = 2, Seed = 1, Pruner = new("median") });
        study.SetUserAttribute("what", "gradient descent on a parabola");
        await study.RunAsync(trial =>
        {
            double rate = trial.SuggestFloat("rate", 1e-3, 1, log: true);
            string method = trial.SuggestCategorical("method", "plain", "momentum");
            double momentum = method == "momentum" ? trial.SuggestFloat("momentum", 0, 0.99) : 0; // only some trials have it
            (double x, double speed) = (5, 0);
            for (int step = 1; step <= 20; step++)
            {
                speed = momentum * speed - rate * 2 * x;
                x += speed;
                trial.Report(x * x, step);
                if (trial.ShouldPrune()) throw new TrialPrunedException();
            }
            trial.SetUserAttribute("x", x);
            return x * x;
        }, cancellationToken: stop);
        foreach (var state in study.Trials.GroupBy(t => t.State)) output.WriteLine($"{state.Count()} trials are {state.Key}");
        output.WriteLine($"the least value is {study.BestTrial!.Value:G3} at {Show(study.BestTrial)}, x = {study.BestTrial.UserAttributes["x"]}");
        return study;
    }

    /// <summary><c>study-training</c>: the study is over training specs, as those that <c>sweep</c> runs.</summary>
    public static async Task<StudySummary> TuneTrainingAsync(string? folder, TextWriter output, CancellationToken stop)
    {
        var training = new TrainingSpec { Name = "digits-study", Training = new() { Epochs = 4 } };
        var study = new StudySection { Metric = "validation.accuracy", Trials = 8, Parallel = 2, Sampler = new("tpe"), TrialScheduler = new("asha") };
        var space = new Dictionary<string, ParameterSpec>
        {
            ["optimizer.learning_rate"] = new() { Float = [1e-4, 3e-2], Log = true },
            ["model.hidden"] = new() { List = new() { Length = new() { Int = [1, 2] }, Each = new() { Int = [16, 128], Log = true } } },
        };
        TuningStudy? running = null; // to pause it, to enqueue a point, to cancel a trial, ... while it runs
        var notes = new ConcurrentBag<Task>();
        var summary = await Tuning.RunAsync(training, study, space, options: new TuningOptions
        {
            Out = folder,
            Starting = s =>
            {
                running = s;
                notes.Add(s.EnqueueAsync(new Dictionary<string, object?> { ["optimizer.learning_rate"] = 0.003 })); // to be tried first
                notes.Add(s.SetAttributeAsync("what", "digits with a small network"));
            },
            TrialEnded = trial =>
            {
                output.WriteLine($"trial {trial.Number} {trial.State}: {string.Join(", ", trial.Values)}");
                if (trial.Values is [> 0.95]) notes.Add(running!.SetAttributeAsync("worth a look", true, trial.Number));
            },
        }, cancellationToken: stop);
        output.WriteLine($"best: trial {summary.Status.Best!.Number}; test accuracy {summary.Test!["accuracy"]:P1}; results in {summary.Directory}");
        return summary;
    }

    /// <summary>Branin's function, whose least value is 0.3979.</summary>
    private static double Branin(double x, double y) =>
        Math.Pow(y - 5.1 / (4 * Math.PI * Math.PI) * x * x + 5 / Math.PI * x - 6, 2) + 10 * (1 - 1 / (8 * Math.PI)) * Math.Cos(x) + 10;

    private static string Show(TrialSnapshot trial) => string.Join(", ", trial.Parameters.Select(p => $"{p.Key} = {p.Value:G4}"));
}
