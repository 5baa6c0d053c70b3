using System.CommandLine;
using System.Globalization;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Functions;
using DistOpt.Hosting.Journal;

namespace DistOpt.EndToEnd.Tests.UserCode;

/// <summary>A study over a function with a journal, which says of each trial that it has ended; run again it goes on.</summary>
internal static class FunctionStudyCommand
{
    public const int Trials = 30_000;

    public static FunctionStudyOptions Options { get; } = new() { Trials = Trials, Parallel = 4, Seed = 7, Sampler = new("random") };

    public static Command Create()
    {
        var file = new Argument<string>("file");
        var until = new Argument<int>("until") { Description = "From the trial with this number on functions wait to be killed" };
        var command = new Command("function-study") { file, until };
        command.SetAction(async (parse, stop) =>
        {
            var output = parse.InvocationConfiguration.Output;
            using var journal = StudyJournal.Open(parse.GetValue(file)!);
            var study = new FunctionStudy(Options, journal) { TrialEnded = (_, trial) => output.WriteLine(Line(trial)) };
            int last = parse.GetValue(until);
            await study.RunAsync(async (trial, token) =>
            {
                if (trial.Number >= last) await Task.Delay(Timeout.Infinite, token);
                return Objective(trial);
            }, cancellationToken: stop);
        });
        return command;
    }

    public static double Objective(FunctionTrial trial)
    {
        double x = trial.SuggestFloat("x", -1, 1);
        trial.SetUserAttribute("twice", 2 * x);
        return trial.SuggestCategorical("kind", "a", "b") == "a" ? x + trial.SuggestInt("n", 1, 9) : x * trial.SuggestFloat("y", 0, 1);
    }

    /// <summary>Says all that is known of a trial, and where the line ends.</summary>
    public static string Line(TrialSnapshot trial)
    {
        double value = trial.State == TrialState.Complete ? trial.Value : double.NaN;
        string parameters = string.Join(' ', trial.Parameters.OrderBy(p => p.Key, StringComparer.Ordinal));
        return string.Create(CultureInfo.InvariantCulture, $"ended {trial.Number} {value:R} {parameters} {trial.UserAttributes["twice"]} end");
    }
}
