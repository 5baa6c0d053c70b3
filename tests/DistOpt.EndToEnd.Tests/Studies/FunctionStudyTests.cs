using System.Globalization;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Functions;
using DistOpt.EndToEnd.Tests.Support;
using DistOpt.EndToEnd.Tests.UserCode;
using DistOpt.Hosting.Journal;

namespace DistOpt.EndToEnd.Tests.Studies;

/// <summary>A study over a function whose process is killed (SIGKILL) in the middle of thousands of trials, again and again.</summary>
public sealed class FunctionStudyTests
{
    private const int Kills = 4;

    [Fact]
    public async Task A_study_over_a_function_whose_process_is_killed_is_the_undisturbed_one()
    {
        using var folder = new TestFolder();
        string file = folder.In("study.db");
        var told = new List<string>();
        for (int kill = 0; ; kill++)
        {
            // it never ends before it is killed
            int until = (kill + 1) * (FunctionStudyCommand.Trials / (Kills + 1));
            await using var process = ProgramProcess.Start(ProgramProcess.Fixture, folder.Path, null, "function-study", file,
                until.ToString(CultureInfo.InvariantCulture));
            if (kill == Kills)
            {
                await process.EndAsync();
                Assert.True(process.ExitCode == 0, process.Describe());
                told.AddRange(Told(process));
                break;
            }
            await process.LineAsync(l => l.StartsWith("ended ", StringComparison.Ordinal), "trial that has ended");
            if (kill == 0)
            {
                // nobody else writes meanwhile
                var error = Assert.Throws<SpecException>(() => StudyJournal.Open(file));
                Assert.Contains("a study is written by one process", error.Message);
            }
            process.KillHard();
            await process.WaitForExitAsync();
            told.AddRange(Told(process));
        }

        using var journal = StudyJournal.Open(file);
        var study = new FunctionStudy(FunctionStudyCommand.Options, journal);
        var undisturbed = new FunctionStudy(FunctionStudyCommand.Options);
        await undisturbed.RunAsync(FunctionStudyCommand.Objective, cancellationToken: TestContext.Current.CancellationToken);
        var status = study.Status();
        Assert.Equal((StudyStopReason.Trials, FunctionStudyCommand.Trials, Kills), (status.End, status.Counts.Complete, status.Sessions));
        string[] lines = [.. study.Trials.Select(FunctionStudyCommand.Line)];
        Assert.Equal(undisturbed.Trials.Select(FunctionStudyCommand.Line), lines);
        // what was told is what is stored, and nothing was told twice
        Assert.Equal(told.Count, told.Distinct().Count());
        Assert.All(told, line => Assert.Equal(line, lines[int.Parse(line.Split(' ')[1], CultureInfo.InvariantCulture)]));
        Assert.True(told.Count > Kills, $"{told.Count} told");
    }

    /// <summary>Whole lines: the last one may be torn.</summary>
    private static IEnumerable<string> Told(ProgramProcess process) =>
        process.Out.Split('\n').Where(l => l.StartsWith("ended ", StringComparison.Ordinal) && l.EndsWith(" end", StringComparison.Ordinal));
}
